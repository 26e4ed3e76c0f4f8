"""Real time: the newest frame of a video, and never a queue of old ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

from votepose.video.reader import Frame, VideoReader
from votepose.video.streams import TIMEOUT


class Newest:
    """The frames of a `VideoReader` as they come, for those who cannot keep up: each time the newest, others dropped.

    A thread of its own reads, so nothing piles up and nothing lags. A file plays at its own speed, as a camera would.

    Args:
        reader: it belongs to this object while it is iterated.
    """

    def __init__(self, reader: VideoReader) -> None:
        self._reader = reader
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._error: BaseException | None = None
        self._ended = self._stopped = False
        self.dropped = 0

    def __iter__(self) -> Generator[Frame, None, None]:
        thread = threading.Thread(target=self._read, daemon=True)
        thread.start()
        try:
            while (frame := self._take()) is not None:
                yield frame
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            thread.join(timeout=TIMEOUT + 1)
        if self._error:
            raise self._error

    def _take(self) -> Frame | None:
        with self._changed:
            while self._frame is None and not self._ended:
                self._changed.wait(0.5)  # with a time limit Ctrl-C gets through on every system
            frame, self._frame = self._frame, None
            return frame

    def _read(self) -> None:
        begin: float | None = None
        try:
            for frame in self._reader:
                begin = time.monotonic() - frame.time if begin is None else begin
                with self._changed:
                    if not self._reader.live:
                        self._changed.wait_for(lambda: self._stopped, max(0.0, begin + frame.time - time.monotonic()))
                    if self._stopped:
                        return
                    self.dropped += self._frame is not None
                    self._frame = frame
                    self._changed.notify_all()
        except BaseException as error:  # said by the thread that iterates
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
