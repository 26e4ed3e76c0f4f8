"""`votepose train --stage refiner`: trains the refiner alone, on the people that the rest of the network finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from votepose.data.loader import Batch
from votepose.errors import VoteposeError
from votepose.grouping import GroupingConfig
from votepose.models.backbones.build import Part
from votepose.models.config import NetworkConfig
from votepose.models.estimator import PoseEstimator
from votepose.models.features import FeatureMaps
from votepose.models.heads.refiner import PoseRefiner
from votepose.models.posenet import PoseNet
from votepose.skeleton import Skeleton
from votepose.training.kernels.graphs import RecordedNetwork
from votepose.training.losses.refiner import refiner_losses
from votepose.training.refiner_targets import (
    RefinerBatch,
    build_refiner_batch,
    drop_keypoints,
    synthesize_pose_errors,
)
from votepose.training.roi_cache import RoiCache, jittered, roi_loader
from votepose.training.stages.base import Epoch, Setting, Stage
from votepose.training.targets import GroundTruth

_MIN_SCORE = 0.02  # minimum score of a pose to refine
_CROWD = 8  # maximum average number of people per image that are refined in training
_ROUND = 32  # rounds their number, since GPUs select kernels again for each new size


class RefinerStage(Stage):
    """Trains the refiner, over the whole image pyramid, on the people that the votes find and those that they miss.

    Args:
        skeleton: skeleton of the people.
        grouping, levels: those of the network's preset.
        frozen: part of the backbone that is not trained: all of it.
    """

    default_freeze: ClassVar[Part | None] = "all"
    kappas: Tensor
    flip: Tensor

    def __init__(self, skeleton: Skeleton, grouping: GroupingConfig, levels: int, frozen: Part = "all") -> None:
        super().__init__(frozen)
        self.grouping, self.levels = grouping, levels
        self.register_buffer("kappas", torch.from_numpy(skeleton.kappas), persistent=False)
        self.register_buffer("flip", torch.from_numpy(skeleton.flip), persistent=False)

    @classmethod
    def build(cls, setting: Setting) -> Stage:
        common = setting.skeleton, setting.preset.grouping, setting.preset.levels, setting.frozen
        crops = setting.config.crops
        return RefinerStage(*common) if crops is None else CachedRefinerStage(crops, *common)

    @classmethod
    def require(cls, network: NetworkConfig, hint: str) -> None:
        if not network.refiner:
            raise VoteposeError(f"--stage refiner: the {network.backbone} network has no refiner: {hint}")

    def select(self, network: PoseNet) -> None:
        network.requires_grad_(False)
        assert network.refiner is not None
        network.refiner.requires_grad_(True)
        super().select(network)

    def forward(self, network: PoseNet, batch: Any) -> dict[str, Tensor]:
        assert network.refiner is not None
        network.eval()  # running statistics of frozen parts must not change
        network.refiner.train(self.training)
        return refiner_step(network.refiner, self.refiner_batch(network, batch), self.kappas, self.flip)

    def refiner_batch(
        self, network: PoseNet, batch: Batch, aux_pyramid: Sequence[Sequence[Tensor]] = ()
    ) -> RefinerBatch:
        """The people that the network's votes find in a batch, and those that they miss.

        It has no gradient except through `aux_pyramid`, which, if given, replaces the auxiliary backbone's features of
        each level.
        """
        maps, poses, image_index = self._found(network, batch)
        if aux_pyramid:
            maps = [
                replace(level, roi_features=[*level.roi_features[: -len(aux)], *aux])
                for level, aux in zip(maps, aux_pyramid, strict=True)
            ]
        known = ~batch.ignored(maps[0].features.shape[-2:])
        people = GroundTruth.of(batch, network.config.stride, known & batch.complete[:, None, None])
        missed, missed_image = people.missed(poses, image_index, self.kappas)
        poses, image_index = torch.cat([poses, missed]), torch.cat([image_index, missed_image])
        chosen = self._chosen(people.match(poses, image_index, self.kappas)[1], len(batch))
        return build_refiner_batch(network, maps, poses[chosen], image_index[chosen], people, self.kappas)

    @staticmethod
    def _chosen(is_person: Tensor, pictures: int) -> Tensor:
        """Rows of the poses to refine: if there are many, a round number of them, people before background."""
        if len(is_person) < 2 * _ROUND:
            return torch.arange(len(is_person), device=is_person.device)
        count = min(len(is_person), max(_CROWD * pictures, 2 * _ROUND)) // _ROUND * _ROUND
        return (torch.rand(len(is_person), device=is_person.device) + is_person).topk(count).indices

    @torch.no_grad()
    def _found(self, network: PoseNet, batch: Batch) -> tuple[list[FeatureMaps], Tensor, Tensor]:
        """The maps of each level, the poses (P, K, 2) that the votes find, in cells, and their images (P,)."""
        estimator = PoseEstimator(network, self.kappas, self.grouping, self.levels, focus=False)
        threshold = torch.as_tensor(self.grouping.presence_threshold)
        levels, groups = estimator.vote(batch.images.permute(0, 2, 3, 1), threshold)
        maps = [level.maps for level in levels]
        people = estimator.pooled(maps, groups)
        shown = people.scores > _MIN_SCORE
        torch.clear_autocast_cache()  # weights cast without gradient must not be reused with gradient
        return maps, people.poses[shown], people.image_index[shown]


class CachedRefinerStage(RefinerStage):
    """Trains the refiner on regions of interest that were cut once and saved on disk.

    Args:
        cache: folder of the regions.
        skeleton, grouping, levels, frozen: see `RefinerStage`.
    """

    unit: ClassVar[str] = "people"

    def __init__(
        self, cache: Path, skeleton: Skeleton, grouping: GroupingConfig, levels: int, frozen: Part = "all"
    ) -> None:
        super().__init__(skeleton, grouping, levels, frozen)
        self.cache = cache

    def forward(self, network: PoseNet, batch: RefinerBatch) -> dict[str, Tensor]:
        assert network.refiner is not None
        network.eval()
        network.refiner.train(self.training)
        return refiner_step(network.refiner, jittered(batch), self.kappas, self.flip)

    def loader(self, network: PoseNet, epoch: Epoch) -> DataLoader[Any]:
        cache = RoiCache(self.cache, network.feature_specs, network.config.keypoints)
        return roi_loader(cache, epoch.batch_size, epoch.seed, epoch.start, epoch.stop, epoch.rank, epoch.world)


def refiner_step(
    refiner: PoseRefiner, batch: RefinerBatch, kappas: Tensor, flip: Tensor, recorded: RecordedNetwork | None = None
) -> dict[str, Tensor]:
    """Refine a batch's poses, some of them with synthetic errors; see `refiner_losses`."""
    if not len(batch):
        return {"total": refiner.joint_embedding.sum() * 0}
    shown = synthesize_pose_errors(batch.poses, batch.targets, kappas, flip)
    refine = (recorded or RecordedNetwork()).refine
    refined = refine(refiner, batch.rois, shown, kappas, drop_keypoints(shown))
    return refiner_losses(refined, batch.targets, kappas)
