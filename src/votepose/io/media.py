"""Tells images from videos, by suffix or, if the suffix is unknown, by the first bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Medium = Literal["image", "video"]

_PHOTOS = {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".mpo", ".heic", ".heif", ".hif", ".avif", ".webp"}
_LOSSLESS = {".png", ".apng", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".tga", ".qoi", ".pcx", ".sgi", ".psd"}
_NETPBM = {".ppm", ".pgm", ".pbm", ".pnm", ".pfm"}
_JPEG_2000 = {".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"}
IMAGE_SUFFIXES = frozenset(_PHOTOS | _LOSSLESS | _NETPBM | _JPEG_2000)

_CONTAINERS = {".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".divx", ".wmv", ".asf", ".flv", ".f4v"}
_PHONES = {".3gp", ".3g2", ".ogv", ".mxf", ".vob", ".mod", ".nut", ".rm", ".rmvb", ".dv", ".lrv", ".insv"}
_STREAMS = {".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".ts", ".mts", ".m2t", ".m2ts", ".mjpeg", ".mjpg", ".m3u8"}
_RAW_STREAMS = {".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".h266", ".266", ".vvc", ".ivf", ".obu", ".y4m"}
VIDEO_SUFFIXES = frozenset(_CONTAINERS | _PHONES | _STREAMS | _RAW_STREAMS)

# Camera raw files are a kind of TIFF: Pillow would read the small preview in them.
CAMERA_RAW = frozenset({".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw"})

_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*", b"qoif", b"\xff\x4f\xff\x51")
_VIDEO_STARTS = (b"\x1a\x45\xdf\xa3", b"FLV\x01", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"DKIF", b"YUV4MPEG2")
_NAL_TYPES = b"\x09\x27\x67\x40\x42\x46"  # access unit delimiter, SPS and VPS of H.264 and H.265
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ")


def medium_of_name(name: str) -> Medium | None:
    """The medium that a suffix stands for; None if the suffix is neither an image's nor a video's."""
    suffix = os.path.splitext(name)[1].lower()
    return "image" if suffix in IMAGE_SUFFIXES else "video" if suffix in VIDEO_SUFFIXES else None


def medium_of_file(path: Path) -> Medium | None:
    """The medium of a file, by suffix or first bytes; None if it is neither or cannot be read."""
    named = medium_of_name(path.name)
    if path.suffix.lower() in CAMERA_RAW:
        return None
    if named and path.suffix.lower() != ".ts":  # TypeScript files end in .ts too
        return named
    return medium_of_bytes(first_bytes(path))


def medium_of_bytes(start: bytes) -> Medium | None:
    """The medium of a file by its first bytes (189 are enough), for formats with a signature."""
    brand = start[8:12]
    if start[4:8] == b"ftyp":
        return "image" if brand in _HEIF_BRANDS + _AVIF_BRANDS else None if brand in _SOUND_BRANDS else "video"
    if start.startswith(b"RIFF"):
        return "image" if brand == b"WEBP" else "video" if brand == b"AVI " else None
    if start.startswith(_IMAGE_STARTS) or start[:10] == b"\0\0\0\x0cjP  \r\n" or _is_bmp(start):
        return "image"
    return "video" if start.startswith(_VIDEO_STARTS) or _is_stream(start) else None


def is_heif(start: bytes) -> bool:
    """Whether these are the first bytes of a HEIC or HEIF image, the format of iPhones."""
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS


def first_bytes(path: str | os.PathLike[str]) -> bytes:
    """The first bytes of a file, for `medium_of_bytes`; b"" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(256)
    except (OSError, ValueError):
        return b""


def _is_bmp(start: bytes) -> bool:
    return start[:2] == b"BM" and start[6:10] == b"\0\0\0\0"


def _is_stream(start: bytes) -> bool:
    """An MPEG, QuickTime or raw H.264 or H.265 stream."""
    if start[4:8] in (b"moov", b"mdat", b"wide"):
        return True
    if start[:4] in (b"\0\0\x01\xba", b"\0\0\x01\xb3") or (len(start) > 188 and start[0] == start[188] == 0x47):
        return True
    code = 4 if start[:4] == b"\0\0\0\x01" else 3 if start[:3] == b"\0\0\x01" else None
    return code is not None and start[code : code + 1] != b"" and start[code] in _NAL_TYPES
