"""Pasted crowds: the labels say where the pasted people are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.scripts_of import script
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import load_labelled
from votepose.data.toy import synthetic_dataset

paste_crowds = script("paste_crowds")


def test_a_crowd_is_people_whose_labels_moved_with_them(tmp_path: Path) -> None:
    write_coco(synthetic_dataset(4, size=192, people=(1, 1)), tmp_path / "few")
    config = paste_crowds.Config(tmp_path / "few", tmp_path / "crowds", count=3, size=256)
    paste_crowds.main(config)
    crowds = load_labelled(tmp_path / "crowds")
    assert [sample.image.shape for sample in crowds.samples] == [(256, 256, 3)] * 3
    assert sum(len(sample.boxes) for sample in crowds.samples) > 10
    for sample in crowds.samples:
        assert not sample.complete
        ground = sample.image[-1, -1]  # rows and columns that hold nobody keep the ground's colour
        for points, (x, y, w, h) in zip(sample.keypoints, sample.boxes, strict=True):
            known = points[points[:, 2] > 0, :2]
            assert (known >= np.array([x, y]) - 0.15 * np.array([w, h])).all()
            assert (known <= np.array([x + w, y + h]) + 0.15 * np.array([w, h])).all()
            middle = sample.image[int(y + h / 2), int(x + w / 2)]
            assert (middle != ground).any()


def test_the_same_seed_makes_the_same_crowds(tmp_path: Path) -> None:
    people = paste_crowds.people_of(synthetic_dataset(4, size=192, people=(1, 1)).samples)
    one, other = (paste_crowds.crowd(people, 256, np.random.default_rng(5), 1) for _ in range(2))
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.keypoints, other.keypoints)
