"""The options of `votepose predict`, and checks that they go together."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from votepose.cluster.config import RayOptions
from votepose.commands.model_options import ModelOptions
from votepose.commands.video_flags import VideoFlags
from votepose.errors import VoteposeError
from votepose.io.inputs import Input
from votepose.io.results.writer import Format
from votepose.io.urls import is_address, url_of
from votepose.utils.machine import usable_cpus
from votepose.video.streams import import_av

_MOST_WORKERS = 4  # by default; each needs memory
GROUPS = {  # of the options in --help
    "input": ("list", "recursive"),
    "output": ("out", "format", "no_draw", "scores", "max_people", "crops", "contact_sheet", "angles"),
}


@dataclass(frozen=True)
class PredictConfig:
    """Find every person's pose in images and videos; write drawings and a file of poses."""

    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUTS...")]
    """Images, folders, globs (quoted), videos, http(s) or rtsp:// URLs, webcam:0, lists (.txt, - for stdin)."""
    list: str | None = None
    """A file with one image, video or URL per line; - for stdin."""
    recursive: bool = False
    """Also search subfolders."""
    out: Path = Path("out")
    """Folder for the results. Created if missing. Earlier results of the same name are replaced, inputs never."""
    format: Format = "records"
    """records: poses.jsonl, one JSON object per image. coco: results.json, images.json.
    coco-annotations: annotations.json, labels for CVAT or training. csv, parquet: a table."""
    resume: bool = False
    """Resume an earlier run in the same folder: skip finished inputs and add to its results. Not for csv and
    parquet."""
    no_draw: bool = False
    """Do not write drawn images and videos."""
    scores: bool = False
    """Show each person's score in drawings."""
    max_people: int | None = None
    """Maximum number of people per image, by score. In videos, tracked people are kept from frame to frame."""
    crops: Path | None = None
    """Folder for a crop of each person: NAME-01.jpg and so on, best first; in videos NAME/000012-id03.jpg."""
    contact_sheet: Path | None = None
    """File for a contact sheet of all drawings, such as sheet.jpg; with more than 60 inputs, sheet-1.jpg and so on."""
    angles: str | None = None
    """Joint angles to write, such as knee,elbow (or hip, shoulder, left_knee): angles.csv in degrees, and a plot over
    time for each video in angles/."""
    fail_fast: bool = False
    """Stop at the first input that cannot be read."""
    flip_test: bool = False
    """Average the results with those on the mirrored image: more accurate, takes twice as long."""
    workers: int | None = None
    """Images or frames processed at the same time. Default: one per CPU, up to 4, but 1 with --threads, on other
    devices, and for a single image. With --engine ray: number of processes, by default one per CPU."""
    engine: Literal["local", "ray"] = "local"
    """ray: run on a Ray cluster. It always resumes, and --out may be s3:// or gs://."""
    model: ModelOptions = field(default_factory=ModelOptions)
    video: VideoFlags = field(default_factory=VideoFlags)
    ray: RayOptions = field(default_factory=RayOptions)

    def parallel(self, inputs: Sequence[Input]) -> tuple[int, int | None]:
        """Number of images or frames to process at the same time, and threads for each; None for onnxruntime's choice.

        Several images with one thread each take less time than one after another with several threads each.
        """
        threads, cpus, on_cpu = self.model.threads, usable_cpus(), self.model.device.lower() == "cpu"
        several = len(inputs) > 1 or any(one.moving for one in inputs)
        shared = on_cpu and threads is None and several
        workers = self.workers or (min(cpus, _MOST_WORKERS) if shared else 1)
        return workers, max(1, cpus // workers) if shared and workers > 1 else threads

    def check_engine(self) -> None:
        """Raise VoteposeError for options that the engine does not support, or a number out of its range."""
        if self.workers is not None and self.workers < 1:
            raise VoteposeError(f"--workers should be at least 1, but is {self.workers}")
        self._check_ray() if self.engine == "ray" else self._check_local()

    def _check_local(self) -> None:
        if is_address(self.out):
            raise VoteposeError(f"{url_of(self.out)}: only --engine ray writes to a URL; --out should be a folder")
        for option in fields(self.ray):
            if getattr(self.ray, option.name) is not None:
                raise VoteposeError(f"--{option.name} needs --engine ray: add that, or omit --{option.name}")

    def _check_ray(self) -> None:
        if self.format != "records":
            raise VoteposeError(f"--engine ray writes records, not {self.format}: leave out --format")
        if self.fail_fast:
            raise VoteposeError("--engine ray cannot stop at the first failure: leave out --fail-fast")
        for option in ("max_people", "crops", "contact_sheet", "angles"):
            if getattr(self, option) is not None:
                raise VoteposeError(f"--engine ray writes records and drawings: leave out --{option.replace('_', '-')}")
        for option in self.video.given:
            raise VoteposeError(f"--engine ray processes images, not videos: leave out --{option}")
        self.ray.check()

    def check_inputs(self, inputs: Sequence[Input]) -> None:
        """Raise VoteposeError for options that contradict each other or the inputs, or do nothing for these inputs."""
        self.video.check()
        if self.max_people is not None and self.max_people < 1:
            raise VoteposeError(f"--max-people should be at least 1, but is {self.max_people}")
        live = [one.label for one in inputs if one.kind == "live"]
        if self.resume and live:
            raise VoteposeError(f"{live[0]}: a live stream cannot be resumed; leave out --resume")
        for option, needed in self._idle(inputs).items():
            raise VoteposeError(f"--{option} is for {needed}: leave it out")
        # If there are images too, a video fails when its turn comes.
        if inputs and all(one.moving and not (one.frames and self.no_draw) for one in inputs):
            import_av()

    def _idle(self, inputs: Sequence[Input]) -> dict[str, str]:
        """The given options that have no effect on these inputs, and what they are for."""
        idle: dict[str, str] = {}
        if not any(one.moving for one in inputs):
            idle |= dict.fromkeys(self.video.given, "videos and live streams, and the inputs contain none")
        if not any(one.frames for one in inputs) and self.video.as_video is not None:
            idle["as-video"] = "folders of images and numbered sequences, and the inputs contain none"
        if self.no_draw:
            idle |= {"scores": "drawings"} if self.scores else {}
            idle |= {"video-codec": "drawn videos"} if self.video.video_codec else {}
        if self.recursive and not any(_names_folder(text) for text in self.images):
            idle["recursive"] = "folders, and the inputs contain none"
        return idle


def _names_folder(text: str) -> bool:
    return os.path.isdir(text) or any(map(os.path.isdir, glob.glob(text, recursive=True)))
