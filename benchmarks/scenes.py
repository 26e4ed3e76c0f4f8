"""Creates synthetic people and the input of each grouping method: rendered maps, or votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter

from votepose.grouping import GroupingConfig
from votepose.skeleton import COCO_17

SIDE = 192  # in cells: the map of a 768-pixel input at stride 4, for any number of people
_BLOCK = 8  # in cells: 32 input pixels
SIGMA = 1.0  # standard deviation of a heatmap's peak, in cells
# A standing person, (x, y) in units of its height, from head to feet.
_BODY = np.array(
    [
        [0, 0.05],
        [0.02, 0.03],
        [-0.02, 0.03],
        [0.05, 0.05],
        [-0.05, 0.05],
        [0.12, 0.2],
        [-0.12, 0.2],
        [0.17, 0.35],
        [-0.17, 0.35],
        [0.2, 0.5],
        [-0.2, 0.5],
        [0.08, 0.53],
        [-0.08, 0.53],
        [0.1, 0.76],
        [-0.1, 0.76],
        [0.1, 1],
        [-0.1, 1],
    ]
)


@dataclass(frozen=True)
class Scene:
    """Ground truth of one image.

    Attributes:
        people: (P, 17, 2) joints in cells.
        heatmaps: (17, SIDE, SIDE) a Gaussian per joint, for the other methods.
        tags: (17, SIDE, SIDE) the person's number at each joint, with noise: associative embedding's input.
        affinity: (L, 2, SIDE, SIDE) unit vectors along the links: the input of part affinity fields.
        presence: (SIDE, SIDE) the probability of a keypoint: votepose's input.
        owner: (SIDE, SIDE) row of the person whose joint lies on a cell, or -1.
    """

    people: np.ndarray
    heatmaps: np.ndarray
    tags: np.ndarray
    affinity: np.ndarray
    presence: np.ndarray
    owner: np.ndarray


def scene(count: int, seed: int = 0) -> Scene:
    """`count` people of about 10 cells, each in its own square, and the maps rendered from them."""
    rng = np.random.default_rng(seed)
    squares = rng.permutation(15 * 15)[:count]
    corners = np.stack([squares % 15, squares // 15], axis=1) * (SIDE / 15) + 1.5
    heights = rng.uniform(8, 10, (count, 1, 1))
    jitter = rng.normal(0, 0.03, (count, 17, 2))
    people = corners[:, None] + [4, 0] + heights * (_BODY + jitter)
    people = people.clip(0.5, SIDE - 1.5).astype(np.float32)
    maps = np.zeros((3, 17, SIDE, SIDE), np.float32)
    heatmaps, tags = maps[0], maps[1]
    affinity = np.zeros((len(COCO_17.links), 2, SIDE, SIDE), np.float32)
    owner = np.full((SIDE, SIDE), -1)
    presence = np.zeros((SIDE, SIDE), np.float32)
    for row, person in enumerate(people):
        for joint, point in enumerate(person):
            _paint_joint(heatmaps[joint], tags[joint], point, row)
            cell = tuple(np.floor(point).astype(int)[::-1])
            owner[cell], presence[cell] = row, rng.uniform(0.6, 1.0)
        for field, (one, other) in zip(affinity, COCO_17.links, strict=True):
            _paint_limb(field, person[one], person[other])
    tags += rng.normal(0, 0.05, tags.shape).astype(np.float32)
    heatmaps += rng.uniform(0, 0.02, heatmaps.shape).astype(np.float32)
    presence += rng.uniform(0, 0.05, presence.shape).astype(np.float32)
    return Scene(people, heatmaps, tags, affinity, presence, owner)


def peaks(heatmaps: np.ndarray, threshold: float = 0.1) -> list[np.ndarray]:
    """Flat indices of cells in each map (J, h, w) that are above the threshold and the maximum of their 3 x 3 cells."""
    highest = maximum_filter(heatmaps, (1, 3, 3)) == heatmaps
    return [np.flatnonzero(one) for one in (highest & (heatmaps > threshold)).reshape(len(heatmaps), -1)]


def candidates(presence: np.ndarray, config: GroupingConfig) -> np.ndarray:
    """The candidate cells, chosen as in `PoseEstimator`: peaks, the highest of each block first."""
    block = presence.reshape(SIDE // _BLOCK, _BLOCK, SIDE // _BLOCK, _BLOCK).max(axis=(1, 3))
    first = presence == np.kron(block, np.ones((_BLOCK, _BLOCK), presence.dtype))
    (cells,) = peaks(presence[None], config.presence_threshold)
    rank = presence.reshape(-1)[cells] + first.reshape(-1)[cells]
    chosen = cells[np.argsort(-rank)[: config.candidates]]
    silent = np.zeros(config.candidates - len(chosen), int)  # the graph has a fixed number of candidates
    return np.concatenate([chosen, silent])


def points_of(cells: np.ndarray) -> np.ndarray:
    """Flat cells (n,) -> their centres (n, 2), x first."""
    return np.stack([cells % SIDE, cells // SIDE], axis=1).astype(np.float32) + 0.5


def votes(scene: Scene, cells: np.ndarray, noise: float = 0.3, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The votes of a perfect network with `noise` cells of error at flat cells (Q,): poses (Q, 17, 2), log scales."""
    rng = np.random.default_rng(seed)
    poses = scene.people[scene.owner.reshape(-1)[cells]]  # cells without a person are below the threshold anyway
    poses = poses + rng.normal(0, noise, poses.shape).astype(np.float32)
    return poses, np.full(poses.shape[:2], np.log(noise), np.float32)


def joined(points: list[np.ndarray], people: np.ndarray) -> np.ndarray:
    """People (P, J), the number of the point (n, 2) of each joint or -1 -> (P, J, 2), NaN where there is none."""
    poses = np.full((*people.shape, 2), np.nan)
    for joint, place in enumerate(points):
        known = people[:, joint] >= 0
        poses[known, joint] = place[people[known, joint]]
    return poses


def found(people: np.ndarray, scene: Scene) -> int:
    """Number of the scene's people found in `people` (N, 17, 2; NaN for missing joints), with a mean error below a
    cell."""
    if not len(people):
        return 0
    gaps = np.linalg.norm(people[:, None] - scene.people[None], axis=-1)
    missing = np.isnan(gaps).mean(axis=-1) > 0.5
    mean = np.where(missing, np.inf, np.nanmean(np.where(missing[..., None], 0, gaps), axis=-1))
    return int((mean.min(axis=0) < 1).sum())


def _paint_joint(heatmap: np.ndarray, tag: np.ndarray, point: np.ndarray, value: float) -> None:
    x, y = np.floor(point).astype(int)
    reach = 3
    rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
    grid_y, grid_x = np.mgrid[rows, columns][:, : SIDE - rows.start, : SIDE - columns.start]
    peak = np.exp(-((grid_x + 0.5 - point[0]) ** 2 + (grid_y + 0.5 - point[1]) ** 2) / (2 * SIGMA**2))
    window = heatmap[rows, columns]
    peak = peak[: window.shape[0], : window.shape[1]]
    tag[rows, columns] = np.where(peak > window, value, tag[rows, columns])
    heatmap[rows, columns] = np.maximum(window, peak)


def _paint_limb(field: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
    direction = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    low = np.floor(np.minimum(start, end) - 1).astype(int).clip(0)
    high = np.ceil(np.maximum(start, end) + 2).astype(int).clip(0, SIDE)
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]]
    along = (x + 0.5 - start[0]) * direction[0] + (y + 0.5 - start[1]) * direction[1]
    across = np.abs((x + 0.5 - start[0]) * direction[1] - (y + 0.5 - start[1]) * direction[0])
    inside = (along >= -0.5) & (along <= np.linalg.norm(end - start) + 0.5) & (across <= 1)
    window = field[:, low[1] : high[1], low[0] : high[0]]
    window[:] = np.where(inside, direction[:, None, None], window)
