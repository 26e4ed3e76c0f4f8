"""What the estimator answers: people, and the votes behind them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class People(NamedTuple):
    """P people found in B images. Named as the exported graph's outputs are.

    Attributes:
        image_index: (P,) int64 image of each.
        keypoints: (P, K, 2) in input pixels.
        confidences: (P, K) in [0, 1]: the share of OKS that the joint is expected to keep.
        seen: (P, K) bool: the joint is visible; otherwise inferred from the votes.
        scores: (P,) in [0, 1]: the OKS that the person is expected to have with somebody real.
        presence: (B, h, w) likelihood of a keypoint at each cell.
    """

    image_index: Tensor
    keypoints: Tensor
    confidences: Tensor
    seen: Tensor
    scores: Tensor
    presence: Tensor


class Ballot(NamedTuple):
    """The V votes behind the people: which cell was asked, what it answered, and to whom that went.

    Attributes:
        vote_image: (V,) int64 image of each.
        vote_cells: (V, 2) centre of the cell that voted, in input pixels.
        vote_poses: (V, K, 2) the joints it voted for, in input pixels.
        vote_scales: (V, K) Laplace scale of each joint, in input pixels.
        vote_presence: (V,) likelihood of a keypoint at the cell.
        vote_person: (V,) int64 row of `People` that the vote went to; -1 where that person was dropped as another's
            duplicate or as too faint.
    """

    vote_image: Tensor
    vote_cells: Tensor
    vote_poses: Tensor
    vote_scales: Tensor
    vote_presence: Tensor
    vote_person: Tensor
