"""Augmentation, on a device and with OpenCV: joints stay on the pixels that show them, whatever is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from helpers.dots import PAIR, check, dotted
from votepose.data.augment_config import NONE, AugmentConfig
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, LabelledFolder
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.data.resident import FolderSource, ResidentPictures, longest_side
from votepose.data.sample import Sample
from votepose.skeleton import COCO_17, Skeleton

PLAIN = replace(NONE, scale=(0.7, 1.4))
SIZE = 192

Draw = Callable[..., Batch]
DOTS = [dotted(i + 1) for i in range(6)]


@pytest.fixture(params=["device", "memory"])
def draw(request: pytest.FixtureRequest, tmp_path: Path) -> Draw:
    """Batch `number` of `count` inputs of samples."""

    def on_device(samples: Sequence[Sample], config: AugmentConfig, count: int, number: int, size: int) -> Batch:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        write_coco(LabelledDataset(samples, skeleton_of(samples)), folder)
        source = FolderSource(LabelledFolder.open(folder))
        pictures = ResidentPictures.load([source], longest_side([source.folder]), "cpu")
        return pictures.batches(size, config, 0, count)[number].render(pictures.canvases)

    def in_memory(samples: Sequence[Sample], config: AugmentConfig, count: int, number: int, size: int) -> Batch:
        data = TrainingSet(
            [Source(LabelledDataset(samples, skeleton_of(samples)))], size, config, 0, count * (number + 1)
        )
        return collate([data[i] for i in range(count * number, len(data))])

    def call(
        samples: Sequence[Sample], config: AugmentConfig, count: int = 12, number: int = 0, size: int = SIZE
    ) -> Batch:
        return (on_device if request.param == "device" else in_memory)(samples, config, count, number, size)

    return call


def skeleton_of(samples: Sequence[Sample]) -> Skeleton:
    return COCO_17 if samples[0].keypoints.shape[1] == len(COCO_17) else PAIR


def pixels(batch: Batch, index: int = 0) -> np.ndarray:
    """(S, S, 3) int: an input."""
    return batch.images[index].permute(1, 2, 0).numpy().astype(int)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [(0.25, 0.5), (0.7, 1.0), (1.0, 2.0)])
def test_keypoints_follow_the_pixels(draw: Draw, mirrored: bool, scale: tuple[float, float]) -> None:
    config = replace(NONE, scale=scale, rotation=40.0, rotated=0.7, flip=float(mirrored))
    assert check(draw(DOTS, config, 20), mirrored) > 15


def test_keypoints_follow_the_pixels_in_a_mosaic(draw: Draw) -> None:
    config = replace(NONE, scale=(0.8, 1.4), rotation=20.0, rotated=0.5, mosaic=1.0)
    batch = draw(DOTS, config, 20)
    assert len(batch.keypoints) > 60
    assert check(batch, seam=(0.35 * SIZE, 0.65 * SIZE)) > 20


def test_a_mosaic_makes_a_crowd_and_is_complete_only_if_all_are(draw: Draw) -> None:
    samples = [replace(sample, complete=i > 0) for i, sample in enumerate(DOTS[:3])]
    mosaic = replace(NONE, scale=(0.7, 0.7), mosaic=1.0)
    batch = draw(samples, mosaic, 20)
    assert len(batch.keypoints) == len(batch.boxes) == len(batch.areas) == 80
    assert 0 < int(batch.complete.sum()) < 12
    assert draw(samples[1:], mosaic).complete.all()


def test_nothing_changes_but_the_size_when_nothing_is_asked(draw: Draw) -> None:
    sample = dotted(1, 192, 192)
    same = draw([sample], NONE, 1)
    assert np.abs(pixels(same) - sample.image).max() <= 1
    np.testing.assert_allclose(same.keypoints, sample.keypoints, atol=1e-2)
    half = draw([sample], NONE, 1, size=96)
    np.testing.assert_allclose(half.keypoints[..., :2], sample.keypoints[..., :2] / 2, atol=1e-2)
    np.testing.assert_allclose(half.areas, sample.areas / 4)
    assert np.abs(pixels(half) - cv2.resize(sample.image, (96, 96), interpolation=cv2.INTER_AREA)).max() <= 1


def test_a_flip_swaps_left_and_right_by_name(draw: Draw) -> None:
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, :, 0], keypoints[0, :, 1], keypoints[0, :, 2] = np.arange(17) + 0.5, 50, 2
    sample = replace(dotted(0, 100, 100), keypoints=keypoints)
    flipped = draw([sample], replace(NONE, flip=1.0), 1, size=100).keypoints[0]
    for k, name in enumerate(COCO_17.names):
        other = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert flipped[k, 0] == pytest.approx(100 - keypoints[0, COCO_17.names.index(other), 0], abs=1e-2)


def test_flipping_twice_is_the_identity(draw: Draw) -> None:
    sample = dotted(1, 192, 192)
    once = draw([sample], replace(NONE, flip=1.0), 1)
    assert np.abs(pixels(once) - sample.image).max() > 100
    keypoints, boxes = once.keypoints.numpy(), once.boxes.numpy()
    again = replace(sample, image=pixels(once).astype(np.uint8), keypoints=keypoints, boxes=boxes)
    twice = draw([again], replace(NONE, flip=1.0), 1)
    assert np.abs(pixels(twice) - sample.image).max() <= 1
    np.testing.assert_allclose(twice.keypoints, sample.keypoints, atol=1e-2)
    np.testing.assert_allclose(twice.boxes, sample.boxes, atol=1e-2)


def test_who_leaves_the_frame_is_gone_and_cut_joints_are_unlabelled(draw: Draw) -> None:
    batch = draw(DOTS, replace(NONE, scale=(3.0, 4.0)), 40)
    points, v = batch.keypoints[..., :2], batch.keypoints[..., 2]
    assert len(points) == len(batch.boxes) == len(batch.areas) < 40
    assert (v == 0).any()
    assert (v > 0).any(dim=1).all()
    assert ((points >= 0) & (points < SIZE)).all(dim=-1)[v > 0].all()
    assert (batch.boxes[:, :2] >= 0).all()
    assert (batch.boxes[:, :2] + batch.boxes[:, 2:] <= SIZE + 1e-3).all()
    gone = sorted(set(range(40)) - set(batch.image_index.tolist()))
    assert batch.ignore[gone].any()


def test_ignore_regions_move_along_and_leave_people_out(draw: Draw) -> None:
    sample = replace(dotted(1, 192, 192), boxes=np.array([[48, 40, 32, 32]], np.float32))
    mask = draw([sample], replace(NONE, flip=1.0), 1).ignore[0]
    expected = torch.zeros(48, 48, dtype=torch.bool)
    expected[20 // 4 : 100 // 4, (192 - 100) // 4 : (192 - 40) // 4] = True
    expected[40 // 4 : 72 // 4, (192 - 80) // 4 : (192 - 48) // 4] = False
    assert torch.equal(mask, expected)


def test_joints_behind_a_patch_are_hidden(draw: Draw) -> None:
    plain, covered = (draw(DOTS, replace(PLAIN, occluder=share), 80) for share in (0.0, 1.0))
    changed = (plain.images != covered.images).any(dim=1)
    assert 0.01 < changed.float().mean() < 0.1
    seen, hidden = 0, 0
    for person, index in zip(covered.keypoints, covered.image_index.tolist(), strict=True):
        for x, y, v in person:
            around = changed[index, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
            if v and around.numel() and around.all():
                hidden += 1
                assert v == 1
            elif v and not around.any():
                seen += 1
                assert v == 2
    assert hidden > 3
    assert seen > 120


def test_who_is_behind_a_patch_with_all_joints_is_ignored(draw: Draw) -> None:
    small = replace(DOTS[0], keypoints=np.array([[[100, 90, 2], [101, 90, 2], [102, 91, 2]]], np.float32))
    small = replace(small, boxes=np.array([[90, 80, 24, 24]], np.float32), ignore=np.zeros((0, 4), np.float32))
    batch = draw([small], replace(PLAIN, occluder=1.0), 120)
    gone = sorted(set(range(120)) - set(batch.image_index.tolist()))
    assert 0 < len(gone) < 40
    assert batch.ignore[gone].flatten(1).any(dim=1).all()
    assert not batch.ignore[batch.image_index].any()


def test_the_seed_decides(draw: Draw) -> None:
    config = AugmentConfig(grey=0.5, blur=0.5, occluder=0.5)
    first, again, other = (draw(DOTS, config, number=number) for number in (3, 3, 4))
    for name, value in vars(first).items():
        assert torch.equal(value, vars(again)[name])
    assert (first.images != other.images).any()


def test_colours_change_and_places_do_not(draw: Draw) -> None:
    plain = draw(DOTS, PLAIN)
    changes = replace(PLAIN, colour=0.25), replace(PLAIN, grey=1.0), replace(PLAIN, blur=1.0)
    coloured, grey, blurred = (draw(DOTS, config) for config in changes)
    for other in (coloured, grey, blurred):
        assert torch.equal(other.keypoints, plain.keypoints)
        assert other.images.dtype == torch.uint8
        assert (other.images != plain.images).any()
    assert check(blurred) > 15
    expected = cv2.cvtColor(pixels(plain).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    for channel in grey.images[0]:
        np.testing.assert_array_equal(channel, expected)


def test_a_single_pixel_is_a_picture_too(draw: Draw) -> None:
    nothing = np.zeros((0, 3, 3), np.float32), np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    sample = Sample(1, "dot.png", np.full((1, 1, 3), 200, np.uint8), *nothing, nothing[1])
    batch = draw([sample], AugmentConfig(), 8)
    assert batch.images.shape == (8, 3, SIZE, SIZE)
    assert batch.keypoints.shape == (0, 3, 3)
    assert not batch.ignore.any()
