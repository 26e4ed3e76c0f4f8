"""Measures tracking and smoothing on videos with ground truth: python benchmarks/tracking.py

Drawn people walk back and forth in front of and behind each other; others stand still. The network's output is
simulated from the ground truth: keypoints with noise in proportion to their OKS tolerance (more where they are hidden),
some thrown far off, people missed (all who are mostly hidden, and others for a few frames), false detections, in a
random order of scores. So the result does not depend on a network and is reproducible: `benchmarks/tracking.json`.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from votepose.data.toy import draw_figure
from votepose.poses import Poses
from votepose.skeleton import COCO_17
from votepose.utils.assignment import assign
from votepose.video.one_euro import Smoothing
from votepose.video.tracker import Tracker, Tracking
from votepose.video.writer import VideoWriter
from votepose.visualization.draw import draw

WIDTH, HEIGHT, RATE, SECONDS = 854, 480, 25, 16
MOST_HIDDEN = 0.3  # people with a smaller share of visible joints are never detected
_K = {name: k for k, name in enumerate(COCO_17.names)}
Frames = list[Poses]


@dataclass(frozen=True)
class Trouble:
    """The noise in the poses given to the tracker.

    Attributes:
        noise: standard deviation of a visible keypoint, in units of its OKS sigma times the square root of the body's
            area; three times that for a hidden keypoint.
        missed: probability per frame that a person starts to be missed, for 1 to 8 frames.
        thrown: probability that a keypoint is displaced to anywhere within 0.2 body heights.
        invented: probability per frame of a false detection.
    """

    noise: float
    missed: float
    thrown: float
    invented: float


TROUBLES = {"light": Trouble(0.3, 0.01, 0.0, 0.0), "heavy": Trouble(0.8, 0.04, 0.02, 0.03)}


@dataclass(frozen=True)
class Truth:
    """A video. keypoints (T, N, K, 2) in pixels; visible (T, N, K) bool; heights (N,) in pixels; still (N,) bool."""

    keypoints: np.ndarray
    visible: np.ndarray
    heights: np.ndarray
    still: np.ndarray
    pictures: list[np.ndarray]


def make_truth(people: int, seed: int, keep_pictures: bool) -> Truth:
    """Two of three people walk back and forth, each at a different speed; nearer people are larger and hide others."""
    random = np.random.default_rng(seed)
    frames = RATE * SECONDS
    heights = np.sort(random.uniform(0.4, 0.7, people)) * HEIGHT
    still = np.arange(people) % 3 == 2
    middles, reach = random.uniform(0.35, 0.65, people) * WIDTH, random.uniform(0.2, 0.32, people) * WIDTH
    seconds, phases = random.uniform(4, 9, people), random.uniform(0, 2 * np.pi, people)
    middles[still] = random.uniform(0.15, 0.85, still.sum()) * WIDTH
    keypoints = np.zeros((frames, people, 17, 2))
    visible = np.zeros((frames, people, 17), bool)
    pictures = []
    for frame in range(frames):
        when = frame / RATE
        for n in range(people):
            walk = 0.0 if still[n] else 1.0
            x = middles[n] + walk * reach[n] * np.sin(2 * np.pi * when / seconds[n] + phases[n])
            foot = HEIGHT * 0.55 + 0.42 * heights[n]
            keypoints[frame, n] = _body(walk * (6.0 * when + phases[n]), walk) * heights[n] + (
                x,
                foot - 0.5 * heights[n],
            )
        picture, visible[frame] = _draw(keypoints[frame], seed)
        pictures += [picture] if keep_pictures else []
    return Truth(keypoints, visible, heights, still, pictures)


def _body(phase: float, stride: float) -> np.ndarray:
    """(17, 2): a body of height 1 with arms and legs swung by `stride`; the feet are about 0.47 below the hips."""
    points = np.zeros((17, 2))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        swing = stride * np.sin(phase + (0 if sign > 0 else np.pi))
        shoulder, hip = np.array([0.11 * sign, -0.28]), np.array([0.08 * sign, 0.0])
        for start, angle, bend, upper, lower, names in (
            (shoulder, 0.25 * sign - 0.5 * swing, 0.3 * stride, 0.17, 0.15, ("shoulder", "elbow", "wrist")),
            (hip, 0.08 * sign + 0.45 * swing, -0.35 * stride * max(0.0, -swing), 0.24, 0.23, ("hip", "knee", "ankle")),
        ):
            middle = start + upper * np.array([np.sin(angle), np.cos(angle)])
            end = middle + lower * np.array([np.sin(angle + bend), np.cos(angle + bend)])
            for name, point in zip(names, (start, middle, end), strict=True):
                points[_K[f"{side}_{name}"]] = point
        points[_K[f"{side}_eye"]] = (0.025 * sign, -0.44)
        points[_K[f"{side}_ear"]] = (0.055 * sign, -0.43)
    points[_K["nose"]] = (0, -0.41)
    return points


def _draw(bodies: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The image, in which the last body is nearest, and the joints (N, K) that are not hidden."""
    shade = np.linspace(70, 110, HEIGHT)[:, None, None] * np.array([0.9, 1.0, 1.1])
    picture = np.ascontiguousarray(np.broadcast_to(shade, (HEIGHT, WIDTH, 3)).astype(np.uint8))
    owner = np.full((HEIGHT, WIDTH), -1)
    for n, body in enumerate(bodies):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        draw_figure(picture, mask, body, np.random.default_rng((seed, n)))
        owner[mask > 0] = n
    inside = ((bodies >= 0) & (bodies < (WIDTH, HEIGHT))).all(axis=2)
    column, row = bodies.clip(0, (WIDTH - 1, HEIGHT - 1)).astype(int).transpose(2, 0, 1)
    return picture, inside & (owner[row, column] == np.arange(len(bodies))[:, None])


def perturb(truth: Truth, trouble: Trouble, seed: int) -> tuple[Frames, list[np.ndarray]]:
    """Simulated network output: poses per frame, and the person of each pose (-1: a false detection)."""
    random = np.random.default_rng((seed, 1))
    people = len(truth.heights)
    missing = np.zeros(people, int)
    frames, owners = [], []
    for points, visible in zip(truth.keypoints, truth.visible, strict=True):
        begins = (missing == 0) & (random.random(people) < trouble.missed)
        missing = np.where(begins, random.integers(1, 9, people), np.maximum(missing - 1, 0))
        found = np.flatnonzero((missing == 0) & (visible.mean(axis=1) > MOST_HIDDEN))
        areas = 0.53 * np.ptp(points, axis=1).prod(axis=1)
        widths = trouble.noise * np.asarray(COCO_17.sigmas) * np.sqrt(areas)[:, None] * np.where(visible, 1, 3)
        shaken = points + random.normal(0, 1, points.shape) * widths[..., None]
        thrown = random.random(visible.shape) < trouble.thrown
        far = random.uniform(-0.2, 0.2, points.shape) * truth.heights[:, None, None]
        shaken = np.where(thrown[..., None], points + far, shaken)
        sure = np.where(thrown, 0.35, np.where(visible, 0.85, 0.45)) + random.normal(0, 0.08, visible.shape)
        shaken, sure, whose = shaken[found], sure[found].clip(0.05, 1), found
        if random.random() < trouble.invented:
            ghost = _body(0, 0) * truth.heights.mean() + random.uniform(0.2, 0.8, 2) * (WIDTH, HEIGHT)
            shaken, sure = np.concatenate([shaken, ghost[None]]), np.concatenate([sure, np.full((1, 17), 0.4)])
            whose = np.append(whose, -1)
        order = random.permutation(len(whose))
        scores = np.sort(random.uniform(0.4, 0.95, len(whose)))[::-1]
        frames.append(Poses(shaken[order], sure[order], sure[order] > 0.5, scores, COCO_17, (WIDTH, HEIGHT)))
        owners.append(whose[order])
    return frames, owners


def by_rank(poses: Poses, when: float) -> Poses:
    """No tracking: ids are ranks by score."""
    return replace(poses, ids=np.arange(len(poses)) + 1)


METHODS: dict[str, Callable[[], Callable[[Poses, float], Poses]]] = {
    "no tracking: number by score": lambda: by_rank,
    "last frame only": lambda: Tracker(Tracking(max_gap=1.5 / RATE, momentum=None)),
    "no forecast": lambda: Tracker(Tracking(momentum=None)),
    "no patience": lambda: Tracker(Tracking(max_gap=1.5 / RATE)),
    "tracking": lambda: Tracker(),
    "tracking, One-Euro without confidences": lambda: Tracker(Tracking(smooth=Smoothing(min_confidence=1.0))),
    "tracking, One-Euro": lambda: Tracker(Tracking(smooth=Smoothing())),
}


def measure(
    truth: Truth, frames: Frames, owners: list[np.ndarray], follow: Callable[[Poses, float], Poses]
) -> dict[str, float]:
    """Metrics of one video, see `COLUMNS`."""
    shape = truth.keypoints.shape[:2]
    ids, points = np.zeros(shape, int), np.full(truth.keypoints.shape, np.nan)
    began = time.perf_counter()
    for frame, (poses, whose) in enumerate(zip(frames, owners, strict=True)):
        found = follow(poses, frame / RATE)
        assert found.ids is not None
        real = whose >= 0
        ids[frame, whose[real]], points[frame, whose[real]] = found.ids[real], found.keypoints[real]
    spent = time.perf_counter() - began
    switches = 0
    for n in range(shape[1]):
        seen = ids[ids[:, n] > 0, n]
        switches += int((np.diff(seen) != 0).sum())
    together = np.array([[(ids[:, n] == i).sum() for i in range(1, ids.max() + 1)] for n in range(shape[1])], float)
    share = together[assign(together)].sum() / (ids > 0).sum()
    error = (points - truth.keypoints) / truth.heights[None, :, None, None]
    shake = np.linalg.norm(np.diff(error, 2, axis=0), axis=3)
    still = shake[:, truth.still]
    speed = np.linalg.norm(np.diff(truth.keypoints, axis=0), axis=3) / truth.heights[None, :, None] * RATE
    off = np.linalg.norm(error, axis=3)
    return {
        "switches": switches,
        "ids": len(np.unique(ids[ids > 0])),
        "own_id": 100 * share,
        "jitter_still": 100 * float(np.sqrt(np.nanmean(still**2))),
        "jitter_moving": 100 * float(np.sqrt(np.nanmean(shake[:, ~truth.still] ** 2))),
        "error": 100 * float(np.nanmean(off)),
        "error_fast": 100 * float(np.nanmean(off[1:][speed > 0.5])),
        "ms_a_frame": 1000 * spent / len(frames),
    }


COLUMNS = {
    "switches": "number of changes of a person's id between detections, per video",
    "ids": "different ids given to real people, per video",
    "own_id": "% of detected people with the right id under the best one-to-one assignment of ids",
    "jitter_still": "RMS second difference of the error of people who stand still, % of body height",
    "jitter_moving": "the same for people who walk",
    "error": "mean distance from the ground truth, % of body height",
    "error_fast": "the same for joints that move faster than half a body height per second: shows lag",
    "ms_a_frame": "time of tracking and smoothing",
}


def save_video(truth: Truth, frames: Frames, stem: Path) -> Path:
    """Draw the tracker's input with its ids."""
    follow = METHODS["tracking, One-Euro"]()
    with VideoWriter(stem, Fraction(RATE)) as writer:
        for frame, (picture, poses) in enumerate(zip(truth.pictures, frames, strict=True)):
            writer.write(np.asarray(draw(picture, follow(poses, frame / RATE))), frame / RATE)
    return writer.path


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--save-video", type=Path, help="also draw the first video with heavy trouble, to this path")
    args = parser.parse_args()
    truths = [make_truth(args.people, seed, args.save_video is not None and seed == 0) for seed in range(args.videos)]
    report: dict[str, object] = {
        "people": args.people,
        "videos": args.videos,
        "frames": RATE * SECONDS,
        "rate": RATE,
        "host": f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}",
        "columns": COLUMNS,
        "troubles": {name: asdict(trouble) for name, trouble in TROUBLES.items()},
        "results": {},
    }
    for name, trouble in TROUBLES.items():
        given = [perturb(truth, trouble, seed) for seed, truth in enumerate(truths)]
        hidden = 1 - np.mean([(whose >= 0).sum() for _, owners in given for whose in owners]) / args.people
        print(f"\n{name} trouble: {100 * hidden:.0f} % of the people are missed\n")
        print("| | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * len(COLUMNS))
        table = {}
        for method, make in METHODS.items():
            all_figures = [measure(truth, *made, make()) for truth, made in zip(truths, given, strict=True)]
            figures = {key: round(float(np.mean([f[key] for f in all_figures])), 3) for key in COLUMNS}
            table[method] = figures
            print(f"| {method} | " + " | ".join(f"{value:.2f}" for value in figures.values()) + " |")
        report["results"][name] = table  # type: ignore[index]
    args.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if args.save_video:
        heavy = perturb(truths[0], TROUBLES["heavy"], 0)[0]
        print(f"\nsaved {save_video(truths[0], heavy, args.save_video.with_suffix(''))}")


if __name__ == "__main__":
    main()
