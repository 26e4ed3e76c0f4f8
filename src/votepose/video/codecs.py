"""Which encoder and which container a drawn video gets."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from votepose.errors import VoteposeError

# In order of preference. x264 and x265, the usual ones, are GPL: they are used only if the user names them.
CODECS = ("libopenh264", "libvpx-vp9", "mpeg4")
_VP9 = "libvpx-vp9"
_OPTIONS = {
    _VP9: {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "24"},
    "mpeg4": {"qmin": "2", "qmax": "6"},
}
_BITS_PER_PIXEL = 0.2
_MAX_RATE = 60.0  # frames per second that count for the bit rate
_WEBM_CODECS = ("libvpx", "libsvtav1", "libaom")
_MP4_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac"})


def choose_codec(av: Any, wanted: str | None) -> str:
    """The video encoder `wanted`, or by default the first of `CODECS`, that the installed FFmpeg has.

    Raises:
        VoteposeError: if it has none.
    """
    for name in [wanted] if wanted else CODECS:
        with contextlib.suppress(ValueError):  # UnknownCodecError
            if av.codec.Codec(name, "w").type == "video":
                return str(name)
    names = wanted or ", ".join(CODECS)
    raise VoteposeError(f"the installed FFmpeg cannot encode {names}: leave out --video-codec, or name another")


def choose_suffix(codec: str, audio: Sequence[Any], source_suffix: str) -> str:
    """.mp4; .webm if the source is one and the codec allows it; .mkv if .mp4 cannot hold the audio streams."""
    if source_suffix.lower() == ".webm" and codec.startswith(_WEBM_CODECS):
        return ".webm"
    fits = all(stream.codec_context.name.split("_")[0] in _MP4_AUDIO for stream in audio)
    return ".mp4" if fits else ".mkv"


def codec_options(codec: str) -> dict[str, str]:
    """Options of the encoder for drawings: fast, in good quality."""
    return dict(_OPTIONS.get(codec, {}))


def bit_rate(codec: str, width: int, height: int, rate: float) -> int:
    """Bits per second for frames of this size at `rate` frames per second; 0 where `codec_options` set the quality."""
    return 0 if codec == _VP9 else round(_BITS_PER_PIXEL * width * height * min(rate, _MAX_RATE))
