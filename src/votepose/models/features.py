"""What backbones hand to the heads: which maps there are, and what a backbone that knows poses proposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

ROI_ROWS, ROI_COLUMNS = 32, 24  # of the grid of a person's region of interest: a standing body is taller than wide
HEATMAP_LOGIT_SCALE = 8.0  # keypoint heatmaps among the features are logits divided by this
PROPOSALS = 24  # poses proposed per image


@dataclass(frozen=True)
class FeatureSpec:
    """One of the maps that regions of interest are cut from.

    Attributes:
        channels: of the map.
        stride: of the map, in pixels of its pyramid level.
        reduction: how much coarser than ROI_ROWS x ROI_COLUMNS its grid is; 0.5 is twice as fine.
        heatmaps: its last channels, one per joint, are keypoint logits over `HEATMAP_LOGIT_SCALE`. At a reduction of
            0.5 only.
    """

    channels: int
    stride: int
    reduction: float
    heatmaps: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, rows, columns) of its regions."""
        return (self.channels, *roi_shape(self.reduction))


def roi_shape(reduction: float) -> tuple[int, int]:
    """Rows and columns of a region's grid that is coarser by this factor."""
    return round(ROI_ROWS / reduction), round(ROI_COLUMNS / reduction)


def context_feature(specs: Sequence[FeatureSpec]) -> FeatureSpec:
    """The map that is also sampled on the next coarser pyramid level, for its wider context."""
    return next(spec for spec in specs if spec.reduction == 1)


@dataclass(frozen=True)
class PoseProposals:
    """The poses that a pose-trained backbone finds in a batch by itself.

    Attributes:
        presence: (B, h, w) logits that some keypoint lies in a cell.
        poses: (B, N, K, 2) proposed poses, in cells.
        logits: (B, N) of each proposal.
        cells: (B, N) flat index of the person centre that proposes it.
    """

    presence: Tensor
    poses: Tensor
    logits: Tensor
    cells: Tensor

    def coarser(self, times: int) -> PoseProposals:
        """The same proposals on a map whose cells are `times` as wide."""
        if times == 1:
            return self
        width = self.presence.shape[-1]
        rows = torch.div(self.cells, width * times, rounding_mode="floor")
        columns = torch.div(self.cells % width, times, rounding_mode="floor")
        presence = F.max_pool2d(self.presence[:, None], times)[:, 0]
        return PoseProposals(presence, self.poses / times, self.logits, rows * (width // times) + columns)


@dataclass(frozen=True)
class KeypointMaps:
    """Where each joint of any person in the image is likely to lie.

    Attributes:
        logits: (B, K, h', w') of the likelihood that a joint k lies in a cell; the map is finer than F.
        offsets: (B, K, 2, h', w') from the middle of a cell to that joint, x first, in cells of this map.
    """

    logits: Tensor
    offsets: Tensor


@dataclass(frozen=True)
class FeatureMaps:
    """What the network computes once per image, before any cell votes.

    Attributes:
        features: [F;H] (B, C + 1, h, w).
        presence: presence logits of every stack, each (B, h, w); the last counts.
        memory, memory_positions: the encoder's (B, T, D) and (1 or B, T, 2) in cells; None without transformer.
        roi_features: the maps that the refiner reads: the backbone's, or its most informative channels, then the
            auxiliary backbone's.
        proposals: None where the backbone proposes no poses.
        keypoint_maps: None where the network has none.
    """

    features: Tensor
    presence: list[Tensor]
    memory: Tensor | None
    memory_positions: Tensor | None
    roi_features: list[Tensor]
    proposals: PoseProposals | None
    keypoint_maps: KeypointMaps | None = None
