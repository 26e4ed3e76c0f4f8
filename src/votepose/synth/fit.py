"""Fits bodies to 2-D keypoints of real people: joint angles, orientation and position.

Gradient descent on the differentiable kinematics of `rig`, many people and several starting directions at once. The
labelled joints determine the pose; limits, priors, the box and the face determine the rest (depth, hidden limbs).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from votepose.synth.body import Body, Shapes
from votepose.synth.fit_loss import FitLoss, FitWeights
from votepose.synth.fit_target import Target
from votepose.synth.rig import LIMITS, PRIOR


@dataclass(frozen=True)
class FitConfig:
    """Options of the search.

    Attributes:
        yaws: initial directions, in degrees about the body's upright axis; 0 faces the camera.
        rounds: number of steps of each round of descent; each round but the last two keeps the better half of the
            starts, and the last round uses only the best.
        rate: Adam's learning rate at the start of the first round; falls to `last_rate` over all the steps.
        weights: weights of the loss terms.
        batch: number of people fitted at once; the last digits of a fit depend on the others in the batch.
    """

    yaws: tuple[float, ...] = (0.0, 90.0, 180.0, -90.0)
    rounds: tuple[int, ...] = (24, 30, 110)
    rate: float = 0.12
    last_rate: float = 0.02
    weights: FitWeights = field(default_factory=FitWeights)
    batch: int = 1024


@dataclass(frozen=True)
class Fit:
    """N bodies in front of cameras: a point p of a posed body is at orientation @ p + translation in camera axes.

    Attributes:
        angles: (N, D) radians, within rig.LIMITS.
        orientation: (N, 3, 3) from the body's axes to the camera's.
        translation: (N, 3) metres.
        error: (N,) root mean square distance to the labelled joints, relative to the person's size (the square root of
            the box's area); NaN if no joint is labelled.
    """

    angles: torch.Tensor
    orientation: torch.Tensor
    translation: torch.Tensor
    error: torch.Tensor


def fit(
    body: Body,
    shapes: Shapes,
    keypoints: np.ndarray,
    boxes: np.ndarray,
    focal: np.ndarray,
    centre: np.ndarray,
    frames: np.ndarray,
    up: np.ndarray | None = None,
    config: FitConfig | None = None,
) -> Fit:
    """Pose N bodies so that their keypoints match the given ones. The result is deterministic and carries no gradient.

    Args:
        shapes: N bodies at rest; their size in metres and `focal` determine the depth.
        keypoints: (N, 17, 3) pixels and COCO's v; joints with v = 0 are free.
        boxes: (N, 4) x, y, width, height in pixels.
        focal: (N,) focal lengths in pixels. centre: (N, 2) principal points.
        frames: (N, 2) widths and heights of the images; a person whose box touches the edge may extend beyond it.
        up: (N, 3) unit vectors, the world's up direction in camera axes; by default cameras are level.
    """
    config = config or FitConfig()
    if up is None:
        up = np.broadcast_to(np.array([0, -1, 0], np.float32), (len(boxes), 3))
    target = Target.of(keypoints, boxes, focal, centre, frames, up)
    shapes = replace(shapes, vertices=shapes.vertices[:, :0])  # not needed, and takes 160 kB per body
    parts = []
    for first in range(0, len(boxes), config.batch):
        rows = slice(first, first + config.batch)
        parts.append(_fit(body, shapes[rows], target[rows], config))
    if not parts:
        return Fit(torch.zeros(0, len(LIMITS)), torch.zeros(0, 3, 3), torch.zeros(0, 3), torch.zeros(0))
    return Fit(*(torch.cat([getattr(part, name) for part in parts]) for name in Fit.__dataclass_fields__))


def _fit(body: Body, shapes: Shapes, target: Target, config: FitConfig) -> Fit:
    """Fit one batch: descend from every yaw, and continue from the best."""
    count = len(target.size)
    people = torch.arange(count).repeat_interleave(len(config.yaws))
    yaws = torch.tensor(config.yaws).deg2rad().repeat(count)
    with torch.no_grad():
        state = _start(body, shapes, target)[:, people]
    done = 0
    for number, steps in enumerate(config.rounds, 1):
        rates = [_rate(config, done + step) for step in range(steps)]
        loss = FitLoss(body, shapes[people], target[people], yaws, config.weights)
        state, losses = _descend(loss, state, rates)
        starts = len(people) // count
        kept = (starts + 1) // 2 if number < len(config.rounds) - 1 else 1
        best = losses.view(count, starts).topk(kept, dim=1, largest=False).indices
        chosen = (best + starts * torch.arange(count)[:, None]).flatten()
        people, yaws, state = people[chosen], yaws[chosen], state[:, chosen]
        done += steps
    with torch.no_grad():
        loss = FitLoss(body, shapes, target, yaws, config.weights)
        angles, orientation, translation = loss.place(state)
        squared = (loss.pixels(state) - loss.points).square().sum(dim=0) * loss.labelled
        error = (squared.sum(dim=0) / loss.labelled.sum(dim=0)).sqrt() / target.size
    return Fit(angles.T.contiguous(), orientation.movedim(-1, 0).contiguous(), translation.T.contiguous(), error)


def _descend(loss: FitLoss, state: torch.Tensor, rates: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Adam with one step per rate; returns the new state (D + 6, M) and its loss (M,)."""
    state = state.clone().requires_grad_()
    optimiser = torch.optim.Adam([state], betas=(0.8, 0.95))
    with torch.enable_grad():
        for rate in rates:
            optimiser.param_groups[0]["lr"] = rate
            (state.grad,) = torch.autograd.grad(loss(state).sum(), state)
            optimiser.step()
    with torch.no_grad():
        return state.detach(), loss(state)


def _rate(config: FitConfig, step: int) -> float:
    """Cosine from `rate` to `last_rate`."""
    progress = step / sum(config.rounds)
    return config.last_rate + (config.rate - config.last_rate) * (1 + math.cos(math.pi * progress)) / 2


# fmt: off
_BONES = ((5, 6), (11, 12), (5, 11), (6, 12), (5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16),
          (1, 2), (0, 3), (0, 4), (3, 5), (4, 6))
# fmt: on


def _start(body: Body, shapes: Shapes, target: Target) -> torch.Tensor:
    """(D + 6, N) initial state: mean angles, no rotation, the centre, and a depth estimated from bone lengths."""
    count = len(target.size)
    low, high = torch.tensor(LIMITS).unbind(-1)
    mean = ((torch.tensor(PRIOR[:, 0]) - low) / (high - low)).clamp(0.02, 0.98).logit().expand(count, -1)
    a, b = torch.tensor(_BONES).unbind(-1)
    rest = body.keypoints(shapes, body.maps(shapes, torch.tensor(PRIOR[:, 0]).expand(count, -1)))
    metres = (rest[:, a] - rest[:, b]).norm(dim=-1)
    pixels = (target.points[:, a] - target.points[:, b]).norm(dim=-1)
    seen = (target.visibility[:, a] > 0) & (target.visibility[:, b] > 0)
    # A bone seen at an angle looks shorter, never longer, so the longest ones determine the scale.
    longest = torch.where(seen, pixels / metres, 0).topk(2, dim=-1).values
    by_bones = torch.where(longest[:, 1] > 0, longest.mean(dim=-1), longest[:, 0])
    sides = (target.boxes[:, 2:] - target.boxes[:, :2]).amax(dim=-1)
    scale = torch.maximum(by_bones, sides / (1.1 * shapes.heights))
    labelled = (target.visibility > 0).float()[..., None]
    number = labelled.sum(dim=1).clamp(min=1)
    boxed = (target.boxes[:, :2] + target.boxes[:, 2:]) / 2
    middle = torch.where(labelled.sum(dim=1) > 0, (target.points * labelled).sum(dim=1) / number, boxed)
    centred = (rest * labelled).sum(dim=1) / number  # the same joints on the body
    middle = middle + torch.stack((torch.zeros(count), centred[:, 2] * scale), dim=-1)
    place = (middle - boxed) / target.size[:, None]
    depth = (target.focal / scale).log()[:, None]
    return torch.cat((mean, torch.zeros(count, 3), place, depth), dim=-1).T
