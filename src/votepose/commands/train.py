"""`votepose train`: trains a network, see `training.fit`."""

from __future__ import annotations

from votepose.training.config import TrainConfig
from votepose.training.fit import fit

__all__ = ["GROUPS", "TrainConfig", "run"]

GROUPS = {  # of the options in --help
    "network": (
        "preset",
        "paper",
        "hourglass",
        "transformer",
        "input_size",
        "backbone_weights",
        "aux_weights",
        "pretrained",
        "freeze",
    ),
    "schedule": (
        "steps",
        "minutes",
        "steps_per_epoch",
        "batch_size",
        "learning_rate",
        "backbone_rate",
        "weight_decay",
        "warmup",
        "clip",
        "average",
    ),
    "measuring": ("evaluate_every", "evaluate_images", "patience"),
    "refiner": ("crops", "crop_images"),
    "hardware": (
        "precision",
        "accelerator",
        "cuda_graphs",
        "devices",
        "nodes",
        "workers",
        "resident",
        "from_disk",
        "canvas",
    ),
}


def run(config: TrainConfig) -> None:
    """Train a network; see `TrainConfig`."""
    fit(config)
