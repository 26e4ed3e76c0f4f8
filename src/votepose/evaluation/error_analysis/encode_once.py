"""A network that runs its backbone once per image for all variants of the estimator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from votepose.models.features import FeatureMaps
from votepose.models.heads.roi_align import WIDE_MARGIN
from votepose.models.outputs import RefinedPoses, Votes
from votepose.models.posenet import PoseNet


class EncodeOnce(nn.Module):
    """A `PoseNet` that caches the maps of one image at each pyramid level."""

    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        self.network, self.config, self.refiner = network, network.config, network.refiner
        self._encoded: list[tuple[Tensor, FeatureMaps]] = []

    def encode(self, pixels: Tensor) -> FeatureMaps:
        for known, maps in self._encoded:
            if known.shape == pixels.shape and torch.equal(known, pixels):
                return maps
        self._encoded.append((pixels, self.network.encode(pixels)))
        return self._encoded[-1][1]

    def predict_votes(self, maps: FeatureMaps, cells: Tensor) -> Votes:
        return self.network.predict_votes(maps, cells)

    def refine(
        self,
        pyramid: Sequence[FeatureMaps],
        poses: Tensor,
        image_index: Tensor,
        kappas: Tensor,
        margin: float = WIDE_MARGIN,
    ) -> RefinedPoses:
        return self.network.refine(pyramid, poses, image_index, kappas, margin)
