"""The labelled people in one image, in cells of the network's map, for the oracles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from votepose.data.sample import Sample
from votepose.evaluation.error_analysis.matched_image import MIN_OKS
from votepose.evaluation.matching import greedy_match, labelled_sizes, matched_oks, most_similar, oks_matrix
from votepose.letterbox import Letterbox

_REACH = 1.5  # minimum radius, in cells, of the area that belongs to a joint


@dataclass(frozen=True)
class Truth:
    """N labelled people, in cells of the finest level.

    Attributes:
        joints: (N, K, 2). labelled: (N, K) bool.
        sizes: (N,) square root of each person's area.
        kappas: (K,) OKS fall-off constants.
    """

    joints: Tensor
    labelled: Tensor
    sizes: Tensor
    kappas: Tensor

    @classmethod
    def of(cls, sample: Sample, input_size: int, stride: int, kappas: Tensor) -> Truth:
        """The truth for an image letterboxed to `input_size`, on the device of `kappas`."""
        height, width = sample.image.shape[:2]
        box = Letterbox.fit(width, height, input_size)
        joints = box.to_map(sample.keypoints[..., :2], stride)
        across, down = box.to_map(np.ones(2, np.float32), stride)
        sizes = labelled_sizes(sample) * np.sqrt(across * down)
        labelled, device = sample.keypoints[..., 2] > 0, kappas.device
        return cls(
            torch.as_tensor(joints, dtype=torch.float32, device=device),
            torch.as_tensor(labelled, device=device),
            torch.as_tensor(sizes, dtype=torch.float32, device=device),
            kappas,
        )

    def presence(self, height: int, width: int, level: int) -> Tensor:
        """(height, width) 1 in the cells of labelled joints, otherwise 0; in cells of this level."""
        cells = (self.joints[self.labelled] / 2**level).floor().long()
        x, y = cells[:, 0], cells[:, 1]
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        presence = torch.zeros(height, width, device=self.joints.device)
        presence[y[inside], x[inside]] = 1
        return presence

    def nearest_person(self, centres: Tensor, level: Tensor) -> Tensor:
        """(Q,) the person with the nearest labelled joint to each cell (Q, 2) of a level (Q,); -1 if out of reach.

        The reach of a joint is 1.5 cells of that level or kappa times the person's size, whichever is larger.
        """
        if not len(self.sizes):
            return torch.full(centres.shape[:1], -1, device=centres.device)
        distances = (centres[:, None, None] - self.joints).norm(dim=-1)
        reach = torch.maximum(_REACH * 2.0 ** level[:, None, None], self.kappas * self.sizes[:, None])
        distances = torch.where(self.labelled & (distances <= reach), distances, torch.inf).amin(dim=-1)
        nearest, person = distances.min(dim=-1)
        return torch.where(nearest.isfinite(), person, -1)

    def oks(self, poses: Tensor) -> Tensor:
        """(Q, N) OKS of poses (Q, K, 2) with the people, over labelled joints."""
        matrix: Tensor = oks_matrix(poses, self.joints, self.labelled, self.sizes, self.kappas)
        return matrix

    def most_similar(self, poses: Tensor) -> Tensor:
        """(Q,) the most similar person for each of poses (Q, K, 2); -1 if all are dissimilar."""
        person: Tensor = most_similar(self.oks(poses), MIN_OKS)
        return person

    def scores(self, poses: Tensor) -> Tensor:
        """(P,) OKS of poses (P, K, 2) with their people, matched greedily; 0 without a match."""
        matrix = self.oks(poses).cpu().numpy()
        return torch.as_tensor(matched_oks(matrix, greedy_match(matrix)), dtype=poses.dtype, device=poses.device)
