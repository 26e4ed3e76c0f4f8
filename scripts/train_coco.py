"""Train all networks on COCO 2017, one after the other; nothing is downloaded.

    python scripts/train_coco.py coco/ --out runs/coco            # --dry-run prints the commands and the hours
    python scripts/train_coco.py coco/ --out runs/coco            # the same command continues a stopped run

`coco/` is laid out as COCO's archives unpack: train2017/, val2017/ and annotations/person_keypoints_*2017.json.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from votepose.errors import VoteposeError
from votepose.io.files import save_text

Network = Literal["lite", "mobile", "maxvit", "joint"]

_VOTES = (
    "--stage votes --learning-rate 8e-4 --backbone-rate 0.5 --weight-decay 0.05 --warmup 150 --clip 20 --average 0.998 "
    "--scale 0.8 2.3 --rotated 0.4 --mosaic 0.25 --occluder 0.3 --input-size 384 --canvas 384"
)
_DISTILL = "--stage distill --learning-rate 2e-3 --backbone-rate 1 --weight-decay 0.05 --input-size 384 --canvas 384"
_REHEARSAL = "--steps 2 --steps-per-epoch 2 --batch-size 2 --input-size 96 --workers 1"
_JOINT = "--stage joint --learning-rate 6e-4 --backbone-rate 0.5 --weight-decay 0.05 --average 0.998 --scale 0.75 2.2"


@dataclass(frozen=True)
class Leg:
    """One training run.

    Attributes:
        name: name of its folder.
        weights: file to start from, or the name of the leg before; None for random weights.
        options: options of `votepose train`.
        batch: images per step.
        passes: number of passes over the images with people.
        rate: images per second, measured on one H200; None if not measured.
    """

    name: str
    weights: Path | str | None
    options: str
    batch: int
    passes: int
    rate: float | None = None


LEGS: dict[Network, tuple[Leg, ...]] = {
    "lite": (Leg("lite", Path("lite"), f"--preset lite {_VOTES}", 256, 60, 1220.0),),
    "mobile": (Leg("mobile", Path("mobile"), f"--preset mobile {_VOTES}", 256, 60),),
    "maxvit": (
        Leg("maxvit-distill", None, f"--preset maxvit {_DISTILL}", 96, 20),
        Leg("maxvit", "maxvit-distill", f"--preset maxvit {_VOTES}", 96, 60),
    ),
    "joint": (Leg("joint", Path("bundled"), f"{_JOINT} --input-size 512", 24, 10, 87.0),),
}


@dataclass(frozen=True)
class Config:
    coco: tyro.conf.Positional[Path]
    """Folder with train2017/, val2017/ and annotations/."""
    out: Path = Path("runs/coco")
    """Folder for data links, checkpoints and weights."""
    networks: tuple[Network, ...] = ("lite", "mobile", "maxvit", "joint")
    """Networks to train, in this order."""
    dry_run: bool = False
    """Print the commands and the hours only."""
    rehearse: bool = False
    """Run only two small steps of each training, in OUT/rehearsal, to check that everything works."""

    @property
    def runs(self) -> Path:
        """Folder of the trainings."""
        return self.out / "rehearsal" if self.rehearse else self.out


def main(config: Config) -> None:
    """Train every leg that is not finished, and measure its AP.

    Raises:
        VoteposeError: if a file of COCO is missing.
        subprocess.CalledProcessError: if a training fails.
    """
    images = prepare(config.coco, config.out)
    for leg in (leg for network in config.networks for leg in LEGS[network]):
        words = command(leg, config, images)
        print(f"\n{leg.name}: {leg.passes} passes over {images} images, {hours(leg, images)}\n{shlex.join(words)}")
        finished = config.runs / leg.name / "finished"
        if config.dry_run or finished.exists():
            continue
        subprocess.run([sys.executable, "-m", *words], check=True)
        finished.touch()
        if "distill" not in leg.name and not config.rehearse:
            evaluate = [
                "evaluate",
                "--data",
                config.out / "val2017",
                "--weights",
                finished.with_name("weights.safetensors"),
            ]
            subprocess.run([sys.executable, "-m", "votepose", *map(str, evaluate), "--input-size", "512"], check=True)


def prepare(coco: Path, out: Path) -> int:
    """Link COCO's folders in votepose's layout, with only the training images that have people; returns their
    number."""
    count = 0
    for split in ("train2017", "val2017"):
        labels, images = coco / "annotations" / f"person_keypoints_{split}.json", coco / split
        for path in (labels, images):
            if not path.exists():
                raise VoteposeError(f"{path}: is missing; unpack COCO's archives into {coco}")
        folder = out / split
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "images").exists():
            (folder / "images").symlink_to(images.resolve())
        written = folder / "annotations.json"
        data: dict[str, Any] = json.loads((written if written.exists() else labels).read_text(encoding="utf-8"))
        if split == "train2017":
            people = {person["image_id"] for person in data["annotations"] if person["num_keypoints"]}
            data["images"] = [image for image in data["images"] if image["id"] in people]
            data["annotations"] = [person for person in data["annotations"] if person["image_id"] in people]
            count = len(data["images"])
        if not written.exists():
            save_text(json.dumps(data), written)
    return count


def command(leg: Leg, config: Config, images: int) -> Sequence[str]:
    """The command line of the leg's `votepose train`."""
    out = config.runs / leg.name
    weights = config.runs / leg.weights / "weights.safetensors" if isinstance(leg.weights, str) else leg.weights
    steps = images * leg.passes // leg.batch
    data = ["--data", config.out / "train2017", "--val", config.out / "val2017", "--out", out]
    start = ["--weights", weights] if weights else []
    length = ["--batch-size", leg.batch, "--steps", max(1, steps), "--steps-per-epoch", 1000, "--workers", 12]
    resume = ["--resume"] if (out / "last.ckpt").exists() else []
    words = [*data, *start, *length, *shlex.split(leg.options), *resume, *shlex.split(_REHEARSAL * config.rehearse)]
    return ["votepose", "train", *map(str, words)]


def hours(leg: Leg, images: int) -> str:
    """The duration of the leg on one H200, as text."""
    if leg.rate is None:
        return "speed not measured"
    return f"about {images * leg.passes / leg.rate / 3600:.1f} hours on an H200"


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except VoteposeError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:  # the command has said why
        sys.exit(error.returncode)
    except KeyboardInterrupt:
        sys.exit(130)
