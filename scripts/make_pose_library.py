"""Create src/votepose/synth/poses.npz: poses fitted to well-labelled people, 1,000 common and 1,000 varied.

python scripts/make_pose_library.py ../shared/data/coco-layouts/train2017.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from votepose.io.files import replacing
from votepose.synth.body import Body
from votepose.synth.fit import Fit, fit
from votepose.synth.fit_loss import FACING
from votepose.synth.layouts import Layouts
from votepose.synth.pose_library import KINDS
from votepose.synth.rig import NAMES, PRIOR

KEPT = 2000
OUT = Path(__file__).parents[1] / "src/votepose/synth/poses.npz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layouts", type=Path)
    parser.add_argument("--fitted", type=int, default=8000, help="number of people to fit a body to")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    layouts, body = Layouts.load(arguments.layouts), Body()
    rows = well_labelled(layouts)
    rows = rng.choice(rows, min(arguments.fitted, len(rows)), replace=False)
    frames = np.repeat(layouts.sizes, np.diff(layouts.offsets), axis=0)[rows]
    with torch.no_grad():
        shapes = body.shapes(np.full((1, len(body.phenotypes)), 0.5))[torch.zeros(len(rows), dtype=torch.long)]
    found = fit(
        body, shapes, layouts.keypoints[rows], layouts.boxes[rows], 1.2 * frames.max(axis=1), frames / 2, frames
    )
    turns = without_yaw(found.orientation.numpy())
    joints = torch.einsum("nxy,nky->nkx", torch.tensor(turns), body.keypoints(shapes, body.maps(shapes, found.angles)))
    good = plausible(found, turns)
    print(f"{len(rows)} fitted, {good.sum()} of them plausible")
    chosen = np.flatnonzero(good)[choose(joints.numpy()[good], rng)]
    kind = kinds(found.angles.numpy()[chosen], turns[chosen], joints.numpy()[chosen])
    print({name: int((kind == k).sum()) for k, name in enumerate(KINDS)})
    with replacing(arguments.out) as temporary:
        np.savez_compressed(
            temporary,
            angles=found.angles.numpy()[chosen].astype(np.float16),
            orientation=turns[chosen].astype(np.float16),
            kind=kind,
        )
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")


def well_labelled(layouts: Layouts) -> np.ndarray:
    """Rows of people at least 100 pixels long, inside the image, with all 12 joints below the head labelled."""
    near, sides = layouts.boxes[:, :2], layouts.boxes[:, 2:]
    frames = np.repeat(layouts.sizes, np.diff(layouts.offsets), axis=0)
    whole = np.all((near > 0.01 * frames) & (near + sides < 0.99 * frames), axis=1)
    labelled = (layouts.keypoints[:, 5:, 2] > 0).all(axis=1) & ((layouts.keypoints[..., 2] == 2).sum(axis=1) >= 11)
    return np.flatnonzero(whole & labelled & (sides.max(axis=1) >= 100))


def without_yaw(orientation: np.ndarray) -> np.ndarray:
    """(N, 3, 3) body to camera -> body to world, without the rotation about the vertical axis (swing-twist)."""
    world = FACING.T @ orientation
    yaw = np.arctan2(world[:, 1, 0] - world[:, 0, 1], world[:, 0, 0] + world[:, 1, 1])
    back = np.zeros_like(world)
    back[:, 0, 0] = back[:, 1, 1] = np.cos(yaw)
    back[:, 0, 1], back[:, 1, 0] = np.sin(yaw), -np.sin(yaw)
    back[:, 2, 2] = 1
    return back @ world


def plausible(found: Fit, turns: np.ndarray) -> np.ndarray:
    """(N,) bool: whether the fit is close, few joint angles are unusual, and the body is not upside down."""
    mean, spread = PRIOR.T
    strain = np.minimum(np.abs((found.angles.numpy() - mean) / spread), 6).mean(axis=1)
    error = found.error.numpy()
    return (error < np.quantile(error, 0.8)) & (strain < np.quantile(strain, 0.95)) & (turns[:, 2, 2] > -0.3)


def choose(joints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose KEPT of (N, 17, 3) keypoints: half at random (by natural frequency), half by farthest-point sampling."""
    shape = (joints - joints[:, 11:13].mean(axis=1, keepdims=True)).reshape(len(joints), -1)
    chosen = list(rng.choice(len(joints), KEPT // 2, replace=False))
    nearest = np.full(len(joints), np.inf)
    for k in chosen:
        nearest = np.minimum(nearest, np.square(shape - shape[k]).sum(axis=1))
    while len(chosen) < KEPT:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.square(shape - shape[chosen[-1]]).sum(axis=1))
    return np.sort(chosen)


def kinds(angles: np.ndarray, turns: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(P,) int8 index into KINDS: the first that applies of lying, sitting, bending, reaching, striding, standing."""
    trunk = joints[:, 5:7].mean(axis=1) - joints[:, 11:13].mean(axis=1)
    lean = np.degrees(np.arccos(trunk[:, 2] / np.linalg.norm(trunk, axis=1)))
    left, right = (np.degrees(angles[:, NAMES.index(f"hip_{side}.x")]) for side in ("left", "right"))
    rules = {
        "lying": (lean > 60) & (joints[:, 13:, 2].min(axis=1) > -0.45),
        "sitting": (np.maximum(left, right) < -45) & (lean < 60),
        "bending": lean > 30,
        "reaching": joints[:, 9:11, 2].max(axis=1) > joints[:, 0, 2],
        "striding": np.abs(left - right) > 30,
        "standing": np.ones(len(angles), bool),
    }
    return np.select(list(rules.values()), [KINDS.index(name) for name in rules]).astype(np.int8)


if __name__ == "__main__":
    main()
