"""Draws poses over their image, anti-aliased, with NumPy and Pillow only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from votepose.errors import VoteposeError
from votepose.io.images import read_image
from votepose.io.sources import ImageSource
from votepose.oks import body_sizes
from votepose.poses import Pose, Poses
from votepose.visualization.paint import paint

# Okabe and Ito's colour-blind-safe palette without its black, ordered so that neighbours in the list differ most
PALETTE = np.array(
    [(230, 159, 0), (86, 180, 233), (240, 228, 66), (213, 94, 0), (0, 158, 115), (204, 121, 167), (0, 114, 178)],
    dtype=np.float32,
)
_INK = np.array((20, 22, 28), dtype=np.float32)
_WHITE = np.array((255, 255, 255), dtype=np.float32)
_LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)
_DARK = 100  # luma up to which a label's text is white


@dataclass(frozen=True)
class Style:
    """How poses are drawn. Lengths are relative to the person's size, so small and large people are equally legible.

    Attributes:
        min_confidence: keypoints below it fade in proportion, and vanish at 0.
        limb: half the width of a limb, relative to the person's size.
        joint: radius of a joint, relative to half the width of a limb.
        inferred: opacity of limbs that end at an inferred joint.
        scores: whether to show each person's score above the head.
        ids: whether to show each person's id there, if they have one.
    """

    min_confidence: float = 0.2
    limb: float = 0.014
    joint: float = 1.55
    inferred: float = 0.6
    scores: bool = False
    ids: bool = True


def draw(image: ImageSource, poses: Poses, style: Style | None = None) -> Image.Image:
    """An RGB copy of the image with the poses drawn on it.

    Each person has a colour, which follows the id in videos; the left side is lighter, the right side darker. A seen
    joint is a disc; an inferred joint is a ring, and its limbs are fainter and dashed.

    Args:
        image: the image that the poses were found in, in any form that `read_image` accepts.
        poses: poses in pixels of that image.
        style: None for `Style()`.

    Raises:
        VoteposeError: if the image cannot be read, or `poses` are not `Poses`.
    """
    if not isinstance(poses, Poses):
        raise VoteposeError(f"draw needs Poses, not a {type(poses).__name__}; poses[[0]] are Poses of one person")
    style = style or Style()
    canvas = read_image(image).copy()
    colours = PALETTE[person_colours(poses)]
    for k in reversed(range(len(poses))):  # the best last, on top
        _draw_person(canvas, poses[k], colours[k], style)
    picture = Image.fromarray(canvas)
    for k in reversed(range(len(poses))):
        _draw_label(picture, poses[k], colours[k], style)
    return picture


def person_colours(poses: Poses) -> np.ndarray:
    """(P,) int: each person's index in `PALETTE`, by id, or else chosen so that people of equal colour are far
    apart."""
    if poses.ids is not None:
        return np.asarray((poses.ids - 1) % len(PALETTE))
    centres = poses.boxes.reshape(-1, 2, 2).mean(axis=1)
    chosen = np.zeros(len(poses), dtype=int)
    for k in range(len(poses)):
        apart = np.linalg.norm(centres[:k] - centres[k], axis=1)
        nearest = [apart[chosen[:k] == c].min(initial=np.inf) for c in range(len(PALETTE))]
        chosen[k] = int(np.argmax(nearest))
    return chosen


def limb_radius(pose: Pose, width: int, height: int, style: Style) -> float:
    """Half the width of a person's limbs in pixels, from the person's size, within limits set by the image's size."""
    size = float(body_sizes(pose.keypoints))
    longest = max(width, height)
    return float(np.clip(style.limb * size, max(0.6, 0.0011 * longest), max(1.0, 0.0055 * longest)))


def _draw_person(canvas: np.ndarray, pose: Pose, colour: np.ndarray, style: Style) -> None:
    radius = limb_radius(pose, canvas.shape[1], canvas.shape[0], style)
    alpha = np.clip(pose.confidences / max(style.min_confidence, 1e-6), 0, 1)
    shades = [_shade(colour, side) for side in pose.skeleton.sides]
    halo = max(0.5, 0.4 * radius)
    radii = _joint_radii(pose, radius, style)
    for a, b in pose.skeleton.links:
        both = bool(pose.seen[a] and pose.seen[b])
        opacity = min(alpha[a], alpha[b]) * (1.0 if both else style.inferred)
        tint = shades[a] if (shades[a] == shades[b]).all() else colour
        ends = _limb(pose, a, b, radii)
        dash = 0.0 if both else 5 * radius
        paint(canvas, *ends, radius + halo, _INK, 0.45 * opacity, dash=dash)
        paint(canvas, *ends, radius, tint, 0.95 * opacity, dash=dash)
    for k, (point, size) in enumerate(zip(pose.keypoints, radii, strict=True)):
        if pose.seen[k]:
            paint(canvas, point, point, size + halo, _INK, 0.8 * alpha[k])
            paint(canvas, point, point, size, shades[k], alpha[k])
        else:
            paint(canvas, point, point, size, _INK, 0.6 * alpha[k], ring=0.65 * radius + halo)
            paint(canvas, point, point, size, shades[k], 0.9 * alpha[k], ring=0.65 * radius)


def _joint_radii(pose: Pose, radius: float, style: Style) -> np.ndarray:
    """(K,) radii in proportion to the limbs, reduced so that linked joints, as in a face, do not overlap."""
    radii = np.full(len(pose.skeleton), style.joint * radius)
    for a, b in pose.skeleton.links:
        apart = float(np.hypot(*(pose.keypoints[a] - pose.keypoints[b])))
        for k in (a, b):
            radii[k] = min(radii[k], max(0.4 * apart, 0.8 * radius))
    return radii


def _limb(pose: Pose, a: int, b: int, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two ends of a limb: the centre of a seen joint, or the edge of an inferred joint's ring."""
    start, end = pose.keypoints[a], pose.keypoints[b]
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-6, 2 * radii[a], 2 * radii[b])
    return start + along * (0 if pose.seen[a] else radii[a]), end - along * (0 if pose.seen[b] else radii[b])


def _shade(colour: np.ndarray, side: int) -> np.ndarray:
    if side == 0:
        return colour
    return colour + (_WHITE - colour) * 0.3 if side < 0 else colour * 0.78


def _draw_label(picture: Image.Image, pose: Pose, colour: np.ndarray, style: Style) -> None:
    texts = [str(pose.id)] if style.ids and pose.id is not None else []
    texts += [f"{pose.score:.2f}"] if style.scores else []
    if not texts:
        return
    size = max(11, round(0.016 * max(picture.size)))
    font = ImageFont.load_default(size)
    text = "  ".join(texts)
    pen = ImageDraw.Draw(picture)
    x1, y1, x2, _ = pose.box.tolist()
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height, pad = right - left, bottom - top, size // 3
    x = min(max((x1 + x2 - width) / 2, pad), picture.width - width - pad)
    y = min(max(y1 - height - 4 * pad, pad), picture.height - height - pad)
    box = (x - pad, y - pad, x + width + pad, y + height + pad)
    pen.rounded_rectangle(box, radius=pad, fill=tuple(int(v) for v in colour), outline=tuple(int(v) for v in _INK))
    pen.text((x - left, y - top), text, font=font, fill="black" if colour @ _LUMA > _DARK else "white")
