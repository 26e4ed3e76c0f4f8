"""What a run on Ray is given: all that `votepose.inputs` takes but videos, and the same behind the URLs of fsspec."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING

from votepose.cluster import files
from votepose.cluster.addresses import is_remote
from votepose.errors import VoteposeError
from votepose.inputs import IMAGE_SUFFIXES, LISTS, find_inputs, natural_key

if TYPE_CHECKING:
    from votepose.predict_config import PredictConfig


def find_names(config: PredictConfig, out: str) -> list[str]:
    """The images that the config names, each once. Raises VoteposeError if there are none, or videos among them."""
    lists = [config.list] if config.list else []
    names = [
        name for text in (*config.images, *lists) if is_remote(text) for name in expand(text, config.recursive, out)
    ]
    given, listing = ([text for text in texts if not is_remote(text)] for texts in (config.images, lists))
    if given or listing or not names:
        for one in find_inputs(given, listing, config.recursive, config.out):
            if one.moving:
                raise VoteposeError(f"{one.label}: --engine ray takes images; leave it out for videos")
            if one.label != one.name:  # the plan and the records name it
                raise VoteposeError(f"{one.label}: --engine ray takes no address with a password in it")
            names.append(one.name)
    for scheme in {name.partition("://")[0] for name in names if is_remote(name)}:
        files.file_system(f"{scheme}://")  # a list may name what no worker could open
    return list(dict.fromkeys(names))


def expand(name: str, recursive: bool, exclude: str) -> list[str]:
    """The images that a URL names: a file, a folder, a glob, or a list (.txt, .lst) of them, as URLs.

    Args:
        recursive: look into the folders of a folder, too.
        exclude: a folder to leave out: the results'.

    Raises:
        VoteposeError: if it names nothing, or cannot be listed.
    """
    system, path = files.file_system(name)
    try:
        if glob.has_magic(path):
            matches = system.glob(path, detail=True).items()
            found = [entry for entry, info in matches if info["type"] == "file" and "/." not in entry]
        elif system.isdir(path):
            depth = None if recursive else 1
            found = [entry for entry in system.find(path, maxdepth=depth) if _is_shown(entry.removeprefix(path))]
        elif not system.isfile(path):
            raise VoteposeError(f"{name}: no such file or folder")
        elif os.path.splitext(path)[1].lower() in LISTS:
            lines = system.cat_file(path).decode("utf-8-sig", "surrogateescape").splitlines()
            return [line.strip() for line in lines if line.strip()]
        else:
            return [name]
    except VoteposeError:
        raise
    except Exception as error:  # each file system has its own
        raise VoteposeError(f"{name}: cannot be listed ({files.one_line(error)})") from error
    urls = [str(system.unstrip_protocol(entry)) for entry in sorted(found, key=lambda entry: natural_key(Path(entry)))]
    system, path = files.file_system(exclude)
    urls = [url for url in urls if not url.startswith(f"{system.unstrip_protocol(path)}/")]
    if not urls:
        raise VoteposeError(f"{name}: no images in it")
    return urls


def _is_shown(path: str) -> bool:
    hidden = any(part.startswith(".") for part in path.split("/"))
    return not hidden and os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES
