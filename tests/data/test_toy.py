"""Drawn people: deterministic, labelled exactly, hidden where another covers them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from votepose.data.coco_writer import write_coco
from votepose.data.labelled import load_labelled
from votepose.data.toy import synthetic_dataset
from votepose.skeleton import COCO_17


def test_a_picture_depends_on_seed_and_index_alone() -> None:
    first, second = synthetic_dataset(2, 96, seed=1).samples, synthetic_dataset(4, 96, seed=1).samples
    for a, b in zip(first, second, strict=False):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
    assert (synthetic_dataset(1, 96, seed=2).samples[0].image != first[0].image).any()


def test_labels_lie_in_the_picture_and_in_their_boxes() -> None:
    for sample in synthetic_dataset(20, 128).samples:
        assert sample.image.shape == (128, 128, 3)
        labelled = sample.keypoints[..., 2] > 0
        assert labelled.any(axis=1).all()
        points = sample.keypoints[..., :2]
        low, high = sample.boxes[:, None, :2], sample.boxes[:, None, :2] + sample.boxes[:, None, 2:]
        inside = ((points >= low - 1e-3) & (points <= high + 1e-3)).all(axis=-1)
        assert inside[labelled].all()
        assert (points[labelled] >= 0).all()
        assert (points[labelled] < 128).all()
        assert (points[~labelled] == 0).all()
        assert (sample.areas > 0).all()


def test_a_lone_person_hides_no_joint_and_a_crowd_hides_some() -> None:
    alone = [s.keypoints[..., 2] for s in synthetic_dataset(10, people=(1, 1)).samples]
    crowds = [s.keypoints[..., 2] for s in synthetic_dataset(10, people=(4, 6)).samples]
    assert not any((v == 1).any() for v in alone)
    assert any((v == 1).any() for v in crowds)
    assert any((v == 2).any() for v in crowds)


def test_left_and_right_limbs_have_their_own_colours() -> None:
    elbows = [COCO_17.names.index(f"{side}_elbow") for side in ("left", "right")]
    for sample in synthetic_dataset(10, people=(1, 1)).samples:
        left, right = sample.keypoints[0, elbows]
        if left[2] and right[2]:
            reds, blues = (
                [int(sample.image[int(y), int(x), channel]) for x, y, _ in (left, right)] for channel in (0, 2)
            )
            assert reds[0] > reds[1]
            assert blues[0] < blues[1]


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_written_is_what_is_read(tmp_path: Path, zipped: bool) -> None:
    dataset = synthetic_dataset(3, 64)
    write_coco(dataset, tmp_path, zipped)
    loaded = load_labelled(tmp_path)
    assert (tmp_path / "images").is_dir() != zipped
    assert not loaded.left_out
    assert loaded.skeleton == COCO_17
    for a, b in zip(dataset.samples, loaded.samples, strict=True):
        assert (a.image_id, a.name, a.complete) == (b.image_id, b.name, b.complete)
        for name in ("image", "keypoints", "boxes", "areas", "ignore"):
            np.testing.assert_allclose(getattr(b, name), getattr(a, name), rtol=1e-6)
    assert json.loads((tmp_path / "annotations.json").read_text())["categories"][0]["keypoints"]
