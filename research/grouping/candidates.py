"""The joints that all methods find alike: the peaks of the shared keypoint maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F

from research.grouping.heads import FINER, JOINTS
from votepose.models.features import KeypointMaps
from votepose.models.heads.keypoint_maps import find_peaks


@dataclass(frozen=True)
class Candidates:
    """What all methods read of a picture.

    Attributes:
        maps: the keypoint maps, of one picture.
        places: for each joint, its peaks (n, 2), the likeliest first. likelihoods: (n,) of each.
    """

    maps: KeypointMaps
    places: list[np.ndarray]
    likelihoods: list[np.ndarray]

    @classmethod
    def of(cls, maps: KeypointMaps) -> Candidates:
        places, likelihoods = (x[0].numpy() for x in find_peaks(maps))
        kept = likelihoods > 0
        return cls(maps, [p[k] for p, k in zip(places, kept, strict=True)], [x[x > 0] for x in likelihoods])

    def above(self, least: float) -> list[np.ndarray]:
        """The places that are likelier than `least`."""
        return [p[x > least] for p, x in zip(self.places, self.likelihoods, strict=True)]

    def at(self, poses: np.ndarray) -> np.ndarray:
        """(P, K) the likelihood of the joints of poses (P, K, 2), or beside them; 0 where they are NaN."""
        near = F.max_pool2d(self.maps.logits.sigmoid(), 3, 1, 1)[0].numpy()
        cell = np.nan_to_num(np.floor(poses * FINER)).astype(int)
        x, y = cell[..., 0].clip(0, near.shape[2] - 1), cell[..., 1].clip(0, near.shape[1] - 1)
        return np.where(np.isnan(poses[..., 0]), 0, near[np.arange(JOINTS), y, x])
