"""The outputs of network and estimator: votes, refined poses, people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Votes:
    """Pose vectors from Q cells of each image.

    Attributes:
        poses: (B, Q, K, 2) joints in map coordinates, for any parametrisation.
        log_scales: (B, Q, K) log of the Laplace scale in cells; zeros if the network predicts none.
    """

    poses: Tensor
    log_scales: Tensor


@dataclass(frozen=True)
class RefinedPoses:
    """P poses corrected by the refiner, in the unit of the input.

    Attributes:
        poses: (P, K, 2) corrected joints.
        confidences: (P, K) logits of the expected OKS of each joint.
        seen: (P, K) logits of the joints' visibility.
        quality: (P,) logits of the expected OKS of each pose with the true one.
        heat: (P, K, 64, 48) logits of each joint's distribution over the region.
    """

    poses: Tensor
    confidences: Tensor
    seen: Tensor
    quality: Tensor
    heat: Tensor


class PoseOutputs(NamedTuple):
    """P people found in B images, with the names of the exported graph's outputs.

    Attributes:
        image_index: (P,) int64 index of each person's image.
        keypoints: (P, K, 2) in input pixels.
        confidences: (P, K) in [0, 1]: the expected OKS of the joint.
        seen: (P, K) bool: whether the joint is visible; otherwise it is inferred from the votes.
        scores: (P,) in [0, 1]: the expected OKS of the pose with a real person.
        presence: (B, h, w) probability of a keypoint in each cell.
    """

    image_index: Tensor
    keypoints: Tensor
    confidences: Tensor
    seen: Tensor
    scores: Tensor
    presence: Tensor


class VoteOutputs(NamedTuple):
    """The V votes behind the people: the voting cell, its pose vector, and the person to which the vote belongs.

    Attributes:
        vote_image: (V,) int64 index of each vote's image.
        vote_cells: (V, 2) centre of the voting cell, in input pixels.
        vote_poses: (V, K, 2) its joints, in input pixels.
        vote_scales: (V, K) Laplace scale of each joint, in input pixels.
        vote_presence: (V,) probability of a keypoint in the cell.
        vote_person: (V,) int64 row of the vote's person in `PoseOutputs`; -1 if that person was dropped as a duplicate
            or for a low score.
    """

    vote_image: Tensor
    vote_cells: Tensor
    vote_poses: Tensor
    vote_scales: Tensor
    vote_presence: Tensor
    vote_person: Tensor


def joined_outputs(of_images: Sequence[tuple[PoseOutputs, VoteOutputs]]) -> tuple[PoseOutputs, VoteOutputs]:
    """The outputs of a batch, from those of each of its images alone."""
    people, votes, before = [], [], 0
    for i, (found, behind) in enumerate(of_images):
        people.append(found._replace(image_index=found.image_index + i))
        person = torch.where(behind.vote_person >= 0, behind.vote_person + before, behind.vote_person)
        votes.append(behind._replace(vote_image=behind.vote_image + i, vote_person=person))
        before += len(found.scores)
    all_people, all_votes = ([torch.cat(x) for x in zip(*outputs, strict=True)] for outputs in (people, votes))
    return PoseOutputs(*all_people), VoteOutputs(*all_votes)
