"""From a picture's bytes to an answer's: decode, predict, write as JSON or draw. Runs in a worker thread."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from votepose.errors import VoteposeError
from votepose.poses import Poses
from votepose.predictor import Predictor
from votepose.server.limits import Limits, Refusal
from votepose.server.upload import decode, safe_name
from votepose.visualization.draw import Style, draw

Format = Literal["json", "png", "jpeg"]
MEDIA_TYPES: dict[Format, str] = {"json": "application/json", "png": "image/png", "jpeg": "image/jpeg"}
_JPEG_SIDE = 65_500  # pixels; the format counts no further


@dataclass(frozen=True)
class Options:
    """What one request asks for: see `Predictor`; `form` is that of the answer, `scores` writes them in a drawing."""

    input_size: int
    presence_threshold: float
    score_threshold: float
    form: Format = "json"
    scores: bool = False


@dataclass(frozen=True)
class Answer:
    """What is sent: the body and its media type, the number of people, and the seconds that each stage took."""

    body: bytes
    media_type: str
    people: int
    seconds: dict[str, float]


@dataclass
class _Stopwatch:
    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now


def answer(
    data: bytes, name: str | None, predictor: Predictor, options: Options, limits: Limits, stop: threading.Event
) -> Answer:
    """Find the people in the image file `data`.

    Args:
        name: the client's, a label in the record.
        stop: set when nobody waits any more; work ends at the next opportunity.

    Raises:
        Refusal: if the picture cannot be read, is too large, or cannot be drawn as asked for; 500 if the model fails.
    """
    watch = _Stopwatch()
    pixels = decode(data, limits, stop)
    watch.lap("decode")
    _go_on(stop)
    try:
        poses = _asked(predictor, options)(pixels)
    except VoteposeError:
        logging.getLogger("votepose.server").exception("the model failed")
        raise Refusal(500, "the model failed on this picture; the server's log says why") from None
    watch.lap("predict")
    _go_on(stop)
    if options.form == "json":
        body = json.dumps(poses.to_record(safe_name(name))).encode()
    else:
        body = _drawn(pixels, poses, options)
        watch.lap("draw")
    return Answer(body, MEDIA_TYPES[options.form], len(poses), watch.seconds)


def choose_format(accept: str) -> Format:
    """The format that an Accept header prefers; JSON where it does not care.

    Raises:
        Refusal: 406 if it takes none of ours.
    """
    ranges: dict[str, float] = {}
    for entry in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        if kind:
            ranges[kind] = min((_quality(text) for text in parameters if re.match(r"q\s*=", text)), default=1.0)
    if not ranges:
        return "json"

    def wanted(media_type: str) -> float:  # the most specific range counts (RFC 9110, 12.5.1)
        keys = (media_type, media_type.partition("/")[0] + "/*", "*/*")
        return next((ranges[key] for key in keys if key in ranges), 0.0)

    best = max(MEDIA_TYPES, key=lambda form: wanted(MEDIA_TYPES[form]))  # the first of equals: JSON
    if wanted(MEDIA_TYPES[best]) <= 0:
        raise Refusal(406, f"the answer is one of {', '.join(MEDIA_TYPES.values())}: accept one of these")
    return best


def _quality(parameter: str) -> float:
    text = parameter.partition("=")[2].strip()
    return float(text) if re.fullmatch(r"[01](\.[0-9]{0,3})?", text) else 0.0


def _asked(predictor: Predictor, options: Options) -> Predictor:
    return replace(
        predictor,
        input_size=options.input_size,
        presence_threshold=options.presence_threshold,
        score_threshold=options.score_threshold,
    )


def _drawn(pixels: np.ndarray, poses: Poses, options: Options) -> bytes:
    if options.form == "jpeg" and max(pixels.shape) > _JPEG_SIDE:
        raise Refusal(422, f"a JPEG has at most {_JPEG_SIDE} pixels a side; ask for image/png")
    file = io.BytesIO()
    picture = draw(pixels, poses, Style(scores=options.scores))
    picture.save(file, format=options.form, **({"quality": 92} if options.form == "jpeg" else {"compress_level": 1}))
    return file.getvalue()


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Refusal(499, "nobody waits for this picture any more")
