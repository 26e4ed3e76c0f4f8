"""Finds the inputs of a run on Ray: those of `io.inputs` except videos, also at fsspec URLs."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from votepose.cluster import files
from votepose.cluster.config import ClusterConfig
from votepose.errors import VoteposeError, one_line
from votepose.io.download import is_url
from votepose.io.folders import LeftOut, natural_key
from votepose.io.inputs import LISTS, Input, Search, find_inputs, parse_list
from votepose.io.media import medium_of_name
from votepose.io.urls import is_remote
from votepose.utils.run_summary import remark


def find_names(config: ClusterConfig, out: str) -> list[str]:
    """The images that the config names, without duplicates. Raises VoteposeError if there are none, or for a video."""
    lists = [config.list] if config.list else []
    names = [name for text in config.images if is_remote(text) for name in expand(text, config.recursive, out)]
    names += [name for text in lists if is_remote(text) for name in read_list(text)]
    found = [Input(name, medium_of_name(name) or "image") for name in names]
    given, listing = ([text for text in texts if not is_remote(text)] for texts in (config.images, lists))
    if given or listing or not found:
        found += find_inputs(given, listing, Search(config.recursive, config.out, videos=False, report=remark))
    for one in found:
        if one.moving:
            raise VoteposeError(f"{one.label}: --engine ray processes images only; leave it out for videos")
        if is_url(one.name) and one.label != one.name:  # the password would be saved in the plan and the records
            raise VoteposeError(f"{one.label}: --engine ray does not accept URLs with a password")
    for scheme in {one.name.partition("://")[0] for one in found if is_remote(one.name)}:
        files.file_system(f"{scheme}://")  # a list may name URLs that no worker can open
    return list(dict.fromkeys(one.name for one in found))


def expand(name: str, recursive: bool, exclude: str) -> list[str]:
    """The images that a URL names, as URLs: a file, a folder, a glob, or a list (.txt, .lst).

    Args:
        recursive: whether to search subfolders too.
        exclude: a folder to skip, that of the results.

    Raises:
        VoteposeError: if it does not exist or cannot be listed.
    """
    system, path = files.file_system(name)
    left_out = LeftOut()
    try:
        if glob.has_magic(path):
            base = re.split(r"[*?[]", path)[0].rpartition("/")[0]  # the part without wildcards may be hidden
            matches = system.glob(path, detail=True).items()
            found = [e for e, info in matches if info["type"] == "file" and "/." not in e.removeprefix(base)]
        elif system.isdir(path):
            depth = None if recursive else 1
            found = [
                entry for entry in system.find(path, maxdepth=depth) if _is_taken(entry.removeprefix(path), left_out)
            ]
        elif not system.isfile(path):
            raise VoteposeError(f"{name}: no such file or folder")
        else:
            return read_list(name) if _suffix(path) in LISTS else [name]
    except VoteposeError:
        raise
    except Exception as error:  # each file system has its own exceptions
        raise VoteposeError(f"{name}: cannot be listed ({one_line(error)})") from error
    urls = [str(system.unstrip_protocol(entry)) for entry in sorted(found, key=lambda entry: natural_key(Path(entry)))]
    system, path = files.file_system(exclude)
    urls = [url for url in urls if not url.startswith(f"{system.unstrip_protocol(path)}/")]
    reasons = left_out.line()
    if not urls:
        raise VoteposeError(f"{name}: no images in it{f' ({reasons})' if reasons else ''}")
    if reasons:
        remark(f"{name}: left out {reasons}")
    return urls


def read_list(name: str) -> list[str]:
    """The names in the list at a URL, one per line, as in `votepose.io.inputs.read_list`.

    Raises:
        VoteposeError: if it cannot be read, or is empty.
    """
    try:
        content = files.read(name)
    except VoteposeError:
        raise
    except Exception as error:  # each file system has its own exceptions
        raise VoteposeError(f"{name}: cannot be read as a list ({one_line(error)})") from error
    return parse_list(content, name)


def _is_taken(path: str, left_out: LeftOut) -> bool:
    if any(part.startswith(".") for part in path.split("/")):
        return False
    medium = medium_of_name(path)
    if medium == "video":
        left_out.videos += 1
    elif medium is None:
        left_out.others[_suffix(path)] += 1
    return medium == "image"


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
