"""Chooses the encoder and container of a drawn video, so that it plays wherever its source does."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from votepose.errors import VoteposeError

# Encoders in order of preference. The common x264 and x265 are GPL, so they are used only if the user names them.
H264 = ("libopenh264", "h264_videotoolbox", "h264_mf", "h264_nvenc", "h264_amf")
_VP9 = "libvpx-vp9"
CODECS = (*H264, _VP9, "mpeg4")
_BY_SOURCE = {"vp8": (_VP9,), "vp9": (_VP9,), "av1": (_VP9,), "mpeg4": ("mpeg4",)}
_OPTIONS = {
    _VP9: {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "24"},
    "mpeg4": {"qmin": "2", "qmax": "6"},
}
_BITS_PER_PIXEL = 0.2
_MAX_RATE = 60.0  # higher frame rates do not raise the bit rate
_WEBM_VIDEO = frozenset({"vp8", "vp9", "av1"})
_WEBM_AUDIO = frozenset({"opus", "vorbis"})
_MP4_VIDEO = frozenset({"h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "vp9", "av1", "mjpeg", "jpeg2000", "vvc"})
_MP4_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac"})
OPUS = "libopus"


@dataclass(frozen=True)
class Source:
    """The source of a drawn video.

    Attributes:
        codec: FFmpeg's name of its format, such as "h264"; None if it is not a video file.
        suffix: suffix of its file.
        audio: its audio streams (av.AudioStream), to be kept.
    """

    codec: str | None = None
    suffix: str = ""
    audio: Sequence[Any] = ()


@dataclass(frozen=True)
class Target:
    """Format of a drawn video.

    Attributes:
        encoder: FFmpeg's name of the video encoder.
        codec: FFmpeg's name of the encoded format.
        suffix: suffix of the file.
        opus: whether to encode the audio as Opus; otherwise it is copied.
        note: one line for the user; None if the format is the source's.
    """

    encoder: str
    codec: str
    suffix: str
    opus: bool = False
    note: str | None = None


def choose_target(av: Any, wanted: str | None, source: Source) -> Target:
    """Use the encoder `wanted`, or else one for the source's format, or one that plays nearly everywhere.

    Raises:
        VoteposeError: if the installed FFmpeg has no such encoder.
    """
    encoder = _choose_encoder(av, wanted, source.codec)
    codec = str(av.codec.Codec(encoder, "w").canonical_name)
    sounds = {stream.codec_context.codec.canonical_name for stream in source.audio}
    suffix, opus = _choose_suffix(codec, sounds, source, _has_encoder(av, OPUS))
    note = None
    if not wanted and source.codec and codec != source.codec:
        choose = "use --video-codec for another"
        if source.codec == "h264" and _has_encoder(av, "libx264", "video"):
            choose = "--video-codec libx264 gives H.264 with a GPL encoder"
        note = f"drawn as {codec} in {suffix} by {encoder}, not as {source.codec}; {choose}"
    return Target(encoder, codec, suffix, opus, note)


def _choose_encoder(av: Any, wanted: str | None, codec: str | None) -> str:
    if wanted:
        if not _has_encoder(av, wanted, "video"):
            message = f"the installed FFmpeg cannot encode {wanted}: choose another --video-codec, or leave it out"
            raise VoteposeError(message)
        return wanted
    for name in (*_BY_SOURCE.get(codec or "", ()), *CODECS):
        if _has_encoder(av, name, "video") and (name not in H264 or _opens(av, name)):
            return name
    raise VoteposeError(f"the installed FFmpeg cannot encode any of {', '.join(CODECS)}: choose another --video-codec")


def _has_encoder(av: Any, name: str, kind: str = "audio") -> bool:
    with contextlib.suppress(ValueError):  # UnknownCodecError
        return bool(av.codec.Codec(name, "w").type == kind)
    return False


def _opens(av: Any, name: str) -> bool:
    """Whether the encoder works; FFmpeg also lists encoders whose device or library is missing."""
    with contextlib.suppress(av.error.FFmpegError, ValueError):
        context = av.codec.CodecContext.create(name, "w")
        context.width, context.height, context.pix_fmt, context.framerate = 640, 480, "yuv420p", 25
        context.open()
        return True
    return False


def _choose_suffix(codec: str, sounds: set[str], source: Source, can_opus: bool) -> tuple[str, bool]:
    """The suffix of a container that suits the codec and can hold the audio, and whether the audio must become Opus."""
    played = source.suffix.lower() if source.codec == codec else ""  # the source's container is known to play
    if codec in _WEBM_VIDEO and played not in (".mp4", ".mkv"):
        if sounds <= _WEBM_AUDIO or can_opus:
            return ".webm", not sounds <= _WEBM_AUDIO
        return ".mkv", False
    return (".mp4" if codec in _MP4_VIDEO and sounds <= _MP4_AUDIO else ".mkv"), False


def codec_options(encoder: str) -> dict[str, str]:
    """Encoder options for drawn videos: fast and of good quality."""
    return dict(_OPTIONS.get(encoder, {}))


def bit_rate(encoder: str, width: int, height: int, rate: float) -> int:
    """Bits per second for this size and `rate` in frames per second; 0 if `codec_options` set the quality."""
    return 0 if encoder == _VP9 else round(_BITS_PER_PIXEL * width * height * min(rate, _MAX_RATE))
