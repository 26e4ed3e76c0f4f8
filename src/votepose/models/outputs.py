"""What network and estimator return: votes, refined poses, people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Votes:
    """Pose vectors of Q cells of each image.

    Attributes:
        poses: (B, Q, K, 2) joints in map coordinates, whatever the parametrisation.
        log_scales: (B, Q, K) log of the Laplace scale in cells; zeros where the network predicts none.
    """

    poses: Tensor
    log_scales: Tensor


@dataclass(frozen=True)
class RefinedPoses:
    """P poses as the refiner corrects them, in the unit that they came in.

    Attributes:
        poses: (P, K, 2) corrected joints.
        confidences: (P, K) logits of the share of OKS that each joint is expected to keep.
        seen: (P, K) logits that the joint is visible.
        quality: (P,) logits of the OKS that the pose is expected to have with the true one.
        heat: (P, K, 64, 48) logits of the distribution of each joint over the region.
    """

    poses: Tensor
    confidences: Tensor
    seen: Tensor
    quality: Tensor
    heat: Tensor


class PoseOutputs(NamedTuple):
    """P people found in B images. Named as the exported graph's outputs are.

    Attributes:
        image_index: (P,) int64 image of each.
        keypoints: (P, K, 2) in input pixels.
        confidences: (P, K) in [0, 1]: the share of OKS that the joint is expected to keep.
        seen: (P, K) bool: the joint is visible; otherwise inferred from the votes.
        scores: (P,) in [0, 1]: the OKS that the pose is expected to have with a real person.
        presence: (B, h, w) likelihood of a keypoint at each cell.
    """

    image_index: Tensor
    keypoints: Tensor
    confidences: Tensor
    seen: Tensor
    scores: Tensor
    presence: Tensor


class VoteOutputs(NamedTuple):
    """The V votes behind the people: the cell that voted, its pose vector, and the person that the vote joined.

    Attributes:
        vote_image: (V,) int64 image of each.
        vote_cells: (V, 2) centre of the cell that voted, in input pixels.
        vote_poses: (V, K, 2) its joints, in input pixels.
        vote_scales: (V, K) Laplace scale of each joint, in input pixels.
        vote_presence: (V,) likelihood of a keypoint at the cell.
        vote_person: (V,) int64 row of `PoseOutputs` that the vote joined; -1 where that person was dropped, as a
            duplicate or for a low score.
    """

    vote_image: Tensor
    vote_cells: Tensor
    vote_poses: Tensor
    vote_scales: Tensor
    vote_presence: Tensor
    vote_person: Tensor
