"""Real-time processing: yields the newest frame of a video and drops older ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator

from votepose.utils.parallel import Pause
from votepose.video.reader import Frame, VideoReader
from votepose.video.sequence import SequenceReader
from votepose.video.streams import TIMEOUT

_PAUSE = 0.05  # seconds


class LatestFrames:
    """The frames of a `VideoReader` for a slow consumer: always the newest one; older ones are dropped.

    A thread reads the frames, so none pile up and there is no lag. A file plays at its own speed, as if it were live:
    each frame comes when it is due by its time, counted from the first one. While there is no new frame, the iterator
    yields a `Pause` from time to time.

    Args:
        reader: must not be used elsewhere during the iteration.
        now: the time in seconds.
        wait: waits for a condition to be notified, for at most this number of seconds.

    Attributes:
        dropped: number of frames dropped so far.
    """

    def __init__(
        self,
        reader: VideoReader | SequenceReader,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float], object] = threading.Condition.wait,
    ) -> None:
        self._reader, self._now, self._wait = reader, now, wait
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._error: BaseException | None = None
        self._ended = self._stopped = False
        self.dropped = 0

    def __iter__(self) -> Generator[Frame | Pause, None, None]:
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

    def _take(self) -> Frame | Pause | None:
        """The newest frame; None after the last one."""
        with self._changed:
            if self._frame is None and not self._ended:
                self._changed.wait(_PAUSE)
            frame, self._frame = self._frame, None
            return frame or (None if self._ended else Pause())

    def _read(self) -> None:
        begin: float | None = None
        try:
            for frame in self._reader:
                begin = self._now() - frame.time if begin is None else begin
                with self._changed:
                    if not self._reader.live:
                        self._wait_until(begin + frame.time)
                    if self._stopped:
                        return
                    self.dropped += self._frame is not None
                    self._frame = frame
                    self._changed.notify_all()
        except BaseException as error:  # raised again in the iterating thread
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _wait_until(self, due: float) -> None:
        while not self._stopped and (left := due - self._now()) > 0:
            self._wait(self._changed, left)
