"""The labelled people of one picture as the network's map has them: what an oracle knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from votepose.data.coco import Sample
from votepose.evaluation.error_analysis.pictures import LIKE
from votepose.letterbox import Letterbox
from votepose.oks import oks

_REACH = 1.5  # cells: a cell this near to a joint is that joint's, however small the person


@dataclass(frozen=True)
class Truth:
    """N labelled people, in cells of the finest level.

    Attributes:
        joints: (N, K, 2). labelled: (N, K) bool.
        sizes: (N,) root of each person's area.
        kappas: (K,) of the skeleton.
    """

    joints: Tensor
    labelled: Tensor
    sizes: Tensor
    kappas: Tensor

    @classmethod
    def of(cls, sample: Sample, input_size: int, stride: int, kappas: Tensor) -> Truth:
        """Of a picture that is letterboxed to `input_size`, on the device of `kappas`."""
        height, width = sample.image.shape[:2]
        box = Letterbox.fit(width, height, input_size)
        joints = box.to_map(sample.keypoints[..., :2], stride)
        across, down = box.to_map(np.ones(2, np.float32), stride)
        sizes = np.sqrt(np.maximum(sample.areas, 1) * across * down)
        labelled, device = sample.keypoints[..., 2] > 0, kappas.device
        return cls(
            torch.as_tensor(joints, dtype=torch.float32, device=device),
            torch.as_tensor(labelled, device=device),
            torch.as_tensor(sizes, dtype=torch.float32, device=device),
            kappas,
        )

    def presence(self, height: int, width: int, level: int) -> Tensor:
        """(height, width) 1 on the cells of labelled joints inside the map, otherwise 0; cells of this level."""
        cells = (self.joints[self.labelled] / 2**level).floor().long()
        x, y = cells[:, 0], cells[:, 1]
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        presence = torch.zeros(height, width, device=self.joints.device)
        presence[y[inside], x[inside]] = 1
        return presence

    def cast_on(self, centres: Tensor, level: Tensor) -> Tensor:
        """(Q,) whose labelled joint is nearest to each cell (Q, 2) of a level (Q,); -1 where none is within reach: 1.5
        cells of that level, or kappa times the person's size."""
        if not len(self.sizes):
            return torch.full(centres.shape[:1], -1, device=centres.device)
        distances = (centres[:, None, None] - self.joints).norm(dim=-1)
        reach = torch.maximum(_REACH * 2.0 ** level[:, None, None], self.kappas * self.sizes[:, None])
        distances = torch.where(self.labelled & (distances <= reach), distances, torch.inf).amin(dim=-1)
        nearest, owner = distances.min(dim=-1)
        return torch.where(nearest.isfinite(), owner, -1)

    def likeness(self, poses: Tensor) -> Tensor:
        """(Q, N) OKS of poses (Q, K, 2) with the people, over labelled joints."""
        weights = self.labelled.float()[None]
        value: Tensor = oks(poses[:, None], self.joints[None], self.sizes[None], self.kappas, weights)
        return value

    def most_like(self, poses: Tensor) -> Tensor:
        """(Q,) whom poses (Q, K, 2) are most like; -1 where that is nobody."""
        if not len(self.sizes):
            return torch.full(poses.shape[:1], -1, device=poses.device)
        likeness, owner = self.likeness(poses).max(dim=-1)
        return torch.where(likeness >= LIKE, owner, -1)

    def scores(self, poses: Tensor) -> Tensor:
        """(P,) OKS of poses (P, K, 2) with whom they are: the likeliest pair first, each once; 0 for nobody."""
        scores, likeness = poses.new_zeros(len(poses)), self.likeness(poses)
        for _ in range(min(likeness.shape)):
            row, column = divmod(int(likeness.argmax()), likeness.shape[1])
            scores[row] = likeness[row, column]
            likeness[row], likeness[:, column] = -1, -1
        return scores.clamp(min=0)
