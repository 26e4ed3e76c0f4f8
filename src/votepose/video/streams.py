"""Opens files, cameras and URLs with FFmpeg, and describes failures in one line."""

from __future__ import annotations

import glob
import importlib
import sys
from typing import Any

from votepose.errors import VoteposeError, installing, one_line
from votepose.io.inputs import Input

_PICTURE_CODECS = frozenset({"mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpegxl"})
TIMEOUT = 10.0  # seconds without data from a camera or server


def import_av() -> Any:
    """Import PyAV. Raises VoteposeError if it is not installed."""
    try:
        return importlib.import_module("av")
    except ModuleNotFoundError:
        message = f"videos need PyAV, which is not installed: {installing('video')}"
        raise VoteposeError(message) from None


def open_stream(av: Any, one: Input) -> Any:
    """Open a file, camera or URL as an av.container.InputContainer.

    Raises:
        VoteposeError: if there is no such camera.
        av.error.FFmpegError: if anything else cannot be opened, see `reason`.
    """
    if one.name.lower().startswith("webcam:"):
        return _open_camera(av, one)
    if "://" not in one.name:
        return av.open(one.name, mode="r", metadata_errors="replace")
    options = {"rtsp_transport": "tcp"} if one.name.lower().startswith("rtsp") else {}
    return av.open(one.name, mode="r", options=options, timeout=(TIMEOUT, TIMEOUT), metadata_errors="replace")


def choose_video(av: Any, container: Any) -> Any:
    """The av.VideoStream to process; None if there is none. Cover images and previews do not count.

    In order of priority, it prefers more than one frame, a video codec over an image codec, the file's default stream,
    the larger image, and the earlier stream.
    """
    kinds = av.stream.Disposition
    hidden = kinds.attached_pic | kinds.timed_thumbnails | kinds.still_image | kinds.dependent
    streams = [s for s in container.streams.video if s.codec_context is not None and not s.disposition & hidden]

    def preference(stream: Any) -> tuple[bool, bool, bool, int]:
        several = stream.frames != 1 and bool(stream.average_rate)
        moving = stream.codec_context.codec.canonical_name not in _PICTURE_CODECS
        area = (stream.width or 0) * (stream.height or 0)
        return several, moving, bool(stream.disposition & kinds.default), area

    return max(streams, key=preference, default=None)


def _open_camera(av: Any, one: Input) -> Any:
    which = one.name.partition(":")[2] or "0"
    system = "win32" if sys.platform == "win32" else "darwin" if sys.platform == "darwin" else "linux"
    file, form = {
        "win32": (f"video={which}", "dshow"),
        "darwin": (which, "avfoundation"),
        "linux": (f"/dev/video{which}" if which.isdecimal() else which, "v4l2"),
    }[system]
    options = {"framerate": "30"} if system == "darwin" else {}  # cameras refuse avfoundation's default rate
    try:
        return av.open(file, mode="r", format=form, options=options)
    except (av.error.FFmpegError, ValueError) as error:
        there = ", ".join(sorted(glob.glob("/dev/video*"))) if system == "linux" else ""
        reason = getattr(error, "strerror", None) or str(error)
        hint = f"available: {there}" if there else "no camera is attached"
        raise VoteposeError(f"{one.label}: no such camera ({file}: {reason}); {hint}") from None


def reason(av: Any, error: Any) -> str:
    """The reason why FFmpeg failed, in one line."""
    if (error.strerror or "").startswith("Server returned "):
        return f"the server answers {error.strerror.removeprefix('Server returned ')}"
    if isinstance(error, av.error.EOFError):
        return "holds no frame that can be decoded"
    if isinstance(error, av.error.InvalidDataError):
        return "is not a video of a known format, or is broken"
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return f"no data within {TIMEOUT:.0f} s"
    return f"cannot be read ({one_line(error, 120)})"
