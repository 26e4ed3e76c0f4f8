"""What `votepose predict` can be told, and what of it goes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from votepose.errors import VoteposeError
from votepose.inference.defaults import SCORE_THRESHOLD
from votepose.io.inputs import Input
from votepose.io.results.writer import Format
from votepose.io.urls import is_address, url_of
from votepose.video.streams import import_av


@dataclass(frozen=True)
class PredictConfig:
    """Find every person's pose in images and videos; write drawn ones and a file of poses."""

    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUTS...")]
    """Images, folders, globs (quoted), videos, http(s) or rtsp:// addresses, webcam:0, lists (.txt, - for stdin)."""
    list: str | None = None
    """A file that names an image, video or URL a line; - for stdin."""
    out: Path = Path("out")
    """Folder for the results; made if missing. Results of the same name are replaced, inputs never."""
    format: Format = "records"
    """records: poses.jsonl, JSON an image. coco: results.json, images.json. csv, parquet: a table, a row a person."""
    resume: bool = False
    """Leave out what an earlier run into the same folder did, and add to its results (records and coco)."""
    no_draw: bool = False
    """Write no drawn pictures and videos."""
    scores: bool = False
    """Write each person's score in the drawing."""
    weights: Path | None = None
    """An ONNX file of `votepose export`; by default the model in the package."""
    input_size: int | None = None
    """Longest side of the network input in pixels, a multiple of 32; larger finds smaller people, slower."""
    presence_threshold: float | None = None
    """How sure a cell must be that a keypoint lies on it, in [0, 1]; by default the model's own."""
    score_threshold: float = SCORE_THRESHOLD
    """People whose score is below it are left out, in [0, 1]."""
    flip_test: bool = False
    """Look at each picture's mirror image, too, and average: better, twice the time."""
    recursive: bool = False
    """Look into the folders of folders."""
    fail_fast: bool = False
    """Stop at the first image that cannot be read."""
    no_track: bool = False
    """Give the people of a video no ids."""
    smooth: bool = False
    """Steady the keypoints of a video with a One-Euro filter."""
    realtime: bool = False
    """Of a camera or stream take the newest frame each time, and drop frames rather than lag."""
    max_frames: int | None = None
    """Stop after so many frames of a video or stream; by default at its end, or at Ctrl-C."""
    video_codec: str | None = None
    """FFmpeg's encoder for drawn videos, such as libx264; by default the first of libopenh264, libvpx-vp9, mpeg4."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or another that the installed onnxruntime has."""
    threads: int | None = None
    """CPU threads of the network; by default onnxruntime chooses, or 1 a worker."""
    engine: Literal["local", "ray"] = "local"
    """ray: over the processes and machines of a Ray cluster, always as with --resume; --out may be s3:// or gs://."""
    address: str | None = None
    """With --engine ray, of a running cluster, HOST:PORT; by default Ray is started on this machine."""
    workers: int | None = None
    """With --engine ray, each with a model of its own; by default one a CPU."""
    chunk: int | None = None
    """With --engine ray, images of one file of records; by default 256, or fewer where there are few."""

    def check_local(self) -> None:
        """Raise VoteposeError at what only the Ray engine can do."""
        if is_address(self.out):
            raise VoteposeError(f"{url_of(self.out)}: only --engine ray writes to a URL; name a folder as --out")
        for name, value in (("address", self.address), ("workers", self.workers), ("chunk", self.chunk)):
            if value is not None:
                raise VoteposeError(f"--{name} is for --engine ray: add that, or leave --{name} out")

    def check_inputs(self, inputs: Sequence[Input]) -> None:
        """Raise VoteposeError at what would fail later, or mean nothing."""
        if self.smooth and self.no_track:
            raise VoteposeError("--smooth follows each person: leave out --no-track")
        if self.max_frames is not None and self.max_frames < 1:
            raise VoteposeError(f"--max-frames should be at least 1, but is {self.max_frames}")
        live = [one.label for one in inputs if one.kind == "live"]
        if self.resume and live:
            raise VoteposeError(f"{live[0]}: a live stream cannot be gone on with; leave out --resume")
        if any(one.moving for one in inputs):
            import_av()
