"""A sink for drawn videos."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from votepose.outputs.sink import Item, Prediction, Sink, Take
from votepose.video.codecs import Source
from votepose.video.writer import VideoWriter


class DrawnVideos(Sink):
    """Writes each video with its poses drawn; images are drawn by `outputs.pictures`.

    Args:
        codec: encoder of the drawn video, see `VideoWriter`.
        sound: whether to keep the sound.
        from_first: whether the drawn video starts with its first frame rather than at the start of the source.
        note: called with each message for the user about a drawing.
    """

    def __init__(self, codec: str | None, sound: bool, from_first: bool, note: Callable[[str], None]) -> None:
        self._codec, self._sound, self._from_first, self._note = codec, sound, from_first, note

    @contextlib.contextmanager
    def open(self, item: Item) -> Iterator[Take]:
        if item.video is None:
            yield lambda found: None
            return
        audio = item.video.audio if self._sound else []
        source = Source(item.video.codec, item.source.path.suffix, audio)
        with VideoWriter(item.target.with_suffix(""), item.video.rate, source, self._codec) as writer:
            item.video.on_audio = writer.write_audio if audio else item.video.on_audio
            origin: float | None = None if self._from_first else 0.0

            def take(found: Prediction) -> None:
                nonlocal origin
                time = found.time or 0.0
                origin = time if origin is None else origin
                writer.write(np.asarray(found.drawing), time - origin)
                if writer.note:  # not if there is no drawing
                    self._note(writer.note)

            yield take
