"""Second looks of the bundled network, taught from kept crops and measured on the same votes: what scaling.py and
loss_weights.py compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from votepose.commands import train
from votepose.data.coco import CocoDataset
from votepose.evaluation.coco_metrics import KeypointMetrics, coco_keypoint_metrics
from votepose.evaluation.runner import estimate, picture_results
from votepose.grouping import Groups
from votepose.models.checkpoint import BUNDLED_WEIGHTS, load_network, save_weights
from votepose.models.estimator import PoseEstimator
from votepose.models.heads.refiner import SecondLook
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset, preset
from votepose.skeleton import Skeleton
from votepose.training.config import TrainConfig
from votepose.utils.progress import track

SEED = 5  # of the look that knows nothing


def teach(folder: Path, crops: Path, start: Path, skeleton_data: Path, steps: int, people: int) -> None:
    """Teach the look of the weights `start` on the crops of a folder, `people` a step; what is taught is not taught
    again. `skeleton_data`: any pictures in COCO format of the same skeleton."""
    train_once(
        TrainConfig(
            (str(skeleton_data),),
            folder,
            weights=start,
            teach="looks",
            crops=crops,
            crop_pictures=1,  # none to cut
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


def train_once(config: TrainConfig, chosen: Preset | None = None) -> None:
    """`train.run`, unless it has already run to its end in that folder."""
    taught = config.out / "taught"
    if not taught.exists():
        train.run(config, chosen)
        taught.touch()


def knowing_nothing(out: Path) -> Path:
    """The bundled weights with a fresh second look, in the folder `out`."""
    path = out / "fresh.safetensors"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(SEED)
        network, about = load_network(BUNDLED_WEIGHTS)
        network.second_look = PoseNet(network.config).second_look
        skeleton = Skeleton.from_coco_category(about["skeleton"])
        save_weights(path, network, about["preset"], about["input_size"], skeleton)
    return path


def look_of(folder: Path) -> SecondLook | None:
    """The look that was taught in a folder."""
    return load_network(folder / "weights.safetensors")[0].second_look


class _VotesOnce(PoseEstimator):
    """An estimator of one picture: its votes are cast once, whatever looks at them."""

    _cast: tuple[Any, Groups] | None = None

    def vote(self, images: Tensor, presence_threshold: Tensor) -> tuple[Any, Groups]:
        if self._cast is None:
            self._cast = super().vote(images, presence_threshold)
        return self._cast


def measured(looks: Mapping[str, SecondLook | None], data: CocoDataset) -> dict[str, KeypointMetrics]:
    """What each of the looks makes of the bundled network's votes, and what its own makes of them."""
    network, about = load_network(BUNDLED_WEIGHTS)
    looks = {**looks, "bundled": network.second_look}
    chosen, kappas = preset(about["preset"]), torch.from_numpy(data.skeleton.kappas)
    results: dict[str, list[dict[str, object]]] = {look: [] for look in looks}
    for sample in track(data.samples, "measuring"):
        estimator = _VotesOnce(network, kappas, chosen.grouping, chosen.levels).eval()
        for look, module in looks.items():
            network.second_look = module
            poses = estimate(
                estimator, sample.image, about["input_size"], chosen.grouping.presence_threshold, data.skeleton
            )
            results[look] += picture_results(poses, sample, data.category_id)
    images = [sample.image_id for sample in data.samples]
    assert data.annotations is not None
    metrics = {look: coco_keypoint_metrics(data.annotations, found, images) for look, found in results.items()}
    for look, found in metrics.items():
        print(f"{look:<28}{found}")
    return metrics
