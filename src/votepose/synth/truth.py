"""Computes COCO annotations of a generated image: visibility of keypoints, boxes, areas, depth order."""

from __future__ import annotations

from typing import Any

import numpy as np

from votepose.synth.cast import Camera
from votepose.synth.figures import Figure
from votepose.synth.render import BACKGROUND, Renderer, Rendering

# In metres, for an adult: maximum distance from a visible joint to the surface in front of it.
_REACH = np.array(
    [0.04] + [0.032] * 2 + [0.055] * 2 + [0.14] * 2 + [0.10] * 2 + [0.09] * 2 + [0.19] * 2 + [0.12] * 2 + [0.11] * 2
)
_LEAST_AREA = 24  # minimum visible area of a labelled person, in pixels
_LEAST_SHARE = 0.03  # minimum visible share of a labelled person within the image


def annotate(
    figures: list[Figure], sizes: np.ndarray, picture: Rendering, renderer: Renderer, camera: Camera
) -> list[dict[str, Any]]:
    """COCO annotations of the people in an image, nearest first; the caller adds `id` and `image_id`.

    Additional fields: `depth` (metres), and `hidden`, the share of the person within the image that is occluded.
    People who are hardly visible become ignore regions (without keypoints); invisible people are left out.

    Args:
        sizes: (N,) size of each body relative to an average adult.
    """
    found = []
    for k in np.argsort([figure.keypoints[:, 2].mean() for figure in figures], kind="stable"):
        ys, xs = np.nonzero(picture.owner == k)
        if not len(xs):
            continue
        hidden = _hidden_share(figures[k], int(k), picture, camera)
        visibility = _visibility(figures[k].keypoints, int(k), float(sizes[k]), renderer, camera)
        is_labelled = len(xs) >= _LEAST_AREA and 1 - hidden >= _LEAST_SHARE and visibility.any()
        visibility = visibility if is_labelled else np.zeros_like(visibility)
        points = camera.project(figures[k].keypoints)
        rows = [
            [round(float(x), 2), round(float(y), 2), int(v)] if v else [0, 0, 0]
            for (x, y), v in zip(points, visibility, strict=True)
        ]
        left, top = int(xs.min()), int(ys.min())
        found.append(
            {
                "category_id": 1,
                "iscrowd": 0,
                "keypoints": [value for row in rows for value in row],
                "num_keypoints": int((visibility > 0).sum()),
                "area": len(xs),
                "bbox": [left, top, int(xs.max()) + 1 - left, int(ys.max()) + 1 - top],
                "depth": round(float(figures[k].keypoints[:, 2].mean()), 3),
                "hidden": round(hidden, 3),
            }
        )
    return found


def _visibility(joints: np.ndarray, person: int, size: float, renderer: Renderer, camera: Camera) -> np.ndarray:
    """(17,) COCO's v. A joint is visible if the first surface on its ray belongs to its person and is near."""
    owner, where = renderer.first_hits(joints)
    near = np.linalg.norm(where - joints, axis=1) < _REACH * size
    points = camera.project(joints)
    inside = (points >= 0).all(axis=1) & (points < (camera.width, camera.height)).all(axis=1) & (joints[:, 2] > 0.05)
    return np.where(inside, np.where((owner == person) & near, 2, 1), 0)


def _hidden_share(figure: Figure, person: int, picture: Rendering, camera: Camera) -> float:
    """The share of a person's camera-facing side, within the image, that other people or objects hide.

    Measured on the vertices that face the camera, each weighted by the image area around it.
    """
    points, normals = figure.stage.points, figure.stage.normals
    facing = -(normals * points).sum(axis=1) / np.linalg.norm(points, axis=1)
    pixels = np.floor(np.clip(camera.project(points), -1e6, 1e6)).astype(int)
    height, width = picture.depth.shape
    inside = (facing > 0.1) & (points[:, 2] > 0.05) & ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    if not inside.any():
        return 0.0
    cells = pixels[inside] // 2 @ [width, 1]  # each part of the image counts once, independent of the mesh density
    chosen = np.flatnonzero(inside)[np.unique(cells, return_index=True)[1]]
    column, row = pixels[chosen].T
    owner = picture.owner[row, column]
    other = (owner != BACKGROUND) & (owner != person) & (picture.depth[row, column] < points[chosen, 2])
    return float(other.mean())
