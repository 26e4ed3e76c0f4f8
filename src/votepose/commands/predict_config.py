"""The options of `votepose predict`, and which of them go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from votepose.cluster.config import RayOptions
from votepose.commands.model_options import ModelOptions
from votepose.errors import VoteposeError
from votepose.io.inputs import Input
from votepose.io.results.writer import Format
from votepose.io.urls import is_address, url_of
from votepose.video.streams import import_av


@dataclass(frozen=True)
class VideoFlags:
    """Only for videos and live streams."""

    no_track: bool = False
    """Do not give people ids."""
    smooth: bool = False
    """Smooth the keypoints with a One-Euro filter."""
    realtime: bool = False
    """Always take the newest frame of a camera or stream: drop frames rather than lag behind."""
    max_frames: int | None = None
    """Stop after this many frames; by default at the end, or at Ctrl-C."""
    video_codec: str | None = None
    """FFmpeg's encoder for drawn videos, such as libx264; by default the first of libopenh264, libvpx-vp9, mpeg4."""


@dataclass(frozen=True)
class PredictConfig:
    """Find every person's pose in images and videos; write drawings and a file of poses."""

    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUTS...")]
    """Images, folders, globs (quoted), videos, http(s) or rtsp:// URLs, webcam:0, lists (.txt, - for stdin)."""
    list: str | None = None
    """A file that names one image, video or URL per line; - for stdin."""
    recursive: bool = False
    """Also search subfolders."""
    out: Path = Path("out")
    """Folder for the results; created if missing. Earlier results of the same name are replaced, inputs never."""
    format: Format = "records"
    """records: poses.jsonl, one JSON object per image. coco: results.json, images.json. csv, parquet: a table."""
    resume: bool = False
    """Skip what an earlier run into the same folder finished, and add to its results (records and coco)."""
    no_draw: bool = False
    """Write no drawn images and videos."""
    scores: bool = False
    """Write each person's score in the drawing."""
    fail_fast: bool = False
    """Stop at the first image that cannot be read."""
    flip_test: bool = False
    """Also run on the mirror image and average: more accurate, takes twice the time."""
    engine: Literal["local", "ray"] = "local"
    """ray: run on a Ray cluster's processes and machines, always as with --resume; --out may be s3:// or gs://."""
    model: ModelOptions = field(default_factory=ModelOptions)
    video: VideoFlags = field(default_factory=VideoFlags)
    ray: RayOptions = field(default_factory=RayOptions)

    def check_local(self) -> None:
        """Raise VoteposeError for options that only the Ray engine supports."""
        if is_address(self.out):
            raise VoteposeError(f"{url_of(self.out)}: only --engine ray writes to a URL; name a folder as --out")
        for option in fields(self.ray):
            if getattr(self.ray, option.name) is not None:
                raise VoteposeError(f"--{option.name} is for --engine ray: add that, or leave --{option.name} out")

    def check_ray(self) -> None:
        """Raise VoteposeError for options that the Ray engine does not support."""
        if self.format != "records":
            raise VoteposeError(f"--engine ray writes records, not {self.format}: leave out --format")
        if self.fail_fast:
            raise VoteposeError("--engine ray continues after an image that cannot be read: leave out --fail-fast")
        self.ray.check()

    def check_inputs(self, inputs: Sequence[Input]) -> None:
        """Raise VoteposeError for options that contradict each other or the inputs."""
        if self.video.smooth and self.video.no_track:
            raise VoteposeError("--smooth follows each person: leave out --no-track")
        if self.video.max_frames is not None and self.video.max_frames < 1:
            raise VoteposeError(f"--max-frames should be at least 1, but is {self.video.max_frames}")
        live = [one.label for one in inputs if one.kind == "live"]
        if self.resume and live:
            raise VoteposeError(f"{live[0]}: a live stream cannot be resumed; leave out --resume")
        if inputs and all(one.moving for one in inputs):  # else a video without PyAV fails at its turn
            import_av()
