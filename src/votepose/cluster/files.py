"""Reads files, and writes them atomically, at local paths and fsspec URLs (s3://, gs://, ...)."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.registry import known_implementations

from votepose.errors import VoteposeError, one_line


def file_system(name: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and the path within it.

    Raises:
        VoteposeError: if the scheme is unknown, or its package is not installed.
    """
    try:
        return fsspec.core.url_to_fs(name)
    except ImportError as error:
        scheme = name.partition("://")[0]
        package = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}.get(scheme, error.name)
        hint = f"pip install {package}" if package else known_implementations.get(scheme, {}).get("err", str(error))
        raise VoteposeError(f"{name}: needs a package that is not installed: {hint}") from None
    except ValueError as error:
        raise VoteposeError(f"{name}: {error}; use s3://, gs:// or another scheme of fsspec") from None


def exists(name: str) -> bool:
    """Whether the file exists."""
    system, path = file_system(name)
    return bool(system.exists(path))


def read(name: str) -> bytes:
    """A file's bytes. Raises FileNotFoundError, or any other exception of its file system."""
    system, path = file_system(name)
    return bytes(system.cat_file(path))


def write(name: str, data: bytes) -> None:
    """Write a file atomically, creating its folder and replacing an existing file."""
    system, path = file_system(name)
    if isinstance(system, AsyncFileSystem):  # an object store: writes are atomic, and there are no folders
        system.pipe_file(path, data)
        return
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    partial = f"{path}.{uuid.uuid4().hex[:8]}.partial"  # unique, as a retry may overtake the attempt that it replaces
    try:
        system.pipe_file(partial, data)
        system.mv(partial, path)
    except BaseException:
        remove(partial, system)
        raise


def remove(path: str, system: Any) -> None:
    """Remove a file, if it exists."""
    with contextlib.suppress(FileNotFoundError):
        system.rm_file(path)


def in_folder(folder: str, suffix: str) -> list[str]:
    """Sorted names of the files in a folder that end in `suffix`; none if the folder does not exist."""
    system, path = file_system(folder)
    system.invalidate_cache()
    try:
        names = [entry.rpartition("/")[2] for entry in system.ls(path, detail=False)]
    except FileNotFoundError:
        return []
    return sorted(name for name in names if name.endswith(suffix))


def sweep(folder: str, suffix: str) -> None:
    """Remove all files in a folder that end in `suffix`."""
    for name in in_folder(folder, suffix):
        system, path = file_system(f"{folder}/{name}")
        remove(path, system)


def prepare(folder: str) -> None:
    """Check that `folder` is writable, before any work starts. Raises VoteposeError if not."""
    system, path = file_system(folder)
    try:
        write(f"{folder}/.votepose", b"")
        remove(f"{path}/.votepose", system)
    except (FileExistsError, NotADirectoryError):
        raise VoteposeError(f"{folder}: is a file or lies in one; choose another --out") from None
    except Exception as error:  # each file system has its own exceptions for missing permissions, buckets, credentials
        raise VoteposeError(f"{folder}: cannot be written to ({one_line(error)}); choose another --out") from error
