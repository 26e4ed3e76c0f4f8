"""From a head's output to people, in cells of F."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import associative_embedding, part_affinity
from research.grouping.candidates import Candidates
from research.grouping.heads import FINER, LINKS, affinity_fields, centre_maps, tag_maps, votes_at
from votepose.grouping import GroupingConfig, Groups, group
from votepose.models.heads.keypoint_maps import snap_to_keypoints
from votepose.skeleton import COCO_17

_MOST = 256  # candidate cells of votes and centres
_SNAP = 0.1  # likelihood of a candidate that a joint regressed from a centre may snap to
LIMITS = {
    "votes": (0.18, 0.27, 0.4, 0.6),
    "tags": (0.5, 1.0, 2.0),
    "affinity": (0.05, 0.1, 0.2),
    "centres": (0.15, 0.3),
}
"""What each method's own constant may be: distance of votes that agree (share of a body), distance of tags, least field
along a limb, and how far joints snap (share of a body)."""


@dataclass(frozen=True)
class People:
    """P people: poses (P, K, 2), NaN where a joint was not found, and the method's own scores (P,) in [0, 1]."""

    poses: np.ndarray
    scores: np.ndarray


def by_votes(output: Tensor, seen: Candidates, least: float, limit: float) -> People:
    """Cells that are likelier than their neighbours to hold a joint vote; joints move to the peaks they point at."""
    presence = F.max_pool2d(seen.maps.logits.sigmoid().amax(dim=1), FINER)
    presence = presence * (presence == F.max_pool2d(presence[:, None], 3, 1, 1)[:, 0])
    strength, cells = presence.flatten(1).topk(min(_MOST, presence.numel()))
    groups = grouped_votes(output, cells, strength, GroupingConfig(least, threshold=limit))
    leader = groups.leader[0]
    poses, log_scales = groups.poses[0][leader], groups.log_scales[0][leader]
    poses = snap_to_keypoints([seen.maps], poses, log_scales, torch.zeros(len(poses), dtype=torch.long))
    return People(poses.numpy(), groups.scores[0][leader].numpy())


def by_tags(output: Tensor, seen: Candidates, least: float, limit: float) -> People:
    """As Newell's code: peaks by their tags; then each missing joint's best peak, its likelihood less the tag's gap."""
    tags = [read_tags(field, place) for field, place in zip(tag_maps(output)[0].numpy(), seen.places, strict=True)]
    people = associative_embedding.group(seen.likelihoods, tags, least, limit)
    for person in people:
        mean = np.mean([tags[k][person[k]] for k in np.flatnonzero(person >= 0)])
        for k in np.flatnonzero(person < 0):
            values = seen.likelihoods[k] - np.round(np.abs(tags[k] - mean))
            if len(values) and values.max() > 0:
                person[k] = values.argmax()
    return _joined(people, seen.places, seen)


def by_affinity(output: Tensor, seen: Candidates, least: float, limit: float) -> People:
    """As Cao's code: links of peaks by line integrals, greedily; people of at least four joints."""
    places = seen.above(least)
    people = part_affinity.group([p * FINER for p in places], fine_fields(output), LINKS, along=limit)
    return _joined(people, places, seen)


def by_centres(output: Tensor, seen: Candidates, least: float, limit: float) -> People:
    """As CenterNet: the pose of each centre, its joints at the nearest peaks inside its box, if these are near."""
    people = centred(output, least)
    return People(snap(people.poses, seen.above(_SNAP), limit), people.scores)


def snap(poses: np.ndarray, places: list[np.ndarray], limit: float) -> np.ndarray:
    """Poses (P, K, 2) with joints at the nearest of their places (n, 2) inside the pose's box, if it is near enough."""
    poses = poses.copy()
    for pose in poses:
        low, high = pose.min(axis=0), pose.max(axis=0)
        for k, place in enumerate(places):
            place = place[((place >= low - 0.5) & (place <= high + 0.5)).all(axis=-1)]
            gap = np.linalg.norm(place - pose[k], axis=-1)
            if len(gap) and gap.min() < limit * (high - low).max():
                pose[k] = place[gap.argmin()]
    return poses


FIND: dict[str, Callable[[Tensor, Candidates, float, float], People]] = {
    "votes": by_votes,
    "tags": by_tags,
    "affinity": by_affinity,
    "centres": by_centres,
}


def grouped_votes(output: Tensor, cells: Tensor, presence: Tensor, config: GroupingConfig) -> Groups:
    votes, width = votes_at(output, cells), output.shape[-1]
    centres = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=-1) + 0.5
    kappas = torch.from_numpy(COCO_17.kappas)
    return group(votes.poses, votes.log_scales, centres, presence, kappas, config)


def centred(output: Tensor, least: float) -> People:
    """The poses of the centres that are likelier than their neighbours and than `least`."""
    logits, offsets = centre_maps(output)
    heat = logits.sigmoid() * (logits == F.max_pool2d(logits, 3, 1, 1))
    y, x = (heat[0, 0] > least).nonzero(as_tuple=True)
    poses = torch.stack([x, y], dim=-1)[:, None] + 0.5 + offsets[0].permute(2, 3, 0, 1)[y, x]
    return People(poses.numpy(), heat[0, 0, y, x].numpy())


def read_tags(field: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (n,) of a map FINER than F at places (n, 2)."""
    height, width = field.shape
    x, y = np.floor(places * FINER).astype(int).clip(0, (width - 1, height - 1)).T
    return field[y, x]


def fine_fields(output: Tensor) -> np.ndarray:
    """(L, 2, FINER h, FINER w): Cao resizes the fields to the input's size."""
    fields = affinity_fields(output)[0]
    return F.interpolate(fields, scale_factor=FINER, mode="bilinear", align_corners=False).numpy()


def _joined(people: np.ndarray, places: list[np.ndarray], seen: Candidates) -> People:
    """The people (P, K) whose joints are numbers of candidates; scores are the mean likelihood of all joints."""
    poses = np.full((*people.shape, 2), np.nan)
    for k, place in enumerate(places):
        known = people[:, k] >= 0
        poses[known, k] = place[people[known, k]]
    return People(poses, seen.at(poses).mean(axis=1))
