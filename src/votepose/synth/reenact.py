"""Re-enacts real images: people at the same positions, with the same truncation and overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from votepose.synth.body import Body
from votepose.synth.cast import Camera, Cast, random_phenotypes
from votepose.synth.fit import fit
from votepose.synth.layouts import Layout

_GAP = 0.45  # in metres, for an average body: distance between people who overlap in the image


def reenact(body: Body, layouts: Sequence[Layout], rngs: Sequence[np.random.Generator]) -> list[Cast]:
    """One cast per layout. All people are fitted in one batch; each layout has its own random generator."""
    if not layouts:
        return []
    cameras, phenotypes = [], []
    for layout, rng in zip(layouts, rngs, strict=True):
        focal = max(layout.width, layout.height) * float(np.exp(rng.uniform(np.log(0.8), np.log(2.5))))
        cameras.append(Camera(layout.width, layout.height, focal, tilt=float(rng.uniform(0, 0.25)), floor=1.5))
        phenotypes.append(random_phenotypes(body.phenotypes, len(layout), rng))
    counts = [len(layout) for layout in layouts]
    found = fit(
        body,
        body.shapes(np.concatenate(phenotypes)),
        np.concatenate([layout.keypoints for layout in layouts]),
        np.concatenate([layout.boxes for layout in layouts]),
        np.repeat([c.focal for c in cameras], counts),
        np.repeat([c.centre for c in cameras], counts, axis=0),
        np.repeat([(c.width, c.height) for c in cameras], counts, axis=0),
        np.repeat([c.up for c in cameras], counts, axis=0),
    )
    angles, turns, places = found.angles.numpy(), found.orientation.numpy(), found.translation.numpy()
    casts, first = [], 0
    for layout, camera, shape in zip(layouts, cameras, phenotypes, strict=True):
        rows = slice(first, first + len(layout))
        scales = _apart(places[rows], layout)
        moved = places[rows] * scales[:, None]
        cast = Cast(camera, shape, body.shapes(shape), angles[rows], turns[rows], moved, scales)
        casts.append(_on_floor(cast, body))
        first += len(layout)
    return casts


def _apart(places: np.ndarray, layout: Layout) -> np.ndarray:
    """(N,) factors to move people away and enlarge them, which does not change the image.

    People of similar size who overlap in the image would intersect. Of two people, the one with hidden joints (COCO's v
    = 1) is moved behind the other.
    """
    hidden = (layout.keypoints[..., 2] == 1).sum(axis=1) - (layout.keypoints[..., 2] == 2).sum(axis=1)
    depths = places[:, 2]
    order = np.argsort(depths + 0.02 * depths * np.clip(hidden, -8, 8), kind="stable")
    scales = np.ones(len(places), np.float32)
    for rank, k in enumerate(order):
        for other in order[:rank]:
            if _overlap(layout.boxes[k], layout.boxes[other]):
                wanted = places[other, 2] * scales[other] + _GAP * scales[other]
                scales[k] = max(scales[k], wanted / max(places[k, 2], 1e-3))
    return scales


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[0] < b[0] + b[2]) & (b[0] < a[0] + a[2]) & (a[1] < b[1] + b[3]) & (b[1] < a[1] + a[3]))


def _on_floor(cast: Cast, body: Body) -> Cast:
    """The cast with the floor at the lowest foot, so that shadows are plausible."""
    keypoints = cast.keypoints(body)
    low = (keypoints @ cast.camera.up).min(axis=1)
    nearest = cast.places[:, 2].argmin()
    floor = float(np.clip(-low[nearest] + 0.09, 0.3, 6))
    return replace(cast, camera=replace(cast.camera, floor=floor))
