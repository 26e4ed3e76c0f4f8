"""What a run on Ray is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from votepose.errors import VoteposeError
from votepose.visualization.draw import Style


@dataclass(frozen=True)
class RayOptions:
    """Only with --engine ray."""

    address: str | None = None
    """HOST:PORT of a running cluster; by default Ray is started on this machine."""
    workers: int | None = None
    """Processes, each with its own copy of the model; by default one per CPU."""
    chunk: int | None = None
    """Images per file of records; by default 256, or fewer if there are few images."""

    def check(self) -> None:
        """Raise VoteposeError if a number is out of range."""
        for name, value in (("workers", self.workers), ("chunk", self.chunk)):
            if value is not None and value < 1:
                raise VoteposeError(f"--{name} should be at least 1, but is {value}")


@dataclass(frozen=True)
class ClusterConfig:
    """A run on Ray.

    Attributes:
        images: paths, folders, globs and URLs, as for `io.inputs.find_inputs`, and URLs of fsspec.
        list: a file or URL that names one image per line.
        recursive: also search subfolders.
        out: folder of the results; may be a URL.
        weights: the ONNX file.
        device, threads: of each worker, see `votepose.load`; None is one thread.
        style: of the drawings; None for no drawings.
        ray: where and how Ray runs.
    """

    images: tuple[str, ...]
    list: str | None
    recursive: bool
    out: Path
    weights: Path
    device: str = "cpu"
    threads: int | None = None
    style: Style | None = None
    ray: RayOptions = RayOptions()
