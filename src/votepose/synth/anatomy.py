"""Body coordinates of each vertex, which determine the extent of clothes and hair."""

from __future__ import annotations

import numpy as np

from votepose.skeleton import COCO_17
from votepose.synth.body import Body

_K = {name: k for k, name in enumerate(COCO_17.names)}
_NOT_THERE = -0.5  # arm coordinate of vertices that are not on an arm, leg coordinate of those not on a leg
_HEAD = np.array([0.0, -0.040, 0.700])  # between the ears of the average adult, metres at rest


def body_coordinates(body: Body) -> np.ndarray:
    """(V, 4) float32, the same for all bodies, since they share the mesh topology:

    0. arm: 0 at the shoulder, 0.5 at the elbow, 1 at the wrist, more on the hand; below 0 off the arms.
    1. leg: 0 at the hip, 0.5 at the knee, 1 at the ankle, 1.2 under the sole; below 0 off the legs.
    2. trunk: 0 at the hips, 1 at the neck's base, more on the head; on an arm 0.8, on a leg below 0.
    3. hair: above 0 on the scalp, rising towards the crown and the back; below 0 elsewhere.
    """
    rest, weights = body.rest, body.weights.numpy()
    joints = _joints(body)
    share = {
        name: weights[:, [k for k, bone in enumerate(body.bones) if bone.startswith(bones)]].sum(axis=1)
        for name, bones in (
            ("arm", ("upperarm", "lowerarm")),
            ("leg", ("upperleg", "lowerleg", "foot")),
            ("foot", ("foot",)),
            ("head", ("head", "neck03")),
        )
    }
    arm = _along(rest, joints, ("shoulder", "elbow", "wrist"))
    leg = _along(rest, joints, ("hip", "knee", "ankle"))
    hips, neck = joints["left_hip"][2], joints["left_shoulder"][2] + 0.055
    trunk = (rest[:, 2] - hips) / (neck - hips)
    ankle = joints["left_ankle"][2]
    sole = 1 + 0.2 * (ankle - rest[:, 2]) / (ankle - rest[:, 2].min())
    leg = np.where(share["foot"] > 0.5, np.maximum(leg, sole), leg)
    arm = share["arm"] * arm + (1 - share["arm"]) * _NOT_THERE
    leg = np.where(share["leg"] > 0.02, leg, _NOT_THERE)
    trunk = np.where(share["arm"] > 0.5, 0.8, trunk)
    return np.stack([arm, leg, trunk, _scalp(rest, share["head"])], axis=1).astype(np.float32)


def _joints(body: Body) -> dict[str, np.ndarray]:
    shapes = body.shapes(np.full((1, len(body.phenotypes)), 0.5))
    points = shapes.moments[0, :, :, :3].sum(dim=1).numpy()
    return {name: points[k] for name, k in _K.items()}


def _along(rest: np.ndarray, joints: dict[str, np.ndarray], names: tuple[str, str, str]) -> np.ndarray:
    """The position of each vertex along a limb of two bones, on its own side of the body."""
    left = rest[:, :1] > 0
    start, middle, end = (np.where(left, joints[f"left_{n}"], joints[f"right_{n}"]) for n in names)
    upper = _share(rest, start, middle)
    lower = _share(rest, middle, end)
    on_upper = np.linalg.norm(rest - (start + np.clip(upper, 0, 1)[:, None] * (middle - start)), axis=1)
    on_lower = np.linalg.norm(rest - (middle + np.clip(lower, 0, 2)[:, None] * (end - middle)), axis=1)
    return np.where(on_upper < on_lower, 0.5 * np.minimum(upper, 1), 0.5 + 0.5 * np.maximum(lower, 0))


def _share(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    way = end - start
    return ((points - start) * way).sum(axis=1) / (way * way).sum(axis=1)


def _scalp(rest: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Height above a slanted plane from the brow to the nape, above which hair grows."""
    offset = rest - _HEAD
    slanted = offset[:, 2] + 0.75 * offset[:, 1] - 0.012
    ears = np.maximum(0, 1 - np.linalg.norm((np.abs(rest) - [0.078, 0.030, 0.685]) / [0.02, 0.028, 0.04], axis=1))
    return np.where(head > 0.5, np.clip(slanted - 0.10 * ears, -0.1, 0.2), -0.1)
