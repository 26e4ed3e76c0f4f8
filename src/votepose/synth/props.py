"""Objects in front of people: boxes, poles, balls and walls, which occlude people like tables, cars or counters."""

from __future__ import annotations

import numpy as np

from votepose.synth.cast import Camera
from votepose.synth.dress import random_look
from votepose.synth.shading import PLAIN
from votepose.synth.solids import rounded_box, tube, vertex_normals
from votepose.synth.stage import Stage


def random_prop(camera: Camera, joints: np.ndarray, cover: float, rng: np.random.Generator) -> Stage:
    """An object that hides about `cover` of a person from below, from a side or in the middle.

    Args:
        joints: (17, 3) joints of the person, in metres in camera axes. cover: share of the height or width to hide.
    """
    low, high = camera.project(joints).min(axis=0), camera.project(joints).max(axis=0)
    low = low - 0.08 * (high - low)[::-1].max()  # hair and feet extend beyond the joints
    depth = max(float(joints[:, 2].min()) * rng.uniform(0.75, 0.93), 0.3)
    side = rng.choice(["below", "left", "right", "bar"], p=[0.55, 0.15, 0.15, 0.15])
    width, height = np.maximum(high - low, 4)
    left, top, right, bottom = low[0] - width, low[1] - 0.2 * height, high[0] + width, high[1] + 0.4 * height
    if side == "below":
        left, right = low[0] - rng.uniform(0, 1) * width, high[0] + rng.uniform(0, 1) * width
        top = high[1] - cover * height
    elif side == "left":
        left, right = low[0] - rng.uniform(0.2, 0.6) * width, low[0] + cover * width
    elif side == "right":
        left, right = high[0] - cover * width, high[0] + rng.uniform(0.2, 0.6) * width
    else:
        top = rng.uniform(low[1] + 0.2 * height, max(high[1] - cover * height, low[1] + 0.2 * height + 1))
        bottom = top + cover * height
    box = left, top, right, bottom
    return _solid(camera, box, depth, rng)


def _solid(camera: Camera, box: tuple[float, float, float, float], depth: float, rng: np.random.Generator) -> Stage:
    """A solid whose outline approximately fills `box` (left, top, right, bottom pixels) at `depth` metres."""
    left, top = (np.array(box[:2]) - camera.centre) * depth / camera.focal
    right, bottom = (np.array(box[2:]) - camera.centre) * depth / camera.focal
    half = (right - left) / 2, 0.06 * depth, (bottom - top) / 2
    if rng.random() < 0.25 and half[0] < half[2]:
        points, faces = tube(half[0], 2 * half[2], taper=float(rng.uniform(0.6, 1.0)))
        points = points - (0, 0, half[2])
    else:
        points, faces = rounded_box(half, roundness=float(rng.choice([0.15, 0.3, 1.0], p=[0.6, 0.25, 0.15])))
    angle = rng.normal(0, 0.25)
    c, s = np.cos(angle), np.sin(angle)
    turned = points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    middle = np.array([(left + right) / 2, (top + bottom) / 2, depth])
    seen = turned[:, [0, 2, 1]] * (1, -1, 1) + middle
    rests = points * (0.5 / max(half))  # patterns are about as large as on clothes
    material = random_look(rng, 0.0, 0.7).material
    return Stage(
        seen.astype(np.float32),
        vertex_normals(seen, faces),
        np.zeros((len(points), 4), np.float32),
        rests.astype(np.float32),
        faces,
        np.zeros(len(faces), np.int32),
        np.full(len(faces), PLAIN, np.int32),
        material[None],
    )
