"""Small trainings: their options, as a configuration and as a command line, and their checkpoint."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from helpers import tiny
from votepose.training.config import TrainConfig

TESTS = str(Path(tiny.__file__).parents[1])


ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([TESTS, os.environ.get("PYTHONPATH", "")])}


def tiny_config(data: Path, out: Path, **changes: Any) -> TrainConfig:
    config = TrainConfig(
        (str(data),),
        out,
        freeze="none",
        steps=4,
        steps_per_epoch=2,
        batch_size=2,
        warmup=2,
        average=0.5,
        precision="32-true",
        accelerator="cpu",
        workers=0,
    )
    return replace(config, **changes)


def command(data: Path, out: Path, **options: Any) -> list[str]:
    """The same, as a command line."""
    options = {
        "data": data,
        "out": out,
        "freeze": "none",
        "steps": 4,
        "steps-per-epoch": 2,
        "batch-size": 2,
        "warmup": 2,
        "average": 0.5,
        "precision": "32-true",
        "accelerator": "cpu",
        "workers": 0,
    } | options
    flags = [str(part) for key, value in options.items() for part in (f"--{key}", value) if part is not True]
    return ["-m", "helpers.tiny", "train", *flags]


def checkpoint(out: Path) -> dict[str, Any]:
    return torch.load(out / "last.ckpt", weights_only=False, map_location="cpu")
