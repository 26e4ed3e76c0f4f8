"""The interface between backbones and heads: specifications of maps, pose proposals, keypoint maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

ROI_ROWS, ROI_COLUMNS = 32, 24  # grid of a person's region of interest, taller than wide like a standing body
HEATMAP_LOGIT_SCALE = 8.0  # keypoint heatmaps among the features are logits divided by this
PROPOSALS = 24  # poses proposed per image


@dataclass(frozen=True)
class FeatureSpec:
    """One of the maps that regions of interest are cut from.

    Attributes:
        channels: number of channels.
        stride: stride in pixels of its pyramid level.
        reduction: factor by which its grid is coarser than ROI_ROWS x ROI_COLUMNS; 0.5 is twice as fine.
        heatmaps: whether the last channels, one per joint, are keypoint logits divided by `HEATMAP_LOGIT_SCALE`. Only
            at a reduction of 0.5.
    """

    channels: int
    stride: int
    reduction: float
    heatmaps: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, rows, columns) of its regions."""
        return (self.channels, *roi_shape(self.reduction))


def roi_shape(reduction: float) -> tuple[int, int]:
    """Rows and columns of a region's grid at this reduction."""
    return round(ROI_ROWS / reduction), round(ROI_COLUMNS / reduction)


def context_feature(specs: Sequence[FeatureSpec]) -> FeatureSpec:
    """The map that is also sampled on the next coarser pyramid level, for wider context."""
    return next(spec for spec in specs if spec.reduction == 1)


@dataclass(frozen=True)
class PoseProposals:
    """The poses that a backbone pretrained on poses finds in a batch.

    Attributes:
        presence: (B, h, w) logits that some keypoint lies in a cell.
        poses: (B, N, K, 2) proposed poses, in cells.
        logits: (B, N) score logits of the proposals.
        cells: (B, N) flat index of the cell that proposes each pose, its person's centre.
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
    """Likely positions of each joint of any person in the image.

    Attributes:
        logits: (B, K, h', w') logits that a joint k lies in a cell; the map is finer than F.
        offsets: (B, K, 2, h', w') from the middle of a cell to that joint, x first, in cells of this map.
    """

    logits: Tensor
    offsets: Tensor


@dataclass(frozen=True)
class Extent:
    """The rectangle of an image that its maps cover, in cells of the finest pyramid level, x first.

    Attributes:
        origin: (2,) int64 the cell at its upper left corner.
        low, high: (2,) its upper left and lower right corner; infinite where it ends with the image.
    """

    origin: Tensor
    low: Tensor
    high: Tensor

    def contains(self, low: Tensor, high: Tensor, margin: float = 0.0) -> Tensor:
        """(...,) bool: whether boxes with these corners (..., 2) lie inside, this far from edges within the image."""
        return ((low >= self.low + margin) & (high <= self.high - margin)).all(dim=-1)


@dataclass(frozen=True)
class FeatureMaps:
    """The maps that the network computes once per image, before any cell votes.

    Attributes:
        features: [F;H] (B, C + 1, h, w).
        presence: presence logits of every stack, each (B, h, w); inference uses the last.
        memory, memory_positions: the encoder's output (B, T, D) and positions (1 or B, T, 2) in cells; None without
            transformer.
        roi_features: the maps that the refiner uses: the backbone's, or its most informative channels, then the
            auxiliary backbone's or, with `NetworkConfig.fine_refiner`, the keypoint maps.
        proposals: pose proposals; None if the backbone has none.
        keypoint_maps: keypoint maps; None if the network has none.
        extent: the part of the image that these maps cover; None for all of it.
    """

    features: Tensor
    presence: list[Tensor]
    memory: Tensor | None
    memory_positions: Tensor | None
    roi_features: list[Tensor]
    proposals: PoseProposals | None
    keypoint_maps: KeypointMaps | None = None
    extent: Extent | None = None
