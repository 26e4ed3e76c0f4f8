"""Finds the inputs of a run: files, folders, globs, lists of paths, URLs, videos and cameras; each is an `Input`."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from votepose.errors import VoteposeError
from votepose.io.download import is_url
from votepose.io.folders import LeftOut, natural_key, search
from votepose.io.media import first_bytes, medium_of_bytes, medium_of_name
from votepose.io.sequences import Frames, consecutive, numbered_frames, sequence_path

LISTS = frozenset({".txt", ".lst"})
_LIVE = ("rtsp://", "rtsps://", "rtmp://", "rtmps://", "srt://", "udp://", "rtp://")


@dataclass(frozen=True)
class Input:
    """One image, video or stream.

    Attributes:
        name: the path as given or found, a URL, or "webcam:0".
        kind: an image file, an image at a URL, a video file or URL that ends, or an endless live stream.
        frames: numbers and paths of the images, if the video is an image sequence.
    """

    name: str
    kind: Literal["image", "url", "video", "live"]
    frames: Frames = ()

    @property
    def moving(self) -> bool:
        """Whether it is a video or stream."""
        return self.kind in ("video", "live")

    @property
    def is_file(self) -> bool:
        """Whether it is a path, as opposed to a URL or camera."""
        return self.kind == "image" or (self.kind == "video" and "://" not in self.name)

    @property
    def label(self) -> str:
        """The name in records and messages, without the user and password of a URL."""
        return re.sub(r"(?<=://)[^/?#]*@", "", self.name)

    @property
    def path(self) -> Path:
        """The file's path; for a URL or camera, a path derived from its name, used to name the results."""
        if self.is_file:
            return sequence_path(self.name) if self.frames else Path(self.name)
        text = self.label.partition("://")[2] or self.label
        parts = [re.sub(r"[^\w.=-]", "-", part)[-120:] for part in text.split("/") if part not in ("", ".", "..")]
        return Path(*parts) if parts else Path("stream")

    @property
    def key(self) -> str:
        """Identifies the file: equal for two names of the same file."""
        return os.path.abspath(self.name) if self.is_file else self.name


@dataclass(frozen=True)
class Search:
    """How folders are searched.

    Attributes:
        recursive: whether to search subfolders too.
        exclude: a folder to skip, such as the drawings of an earlier run.
        videos: whether to include videos in folders.
        as_video: whether the images of a folder are the frames of one video.
        report: called with one line per folder that has files left out, with the reasons.
    """

    recursive: bool = False
    exclude: Path | None = None
    videos: bool = True
    as_video: bool = False
    report: Callable[[str], None] = lambda line: None


def find_inputs(given: Sequence[str], listing: Sequence[str] = (), how: Search = Search()) -> list[Input]:
    """The inputs named by `given` and the lists, in order, without duplicates; folders are in natural order (2 before
    10).

    Args:
        given: image files (any suffix), video files (by suffix, else by content), folders (their images and videos that
            are not hidden), shell globs including `**`; http(s) URLs; rtsp:// and other streams; `webcam:0`; `video:`
            before a video without a known suffix; a numbered pattern such as `frame_%06d.png`, for images that are the
            frames of one video; `-` for a list on stdin; .txt files, read as lists.
        listing: lists: files with one path or URL per line (or NUL-separated). Paths are relative to the working
            directory. A missing file in a list is reported when its turn comes and does not stop the run.
        how: options for searching folders.

    Raises:
        VoteposeError: if an input does not exist, a list cannot be read or is empty, or there are no inputs.
    """
    found: dict[str, Input] = {}
    notes: list[str] = []
    for text in given:
        for one in read_list(text) if _is_list(text) else _expand(text, how, notes):
            found.setdefault(one.key, one)
    for text in listing:
        for one in read_list(text):
            found.setdefault(one.key, one)
    if not found:
        raise VoteposeError("; ".join(notes) or "no inputs given: name images, videos, folders or globs")
    for note in notes:
        how.report(note)
    return list(found.values())


def read_list(name: str) -> list[Input]:
    """The inputs in a list, one per line; `-` is stdin. A byte order mark and blank lines are ignored.

    Raises:
        VoteposeError: if it cannot be read, has no lines, or is not text.
    """
    label = "stdin" if name == "-" else name
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise VoteposeError(f"{label}: cannot be read as a list ({error.strerror})") from None
    return [_classify(text) for text in parse_list(content, label)]


def parse_list(content: bytes, label: str) -> list[str]:
    """The names in a list, one per line or, as `find -print0` writes them, each ended by a zero byte.

    Raises:
        VoteposeError: if there are none, or it is not such a list; the message names the `label`.
    """
    entries = content.removeprefix(b"\xef\xbb\xbf").split(b"\0" if b"\0" in content else b"\n")
    names = [text for entry in entries if (text := os.fsdecode(entry).strip())]
    if not names:
        raise VoteposeError(f"{label}: the list is empty; it should name one image path or URL per line")
    if max(map(len, names)) > 4096:  # the longest path on Linux
        raise VoteposeError(f"{label}: is not a list of paths; it should name one image path or URL per line")
    return names


def result_names(inputs: Sequence[Input]) -> list[Path]:
    """Names for the inputs' results: `relative_names` of files, the `path` of others."""
    files = [one.path for one in inputs if one.is_file]
    names = iter(relative_names(files) if files else [])
    return [next(names) if one.is_file else one.path for one in inputs]


def relative_names(paths: Sequence[Path]) -> list[Path]:
    """The paths relative to their deepest common folder."""
    absolute = [os.path.abspath(path) for path in paths]
    try:
        folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    except ValueError:  # on different drives
        return [Path(*Path(path).parts[1:]) for path in absolute]
    return [Path(os.path.relpath(path, folder)) for path in absolute]


def _is_list(text: str) -> bool:
    return text == "-" or (Path(text).suffix.lower() in LISTS and Path(text).is_file())


def _classify(text: str) -> Input:
    """The input for a path or URL, classified by its text alone."""
    if text.startswith("video:"):
        return Input(_tidy(text.removeprefix("video:")), "video")
    if text.lower().startswith(("webcam:", *_LIVE)):
        return Input(text, "live")
    path = re.split("[?#]", text)[0] if is_url(text) else text
    if medium_of_name(path) == "video":
        return Input(_tidy(text), "video")
    return Input(text, "url") if is_url(text) else Input(_tidy(text), "image")


def _tidy(text: str) -> str:
    """A path without "./" and "//", so that a file has one name in the records; URLs are unchanged."""
    return text if "://" in text else str(Path(text))


def _expand(text: str, how: Search, notes: list[str]) -> Iterable[Input]:
    if not text:
        raise VoteposeError("an input is empty: name an image file, a folder or a glob")
    path, one = Path(text), _classify(text)
    if one.kind in ("live", "url") or is_url(one.name):
        return [one]
    if path.is_dir():
        return _in_folder(path, how, notes)
    if path.is_file() and not medium_of_name(text) and medium_of_bytes(first_bytes(path)) == "video":
        return [Input(one.name, "video")]
    if Path(one.name).is_file() or text.startswith("video:/dev/"):
        return [one]
    if "://" in text:
        raise VoteposeError(f"{text}: only `votepose predict --engine ray` can read this URL")
    if frames := numbered_frames(text):
        return [Input(str(path), "video", frames)]
    if path.exists():
        raise VoteposeError(f"{text}: is neither a file nor a folder")
    if not glob.has_magic(text):
        raise VoteposeError(f"{text}: no such file or folder")
    matches = sorted(map(Path, glob.glob(text, recursive=True)), key=natural_key)
    if not matches:
        raise VoteposeError(f"{text}: no file matches this pattern")
    return [one for match in matches for one in _expand(str(match), how, notes)]


def _in_folder(folder: Path, how: Search, notes: list[str]) -> list[Input]:
    left_out = LeftOut()
    found = search(folder, how.recursive, how.exclude, left_out, how.videos)
    reasons = left_out.line()
    if not found:
        notes.append(f"{folder}: no images{' or videos' * how.videos} in it{f' ({reasons})' if reasons else ''}")
    elif reasons:
        notes.append(f"{folder}: left out {reasons}")
    if how.as_video:
        frames = consecutive(str(path) for path, medium in found if medium == "image")
        videos = [Input(str(path), medium) for path, medium in found if medium != "image"]
        return [Input(str(folder), "video", frames), *videos] if frames else videos
    return [Input(str(path), medium) for path, medium in found]
