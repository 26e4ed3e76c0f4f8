"""From a head's output to people, and to groups of joints that are given. Everything is in cells of F."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from benchmarks import associative_embedding, part_affinity
from research.grouping.heads import FINER, JOINTS, LINKS, affinity_fields, centre_maps, tag_maps, votes_at
from votepose.grouping import GroupingConfig, Groups, group
from votepose.models.features import KeypointMaps
from votepose.models.heads.keypoint_maps import find_peaks, snap_to_keypoints
from votepose.skeleton import COCO_17

_MOST = 256  # candidate cells of votes and centres
_SNAP = 0.1  # likelihood of a candidate that a joint regressed from a centre may snap to
LIMITS = {
    "votes": (0.12, 0.18, 0.27, 0.4),
    "tags": (0.5, 1.0, 2.0),
    "affinity": (0.05, 0.1, 0.2),
    "centres": (0.15, 0.3),
}
"""What each method's own constant may be: distance of votes that agree (share of a body), distance of tags, least field
along a limb, and how far joints snap (share of a body)."""
ALONE = {**LIMITS, "centres": (0.1, 0.2, 0.3, 0.4)}
"""The same for joints that are given; here a centre's least likelihood."""


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
    groups = _grouped_votes(output, cells, strength, GroupingConfig(least, threshold=limit))
    leader = groups.leader[0]
    poses, log_scales = groups.poses[0][leader], groups.log_scales[0][leader]
    poses = snap_to_keypoints([seen.maps], poses, log_scales, torch.zeros(len(poses), dtype=torch.long))
    return People(poses.numpy(), groups.scores[0][leader].numpy())


def by_tags(output: Tensor, seen: Candidates, least: float, limit: float) -> People:
    """As Newell's code: peaks by their tags; then each missing joint's best peak, its likelihood less the tag's gap."""
    tags = [_read(field, place) for field, place in zip(tag_maps(output)[0].numpy(), seen.places, strict=True)]
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
    people = part_affinity.group([p * FINER for p in places], _fine_fields(output), LINKS, along=limit)
    return _joined(people, places, seen)


def by_centres(output: Tensor, seen: Candidates, least: float, limit: float) -> People:
    """As CenterNet: the pose of each centre, its joints at the nearest peaks inside its box, if these are near."""
    people = _centred(output, least)
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


def votes_alone(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    """Each joint's cell votes, and the joint goes with its vote."""
    groups = _true_votes(output, points, limit)
    return np.asarray(groups.follow[0])


def votes_assigned(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    """A hybrid: people as the joints' cells vote, and to each of them the nearest of the joints, one of a kind."""
    groups = _true_votes(output, points, limit)
    leader = groups.leader[0]
    return _assigned(points, joint, groups.poses[0][leader].numpy(), groups.log_scales[0][leader].exp().numpy())


def tags_alone(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    rows = [np.flatnonzero(joint == k) for k in range(JOINTS)]
    tags = [_read(field, points[r]) for field, r in zip(tag_maps(output)[0].numpy(), rows, strict=True)]
    return _labels(associative_embedding.group([np.ones(len(r)) for r in rows], tags, reach=limit), rows, len(points))


def affinity_alone(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    rows = [np.flatnonzero(joint == k) for k in range(JOINTS)]
    people = part_affinity.group([points[r] * FINER for r in rows], _fine_fields(output), LINKS, 1, limit)
    return _labels(people, rows, len(points))


def centres_alone(output: Tensor, points: np.ndarray, joint: np.ndarray, limit: float) -> np.ndarray:
    """To each person whose centre is found the nearest of the joints, one of a kind."""
    poses = _centred(output, limit).poses
    return _assigned(points, joint, poses, np.ones(poses.shape[:2]))


FIND: dict[str, Callable[[Tensor, Candidates, float, float], People]] = {
    "votes": by_votes,
    "tags": by_tags,
    "affinity": by_affinity,
    "centres": by_centres,
}
REGROUP: dict[str, Callable[[Tensor, np.ndarray, np.ndarray, float], np.ndarray]] = {
    "votes": votes_alone,
    "votes, assigned": votes_assigned,
    "tags": tags_alone,
    "affinity": affinity_alone,
    "centres": centres_alone,
}
"""Output, true joints (J, 2), which joint each is (J,), the constant -> (J,) numbers of groups, -1 for none."""
WAYS = {method: [way for way in REGROUP if way.partition(",")[0] == method] for method in FIND}
"""Of each method, in `REGROUP`."""


def _grouped_votes(output: Tensor, cells: Tensor, presence: Tensor, config: GroupingConfig) -> Groups:
    votes, width = votes_at(output, cells), output.shape[-1]
    centres = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=-1) + 0.5
    kappas = torch.from_numpy(COCO_17.kappas)
    return group(votes.poses, votes.log_scales, centres, presence, kappas, config)


def _true_votes(output: Tensor, points: np.ndarray, limit: float) -> Groups:
    height, width = output.shape[-2:]
    cell = np.floor(points).astype(int).clip(0, (width - 1, height - 1))
    cells = torch.from_numpy(cell[:, 1] * width + cell[:, 0])[None]
    return _grouped_votes(output, cells, torch.ones(cells.shape), GroupingConfig(threshold=limit))


def _centred(output: Tensor, least: float) -> People:
    """The poses of the centres that are likelier than their neighbours and than `least`."""
    logits, offsets = centre_maps(output)
    heat = logits.sigmoid() * (logits == F.max_pool2d(logits, 3, 1, 1))
    y, x = (heat[0, 0] > least).nonzero(as_tuple=True)
    poses = torch.stack([x, y], dim=-1)[:, None] + 0.5 + offsets[0].permute(2, 3, 0, 1)[y, x]
    return People(poses.numpy(), heat[0, 0, y, x].numpy())


def _assigned(points: np.ndarray, joint: np.ndarray, poses: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """For each joint, the best one-to-one assignment of its points to people, by distance in `scales` (P, K)."""
    labels = np.full(len(points), -1)
    for k in np.unique(joint):
        rows = np.flatnonzero(joint == k)
        gap = np.linalg.norm(points[rows][:, None] - poses[None, :, k], axis=-1) / scales[None, :, k]
        taken, person = linear_sum_assignment(gap)
        labels[rows[taken]] = person
    return labels


def _read(field: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (n,) of a map FINER than F at places (n, 2)."""
    height, width = field.shape
    x, y = np.floor(places * FINER).astype(int).clip(0, (width - 1, height - 1)).T
    return field[y, x]


def _fine_fields(output: Tensor) -> np.ndarray:
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


def _labels(people: np.ndarray, rows: list[np.ndarray], count: int) -> np.ndarray:
    labels = np.full(count, -1)
    for number, person in enumerate(people):
        for k in np.flatnonzero(person >= 0):
            labels[rows[k][person[k]]] = number
    return labels
