"""Creates free crowds: people on a floor, with a given number, spacing and occlusion."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from votepose.skeleton import COCO_17
from votepose.synth.body import Body
from votepose.synth.cast import Camera, Cast, random_phenotypes
from votepose.synth.config import CrowdConfig
from votepose.synth.pose_library import PoseLibrary
from votepose.synth.rig import FACING

# metres from each keypoint to the skin below it, on which the body may rest
_PADDING = np.array([0.1] * 5 + [0.06] * 2 + [0.05] * 2 + [0.04] * 2 + [0.11] * 2 + [0.06] * 2 + [0.085] * 2)
_THICKNESS = 0.13  # in metres, of trunk and limbs in the coarse silhouettes
_RASTER = 96  # longest side of the coarse silhouettes, in cells
_DRAWS = 3


def crowd(
    body: Body, poses: PoseLibrary, width: int, height: int, config: CrowdConfig, rng: np.random.Generator
) -> Cast:
    """People on a floor in front of a camera at a random height, tilted so that they are in the image.

    Positions are drawn several times. The draw with the most people in the image is used and, if an occlusion is given,
    the closest to it; the sideways spread is adjusted accordingly.
    """
    count = int(rng.integers(config.people[0], config.people[1], endpoint=True))
    phenotypes = random_phenotypes(body.phenotypes, count, rng)
    shapes = body.shapes(phenotypes)
    angles, leans = poses.sample(count, rng)
    yaws = np.where(rng.random(count) < 0.5, rng.normal(0, 0.7, count), rng.uniform(-np.pi, np.pi, count))
    upright = FACING @ np.stack([_about_z(yaw) @ lean for yaw, lean in zip(yaws, leans, strict=True)])
    focal = max(width, height) * float(np.exp(rng.uniform(np.log(0.75), np.log(2.4))))
    wanted = config.occlusion if count > 1 else None
    spreads = np.ones(1) if wanted is None else np.geomspace(0.03, 1.5, 10)
    best, least = None, np.inf
    for _ in range(_DRAWS):
        floor = _floor(count, rng)
        aside, depth = _positions(count, width / focal, _nearest(height, focal, count, config, rng), rng)
        aim = rng.normal(0, 0.06)
        for spread in spreads:
            ahead = _kept_apart(aside * spread, depth, config.spacing)
            tilt = float(np.arctan((floor - 0.85) / ahead).mean() + aim * height / focal)
            camera = Camera(width, height, focal, tilt, floor)
            turns, nowhere = camera.turn @ upright, np.zeros((count, 3))
            cast = Cast(camera, phenotypes, shapes, angles, turns, nowhere, np.ones(count))
            cast = _standing(cast, body, aside * spread, ahead)
            joints = cast.keypoints(body)
            cost = 1 - _in_picture(camera, joints).mean()
            if wanted is not None:
                cost = 0.3 * cost + abs(hidden_share(camera, joints) - wanted)
            if cost < least:
                best, least = cast, cost
    assert best is not None
    return best


def _floor(count: int, rng: np.random.Generator) -> float:
    """Metres from the camera down to the floor: mostly a photographer's height, higher for crowds."""
    if count > 8:
        return float(rng.uniform(1.5, 6))
    return float(rng.uniform(0.9, 1.9) if rng.random() < 0.7 else rng.uniform(0.3, 4.0))


def _nearest(height: int, focal: float, count: int, config: CrowdConfig, rng: np.random.Generator) -> float:
    """Metres to the nearest person: farther for more people."""
    share = rng.uniform(*config.size) / max(1.0, (count / 4) ** 0.4)
    return focal * 1.65 / (height * share)


def _standing(cast: Cast, body: Body, aside: np.ndarray, ahead: np.ndarray) -> Cast:
    """The cast standing on the floor, at these distances in metres to the right of and in front of the level camera."""
    joints = cast.keypoints(body)  # relative to their origins, in camera axes
    rise = -((joints @ cast.camera.up) - _PADDING).min(axis=1)  # height of each origin above the floor
    level = np.stack([aside, cast.camera.floor - rise, ahead], axis=1)
    return replace(cast, places=(level @ cast.camera.turn.T).astype(np.float32))


def _in_picture(camera: Camera, joints: np.ndarray) -> np.ndarray:
    """(N,) share of each person's joints inside the image."""
    points = camera.project(joints)
    return ((points >= 0) & (points < (camera.width, camera.height))).all(axis=-1).mean(axis=1)


def hidden_share(camera: Camera, joints: np.ndarray) -> float:
    """Mean hidden share of (N, 17, 3) people except the nearest, estimated from coarse silhouettes."""
    scale = _RASTER / max(camera.width, camera.height)
    canvas = np.full((round(camera.height * scale), round(camera.width * scale)), -1, np.int16)
    points = camera.project(joints) * scale
    order = np.argsort(-joints[..., 2].mean(axis=1))
    whole = np.zeros(len(joints))
    for k in order:
        thick = max(1, round(_THICKNESS * camera.focal * scale / max(joints[k, :, 2].mean(), 0.1)))
        mask = np.zeros_like(canvas, dtype=np.uint8)
        corners = np.rint(np.clip(points[k], -1e4, 1e4)).astype(np.int32)
        for a, b in COCO_17.links:
            cv2.line(mask, corners[a].tolist(), corners[b].tolist(), 1, thick)
        cv2.fillConvexPoly(mask, corners[[5, 6, 12, 11]], 1)
        whole[k] = mask.sum()
        canvas[mask > 0] = k
    seen = np.array([(canvas == k).sum() for k in range(len(joints))])
    hidden = np.where(whole > 0, 1 - seen / np.maximum(whole, 1), 0.0)
    behind = order[:-1]
    behind = behind[whole[behind] > 0]
    return float(hidden[behind].mean()) if len(behind) else 0.0


def _positions(count: int, view: float, nearest: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(count,) metres to the right of and in front of the level camera, whose view is `view` metres wide at one metre.

    One person stands at `nearest`, the others behind.
    """
    deepest = nearest * (1.3 + 0.12 * count**0.8)
    depth = np.append(nearest, rng.uniform(nearest, deepest, count - 1))
    return rng.uniform(-0.4, 0.4, count) * view * depth, depth


def _kept_apart(aside: np.ndarray, depth: np.ndarray, spacing: float) -> np.ndarray:
    """(N,) depths, increased for people who would stand closer than `spacing` to someone in front of them."""
    order = np.argsort(depth, kind="stable")
    depth = depth.copy()
    for rank, k in enumerate(order):
        before = order[:rank]
        reach = np.sqrt(np.maximum(spacing**2 - (aside[before] - aside[k]) ** 2, 0))
        for other, room in sorted(zip(depth[before], reach, strict=True)):
            if room and abs(depth[k] - other) < room:
                depth[k] = other + room
    return depth


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)
