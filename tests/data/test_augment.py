"""Augmentation: keypoints stay on the pixels that they name, whatever is done to the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from votepose.data.augment import augment, mosaic, recolour
from votepose.data.augment_config import NONE, AugmentConfig
from votepose.data.coco import Sample
from votepose.letterbox import FILL
from votepose.skeleton import COCO_17, Skeleton

GEOMETRY = AugmentConfig(rotated=1.0, colour=0.0, grey=0.0, blur=0.0)
PAIR = Skeleton(("nose", "left_hand", "right_hand"), (), (0.1, 0.1, 0.1))
COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)])  # of nose, left hand, right hand


def dotted(rng: np.random.Generator, width: int = 240, height: int = 180) -> Sample:
    """A grey picture of one person with a round dot of its own colour on each joint, a few pixels wide."""
    image = np.full((height, width, 3), FILL, np.float32)
    points = np.array([(0.2, 0.3), (0.7, 0.25), (0.5, 0.75)]) * (width, height) + rng.uniform(-15, 15, (3, 2))
    y, x = np.mgrid[:height, :width] + 0.5
    for (px, py), colour in zip(points, COLOURS, strict=True):
        cover = np.clip(7 - np.hypot(x - px, y - py), 0, 1)[..., None]
        image = image * (1 - cover) + colour * cover
    box = [*points.min(axis=0), *np.ptp(points, axis=0)]
    keypoints = np.concatenate([points, np.full((3, 1), 2)], axis=1)[None].astype(np.float32)
    return Sample(
        1,
        "dots",
        image.round().astype(np.uint8),
        keypoints,
        np.array([box], np.float32),
        np.array([1000], np.float32),
        np.zeros((0, 4), np.float32),
    )


def dots(image: np.ndarray, k: int, near: np.ndarray) -> np.ndarray:
    """Where the dot of joint k next to a place is: its centre of mass, in pixels."""
    others = [c for c in range(3) if c != k]
    strength = np.clip(image[..., k].astype(float) - image[..., others].max(axis=-1) - 30, 0, None)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    strength[np.hypot(x - near[0], y - near[1]) > 25] = 0
    assert strength.sum() > 0
    return np.array([(strength * x).sum(), (strength * y).sum()]) / strength.sum()


def check(sample: Sample, mirrored: bool | None) -> int:
    """Each joint well inside lies on a dot of its colour, or of its opposite where the picture is mirrored."""
    height, width = sample.image.shape[:2]
    checked = 0
    for person in sample.keypoints:
        for k, (x, y, v) in enumerate(person):
            if not v or not (14 < x < width - 14 and 14 < y < height - 14):
                continue
            painted = int(PAIR.flip[k]) if mirrored else k
            near = np.array([x, y])
            assert np.hypot(*(dots(sample.image, painted, near) - near)) < 1
            checked += 1
    return checked


@pytest.mark.parametrize("mirrored", [False, True])
def test_keypoints_follow_the_pixels(mirrored: bool) -> None:
    config = replace(GEOMETRY, flip=float(mirrored))
    checked = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        checked += check(augment(dotted(rng), (200, 160), config, rng, PAIR), mirrored)
    assert checked > 50


def test_keypoints_follow_the_pixels_in_a_mosaic() -> None:
    config = replace(GEOMETRY, flip=0.0, scale=(0.9, 1.2))
    checked = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        whole = mosaic([dotted(rng) for _ in range(4)], 320, config, rng, PAIR)
        assert whole.image.shape == (320, 320, 3)
        inner = whole.keypoints[..., :2]  # a dot is cut where two pictures meet: leave those joints out
        seams = [np.flatnonzero(np.abs(inner[..., axis] - 160).ravel() < 68) for axis in (0, 1)]
        kept = whole.keypoints.copy()
        kept.reshape(-1, 3)[np.concatenate(seams), 2] = 0
        checked += check(replace(whole, keypoints=kept), False)
    assert checked > 20


def test_a_mosaic_makes_a_crowd_and_is_complete_only_if_all_are() -> None:
    rng = np.random.default_rng(0)
    samples = [replace(dotted(rng), complete=i > 0) for i in range(4)]
    whole = mosaic(samples, 256, replace(NONE, scale=(0.7, 0.7)), rng, PAIR)
    assert len(whole.keypoints) == len(whole.boxes) == len(whole.areas) == 4
    assert not whole.complete


def test_nothing_changes_but_the_size_when_nothing_is_asked() -> None:
    sample = dotted(np.random.default_rng(0))
    same = augment(sample, (240, 180), NONE, np.random.default_rng(1), PAIR)
    np.testing.assert_array_equal(same.image, sample.image)
    np.testing.assert_allclose(same.keypoints, sample.keypoints, atol=1e-3)
    half = augment(sample, (120, 90), NONE, np.random.default_rng(1), PAIR)
    np.testing.assert_allclose(half.keypoints[..., :2], sample.keypoints[..., :2] / 2, atol=1e-3)
    np.testing.assert_allclose(half.areas, sample.areas / 4)


def test_a_flip_swaps_left_and_right_by_name() -> None:
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, :, 0], keypoints[0, :, 1], keypoints[0, :, 2] = np.arange(17) + 0.5, 50, 2
    sample = replace(dotted(np.random.default_rng(0), 100, 100), keypoints=keypoints)
    flipped = augment(sample, (100, 100), replace(NONE, flip=1.0), np.random.default_rng(0), COCO_17).keypoints[0]
    for k, name in enumerate(COCO_17.names):
        other = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert flipped[k, 0] == pytest.approx(100 - keypoints[0, COCO_17.names.index(other), 0], abs=1e-3)


def test_who_leaves_the_frame_is_gone_and_cut_joints_are_unlabelled() -> None:
    gone = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        sample = dotted(rng)
        two = replace(
            sample,
            keypoints=np.concatenate([sample.keypoints, sample.keypoints * (0.1, 0.1, 1)]),
            boxes=np.concatenate([sample.boxes, sample.boxes / 10]),
            areas=np.array([1000, 10], np.float32),
        )
        zoomed = augment(two, (100, 100), replace(GEOMETRY, scale=(2.5, 3.0)), rng, PAIR)
        points, v = zoomed.keypoints[..., :2], zoomed.keypoints[..., 2]
        assert (v > 0).any(axis=1).all()
        assert ((points >= 0) & (points < 100)).all(axis=-1)[v > 0].all()
        assert (zoomed.boxes[:, :2] >= 0).all()
        assert (zoomed.boxes[:, :2] + zoomed.boxes[:, 2:] <= 100 + 1e-3).all()
        assert len(zoomed.keypoints) == len(zoomed.boxes) == len(zoomed.areas)
        gone += 2 - len(zoomed.keypoints)
    assert gone > 5


def test_ignore_regions_move_along() -> None:
    sample = replace(dotted(np.random.default_rng(0)), ignore=np.array([[40, 20, 60, 80]], np.float32))
    half = augment(sample, (120, 90), NONE, np.random.default_rng(0), PAIR)
    np.testing.assert_allclose(half.ignore, [[20, 10, 30, 40]], atol=1e-3)


def test_the_seed_decides() -> None:
    config = AugmentConfig(grey=0.5, blur=0.5)
    sample = dotted(np.random.default_rng(0))
    first, second, other = (augment(sample, (96, 96), config, np.random.default_rng(s), PAIR) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    assert (first.image != other.image).any()


def test_colours_change_and_places_do_not() -> None:
    image = dotted(np.random.default_rng(0)).image
    changed = recolour(image, AugmentConfig(), np.random.default_rng(0))
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    assert (changed != image).any()
    grey = recolour(image, AugmentConfig(grey=1.0), np.random.default_rng(0))
    assert (grey[..., 0] == grey[..., 2]).all()
    np.testing.assert_array_equal(recolour(image, NONE, np.random.default_rng(0)), image)


def test_a_single_pixel_is_a_picture_too() -> None:
    none = np.zeros((0, 3, 3), np.float32), np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    sample = Sample(1, "dot", np.zeros((1, 1, 3), np.uint8), none[0], none[1], none[2], none[1])
    big = augment(sample, (64, 64), AugmentConfig(), np.random.default_rng(0), PAIR)
    assert big.image.shape == (64, 64, 3)
    assert big.keypoints.shape == (0, 3, 3)
