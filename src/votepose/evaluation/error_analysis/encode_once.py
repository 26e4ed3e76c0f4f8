"""A network that runs its backbone once for each picture, however many variants of the estimator ask for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from votepose.models.heads.refiner import Look
from votepose.models.heads.roi_align import MARGIN
from votepose.models.posenet import Maps, PoseNet, Votes


class EncodeOnce(nn.Module):
    """A `PoseNet` that keeps the maps of the pixels it has encoded: of one picture, at each level of the pyramid."""

    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        self.network, self.config, self.second_look = network, network.config, network.second_look
        self._encoded: list[tuple[Tensor, Maps]] = []

    def encode(self, pixels: Tensor) -> Maps:
        for known, maps in self._encoded:
            if known.shape == pixels.shape and torch.equal(known, pixels):
                return maps
        self._encoded.append((pixels, self.network.encode(pixels)))
        return self._encoded[-1][1]

    def ask(self, maps: Maps, cells: Tensor) -> Votes:
        return self.network.ask(maps, cells)

    def look_again(
        self, pyramid: Sequence[Maps], poses: Tensor, image_index: Tensor, kappas: Tensor, margin: float = MARGIN
    ) -> Look:
        return self.network.look_again(pyramid, poses, image_index, kappas, margin)
