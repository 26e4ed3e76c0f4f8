"""The loss of bodies against 2-D keypoints that `fit` minimises. Pure torch, with the batch as the last dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize, one_hot

from votepose.skeleton import BODY_SHARE, COCO_17
from votepose.synth.body import Body, Shapes
from votepose.synth.fit_target import Target
from votepose.synth.rig import (
    FACING,
    LIMITS,
    NAMES,
    PRIOR,
    axis_rotation,
    chain,
    joint_of,
    joint_turns,
    product,
    rotation_vector,
)


@dataclass(frozen=True)
class FitWeights:
    """Weights of the loss's terms; each term is approximately a negative log-likelihood.

    Attributes:
        keypoints: labelled joints, in COCO's sigmas. angles: the prior. upright: trunk upright, feet below it.
        box: the body extends to the box's sides. face: the direction of the head. trunk: arms stay outside the trunk.
    """

    keypoints: float = 2.5
    angles: float = 1.0
    upright: float = 1.5
    box: float = 0.3
    face: float = 8.0
    trunk: float = 8.0


class FitLoss:
    """The loss of M bodies against M targets, as a function of the state (D + 6, M).

    The state is unbounded: D numbers that a sigmoid maps to the limits of the angles, a rotation vector in camera axes
        in addition to the initial yaw, the position of the hips in the image (from the box's centre, in sizes), and the
        log of the depth. The batch is the last dimension throughout, as in rig.joint_turns.
    """

    def __init__(self, body: Body, shapes: Shapes, target: Target, yaws: torch.Tensor, weights: FitWeights) -> None:
        self.weights, self.target, self.parents = weights, target, body.parents
        self.heads, self.elbow_axes = (a.permute(2, 1, 0).contiguous() for a in (shapes.heads, shapes.elbow_axes))
        self.heights = shapes.heights
        self.base = product(torch.as_tensor(FACING)[..., None].expand(3, 3, len(yaws)), axis_rotation(2, yaws))
        self.low, self.high = torch.tensor(LIMITS)[..., None].unbind(1)
        self.mean, self.spread = torch.tensor(PRIOR)[..., None].unbind(1)
        self.hips, self.knees = (
            torch.tensor([NAMES.index(f"{joint}_{side}.x") for side in ("left", "right")]) for joint in ("hip", "knee")
        )
        self.points = target.points.permute(2, 1, 0).contiguous()
        self.labelled = (target.visibility > 0).float().T
        self.tolerance = torch.tensor(COCO_17.sigmas)[:, None] * target.size * math.sqrt(BODY_SHARE)  # (17, M) pixels
        self.sides = target.boxes.T
        self.up = target.up.T
        level = self.up.new_tensor([0, 0, 1])[:, None] - self.up[2] * self.up
        self.ahead = normalize(level, dim=0)  # viewing direction along the floor
        self.middle = (self.sides[:2] + self.sides[2:]) / 2
        self.face = _FaceHints(target.visibility.T)
        self.head, self.chest = body.bones.index("head"), body.bones.index("spine02")
        self.joint_of = torch.tensor(joint_of(body.bones))
        # The (keypoint, bone) pairs with nonzero weight, and the matrix that sums them by keypoint.
        which, self.pair_bone = (shapes.moments.abs().amax(dim=(0, 3)) > 1e-6).nonzero().unbind(-1)
        self.moments = shapes.moments[:, which, self.pair_bone].permute(2, 1, 0).contiguous()
        self.sum_pairs = one_hot(which, len(COCO_17)).float().T

    def place(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """State -> angles (D, M), orientation (3, 3, M), translation (3, M)."""
        free, turn, place, depth = state.split([len(LIMITS), 3, 2, 1])
        angles = self.low + (self.high - self.low) * free.sigmoid()
        ray = (self.middle + place * self.target.size - self.target.centre.T) / self.target.focal
        translation = torch.cat((ray, torch.ones_like(depth))) * depth.exp()
        return angles, product(rotation_vector(turn), self.base), translation

    def joints(self, angles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(D, M) -> (3, 17, M) keypoints in the body's axes, (3, 4, B, M) maps of the bones."""
        turns = joint_turns(angles, self.elbow_axes)
        still = torch.eye(3)[..., None, None].expand(3, 3, 1, angles.shape[1])
        maps = chain(torch.cat((turns, still), dim=2)[:, :, self.joint_of], self.heads, self.parents)
        return self.sum_pairs @ (maps[:, :, self.pair_bone] * self.moments).sum(dim=1), maps

    def __call__(self, state: torch.Tensor) -> torch.Tensor:
        """(M,) negative log-likelihood of the body, up to a constant."""
        angles, orientation, translation = self.place(state)
        joints, maps = self.joints(angles)
        points = product(orientation, joints) + translation[:, None]
        pixels = self._project(points)
        weights = self.weights
        return (
            weights.keypoints * self._keypoints(pixels)
            + weights.angles * self._angles(angles)
            + weights.upright * self._upright(orientation, joints)
            + weights.box * self._box(pixels, translation[2])
            + weights.face * self.face.loss(product(orientation, maps[:, :3, self.head]), points[:, :5].mean(dim=1))
            + weights.trunk * self._trunk(joints, maps[:, :, self.chest])
        )

    def pixels(self, state: torch.Tensor) -> torch.Tensor:
        """(2, 17, M) keypoints projected into the image."""
        angles, orientation, translation = self.place(state)
        return self._project(product(orientation, self.joints(angles)[0]) + translation[:, None])

    def _project(self, points: torch.Tensor) -> torch.Tensor:
        """(3, K, M) metres -> (2, K, M) pixels. Points behind the camera are treated as just in front of it."""
        return points[:2] / points[2].clamp(min=0.05) * self.target.focal + self.target.centre.T[:, None]

    def _keypoints(self, pixels: torch.Tensor) -> torch.Tensor:
        away = (pixels - self.points).square().sum(dim=0).add(1e-6).sqrt() / self.tolerance
        return (_robust(away, 3.0) * self.labelled).sum(dim=0)

    def _angles(self, angles: torch.Tensor) -> torch.Tensor:
        """The prior of the angles; knees tend to bend with hips, as on a chair, and both hips tend to bend equally."""
        hips = angles[self.hips]
        bent = 0.8 * (-hips - math.radians(15)).clamp(min=0)
        expected = self.mean.expand_as(angles).index_add(0, self.knees, bent)
        usual = _robust((angles - expected) / self.spread, 2.0).sum(dim=0)
        return usual + _robust((hips[0] - hips[1]) / math.radians(35), 1.5)

    def _upright(self, orientation: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
        """Trunk and hips aligned with the world's up direction, and the feet, in depth, below the middle of the trunk.

        Without it people would lean towards the camera, which hardly changes the image."""
        shoulders, hips, ankles = (joints[:, pair].mean(dim=1) for pair in (slice(5, 7), slice(11, 13), slice(15, 17)))
        up = normalize(shoulders - hips, dim=0)
        axes = torch.stack((up, ((shoulders + hips) / 2 - ankles) / self.heights), dim=1)
        line, feet = product(orientation, axes).unbind(1)
        lean = torch.stack((orientation[:, 2], line), dim=1) - self.up[:, None]
        leans = _robust(lean.square().sum(dim=0).add(1e-8).sqrt() / math.radians(10), 1.5).sum(dim=0)
        off = ((feet * self.ahead).sum(dim=0) / 0.08).square()
        return leans + 3 * off / (6 + off)  # bounded by 3, since the feet of sitting people may be anywhere

    def _box(self, pixels: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
        """The body extends to all four sides of its box, and rarely beyond, except at the image's edge."""
        flesh = 0.05 * self.heights * self.target.focal / depth  # around the joints
        outermost = torch.cat((pixels.amin(dim=1) - flesh, -pixels.amax(dim=1) - flesh))
        side = self.sides * self.sides.new_tensor([1, 1, -1, -1])[:, None]
        missing = (outermost - side) / (0.06 * self.target.size)  # positive if it falls short, negative if beyond
        beyond = torch.where(self.target.cut.T, 0.0, 0.5) * missing.clamp(max=0)
        return _robust(missing.clamp(min=0) + beyond, 2.0).sum(dim=0)

    def _trunk(self, joints: torch.Tensor, chest: torch.Tensor) -> torch.Tensor:
        """Elbows and wrists stay outside the trunk, modelled as an ellipsoid around the chest."""
        arms = joints[:, 7:11]
        arms = torch.cat((arms, (arms[:, :2] + arms[:, 2:]) / 2), dim=1)
        local = product(chest[:, :3].transpose(0, 1), arms - chest[:, None, 3])  # in the axes of the rest pose
        shape = self.heights / 1.7
        middle, radii = local.new_tensor([[0, -0.02, 0.27], [0.19, 0.15, 0.33]])[..., None, None]
        inside = (local / shape - middle) / radii
        return (1 - inside.square().sum(dim=0)).clamp(min=0).sum(dim=0)


class _FaceHints:
    """The head's direction, inferred from the visible face keypoints: a nose is not visible from behind."""

    def __init__(self, visibility: torch.Tensor) -> None:
        face = visibility[:5]
        # The directions that nose, left eye, right eye, left ear and right ear face at rest.
        self.normals = torch.tensor([[0, -1, 0], [0.5, -0.87, 0], [-0.5, -0.87, 0], [1, 0, 0], [-1, 0, 0]]).T
        has_face = (face > 0).any(dim=0)
        self.seen = (face == 2).float()
        self.unseen = ((face == 0) & has_face).float()

    def loss(self, head: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """(3, 3, M) rotation of the head, (3, M) its position, both in camera axes -> (M,)."""
        view = normalize(place, dim=0)
        seen_from = (head * view[:, None]).sum(dim=0)  # the line of sight in the head's axes
        away = (self.normals[..., None] * seen_from[:, None]).sum(dim=0)
        wrong = self.seen * (away - 0.2).clamp(min=0) + self.unseen * (-away - 0.4).clamp(min=0)
        return wrong.sum(dim=0)


def _robust(x: torch.Tensor, width: float) -> torch.Tensor:
    """x^2 / 2 near 0, width |x| far away (Charbonnier)."""
    return width**2 * ((1 + (x / width).square()).sqrt() - 1)
