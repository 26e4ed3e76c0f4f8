"""Configuration of a run on Ray."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from votepose.errors import VoteposeError
from votepose.visualization.draw import Style


@dataclass(frozen=True)
class RayOptions:
    """Options for --engine ray."""

    address: str | None = None
    """HOST:PORT of a running cluster. Default: start Ray on this machine."""
    chunk: int | None = None
    """Images per file of records. Default: 256, or fewer (at least 16) if there are few images."""

    def check(self) -> None:
        """Raise VoteposeError if a number is out of range."""
        if self.chunk is not None and self.chunk < 1:
            raise VoteposeError(f"--chunk should be at least 1, but is {self.chunk}")


@dataclass(frozen=True)
class ClusterConfig:
    """A run on Ray.

    Attributes:
        images: paths, folders, globs and URLs, as for `io.inputs.find_inputs`, and fsspec URLs.
        list: a file or URL with one image per line.
        recursive: whether to search subfolders too.
        out: folder of the results; may be a URL.
        weights: the ONNX file.
        workers: number of processes, each with a copy of the model; None for one per CPU.
        device, threads: device and threads of each worker, see `votepose.load`; None is one thread.
        style: style of the drawings; None for no drawings.
        ray: options of Ray.
    """

    images: tuple[str, ...]
    list: str | None
    recursive: bool
    out: Path
    weights: Path
    workers: int | None = None
    device: str = "cpu"
    threads: int | None = None
    style: Style | None = None
    ray: RayOptions = RayOptions()
