"""Turns an image's bytes into a response, JSON or a drawing. Runs in a worker thread."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from votepose.errors import VoteposeError
from votepose.poses import Poses
from votepose.predictor import Predictor
from votepose.server.errors import RequestError
from votepose.server.limits import Limits
from votepose.server.upload import File, decode, safe_name
from votepose.visualization.draw import Style, draw

Format = Literal["json", "png", "jpeg"]
MEDIA_TYPES: dict[Format, str] = {"json": "application/json", "png": "image/png", "jpeg": "image/jpeg"}
_JPEG_SIDE = 65_500  # pixels: the format's limit


@dataclass(frozen=True)
class Options:
    """The options of one request.

    Attributes:
        input_size, presence_threshold, score_threshold: see `Predictor`; None for the model's default.
        form: format of the response.
        scores: whether to show each person's score in the drawing.
    """

    input_size: int | None = None
    presence_threshold: float | None = None
    score_threshold: float | None = None
    form: Format = "json"
    scores: bool = False


@dataclass(frozen=True)
class Answer:
    """The response's body and media type, the number of people, and the seconds taken by each stage."""

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
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


def handle(
    file: File, model: Callable[[], Predictor], options: Options, limits: Limits, stop: threading.Event
) -> Answer:
    """Find the people in an image file.

    Args:
        file: the image file; its name is copied into the record.
        model: returns the predictor, which it may have to load first.
        stop: set when the result is no longer needed; work ends at the next opportunity.

    Raises:
        RequestError: if the image cannot be read or drawn as requested, or is too large; 500 if the model fails.
    """
    watch = _Stopwatch()
    pixels, poses = _find(file.data, model, options, limits, stop, watch)
    if options.form == "json":
        body = json.dumps(poses.to_record(safe_name(file.name))).encode()
    else:
        body = _drawn(pixels, poses, options)
        watch.lap("draw")
    return Answer(body, MEDIA_TYPES[options.form], len(poses), watch.seconds)


def handle_batch(
    files: Sequence[File], model: Callable[[], Predictor], options: Options, limits: Limits, stop: threading.Event
) -> Answer:
    """Find the people in image files, one after another; returns a record or an error for each.

    Args:
        files, model, stop: as for `handle`.

    Raises:
        RequestError: 499 if the client has disconnected.
    """
    watch, people = _Stopwatch(), 0
    results: list[dict[str, Any]] = []
    for file in files:
        name = safe_name(file.name)
        try:
            if not file.data:
                raise RequestError(400, "the image is empty")
            _, poses = _find(file.data, model, options, limits, stop, watch)
        except RequestError as error:
            if error.status == 499:
                raise
            results.append({"image": name, "status": error.status, "detail": error.detail})
        else:
            results.append(poses.to_record(name))
            people += len(poses)
    return Answer(json.dumps({"results": results}).encode(), MEDIA_TYPES["json"], people, watch.seconds)


def _find(
    data: bytes,
    model: Callable[[], Predictor],
    options: Options,
    limits: Limits,
    stop: threading.Event,
    watch: _Stopwatch,
) -> tuple[np.ndarray, Poses]:
    _check(stop)
    pixels = decode(data, limits, stop)
    watch.lap("decode")
    _check(stop)
    try:
        poses = _configured(model(), options)(pixels)
    except VoteposeError:
        logging.getLogger("votepose.server").exception("the model failed")
        raise RequestError(500, "the model failed on this image; the server's log says why") from None
    watch.lap("predict")
    _check(stop)
    return pixels, poses


def _configured(predictor: Predictor, options: Options) -> Predictor:
    names = ("input_size", "presence_threshold", "score_threshold")
    given = {name: getattr(options, name) for name in names}
    return replace(predictor, **{name: value for name, value in given.items() if value is not None})


def _drawn(pixels: np.ndarray, poses: Poses, options: Options) -> bytes:
    if options.form == "jpeg" and max(pixels.shape) > _JPEG_SIDE:
        raise RequestError(422, f"a JPEG can have at most {_JPEG_SIDE} pixels per side; use format=png")
    file = io.BytesIO()
    picture = draw(pixels, poses, Style(scores=options.scores))
    picture.save(file, format=options.form, **({"quality": 92} if options.form == "jpeg" else {"compress_level": 1}))
    return file.getvalue()


def _check(stop: threading.Event) -> None:
    if stop.is_set():
        raise RequestError(499, "the client has disconnected")
