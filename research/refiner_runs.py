"""Pose refiners of the bundled network, trained on cached crops and measured on the same votes: for scaling.py and
loss_weights.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from votepose.data.labelled import LabelledDataset
from votepose.data.sample import Sample
from votepose.evaluation.coco_metrics import KeypointMetrics, metrics_of
from votepose.evaluation.network import estimate
from votepose.grouping import Groups
from votepose.inference.weights import BUNDLED_SAFETENSORS
from votepose.models.checkpoint import load_network, save_weights
from votepose.models.estimator import PoseEstimator
from votepose.models.heads.refiner import PoseRefiner
from votepose.models.posenet import PoseNet
from votepose.poses import Poses
from votepose.training.config import TrainConfig
from votepose.training.fit import fit
from votepose.training.recipes import Recipe
from votepose.utils.progress import track

SEED = 5  # seed of the untrained refiner


def train_refiner(folder: Path, crops: Path, start: Path, skeleton_data: Path, steps: int, people: int) -> None:
    """Train the refiner of the weights `start` on cached crops, `people` per step, unless `folder` already holds the
    finished run.

    Args:
        folder: folder of the run.
        crops: folder of crops.
        start: weights file.
        skeleton_data: any images in COCO format with the same skeleton.
        steps: optimiser steps.
        people: crops per step.
    """
    train_once(
        TrainConfig(
            (str(skeleton_data),),
            folder,
            weights=start,
            stage="refiner",
            crops=crops,
            crop_images=1,  # the crops exist already
            batch_size=people,
            learning_rate=1e-3,
            weight_decay=0.1,
            average=0.99,
            steps=steps,
            warmup=50,
            steps_per_epoch=100,
            resume=(folder / "last.ckpt").is_file(),
        )
    )


def train_once(config: TrainConfig, recipe: Recipe | None = None) -> None:
    """Train, unless the folder already holds the finished run."""
    finished = config.out / "finished"
    if not finished.exists():
        fit(config, recipe=recipe)
        finished.touch()


def untrained_weights(out: Path) -> Path:
    """The bundled weights with an untrained refiner, written to the folder `out`."""
    path = out / "fresh.safetensors"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(SEED)
        network, metadata = load_network(BUNDLED_SAFETENSORS)
        network.refiner = PoseNet(network.config).refiner
        save_weights(path, network, metadata)
    return path


def refiner_of(folder: Path) -> PoseRefiner | None:
    """The refiner trained in a folder."""
    return load_network(folder / "weights.safetensors")[0].refiner


class _VotesOnce(PoseEstimator):
    """An estimator for one image that computes its votes once for all refiners."""

    _cast: tuple[Any, Groups] | None = None

    def vote(self, images: Tensor, presence_threshold: Tensor) -> tuple[Any, Groups]:
        if self._cast is None:
            self._cast = super().vote(images, presence_threshold)
        return self._cast


def measured(refiners: Mapping[str, PoseRefiner | None], data: LabelledDataset) -> dict[str, KeypointMetrics]:
    """Metrics of each refiner, and of the bundled one, on the bundled network's votes."""
    network, metadata = load_network(BUNDLED_SAFETENSORS)
    refiners = {**refiners, "bundled": network.refiner}
    grouping, kappas = metadata.grouping, torch.from_numpy(data.skeleton.kappas)
    found: dict[str, list[tuple[Sample, Poses]]] = {name: [] for name in refiners}
    for sample in track(data.samples, "measuring"):
        estimator = _VotesOnce(network, kappas, grouping, metadata.levels).eval()
        for name, module in refiners.items():
            network.refiner = module
            poses = estimate(estimator, sample.image, metadata.input_size, grouping.presence_threshold, data.skeleton)
            found[name].append((sample, poses))
    assert data.labels is not None
    metrics = {name: metrics_of(data.labels, pairs) for name, pairs in found.items()}
    for name, measured in metrics.items():
        print(f"{name:<28}{measured}")
    return metrics
