"""Results as labels: what is written is what a data folder's loader and other tools read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.fake_model import some_poses
from votepose.io.results.writer import Results
from votepose.poses import Poses
from votepose.skeleton import COCO_17

SIZE = (640, 480)


def inside(poses: Poses) -> Poses:
    """The same people, moved into the image."""
    return replace(poses, keypoints=np.clip(poses.keypoints, 1, np.array(SIZE) - 1), image_size=SIZE)


def test_a_data_folder_of_results_is_read_back(tmp_path: Path) -> None:
    coco = pytest.importorskip("votepose.data.labelled", reason="needs the extra [train]")
    work = {"a.png": inside(some_poses(3)), "b.png": Poses.empty(image_size=SIZE), "sub/c.png": inside(some_poses(1))}
    with Results("coco-annotations", tmp_path, COCO_17, list(work)) as results:
        for name, poses in work.items():
            (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", SIZE).save(tmp_path / "images" / name)
            results.write(name, poses)
    dataset = coco.load_labelled(tmp_path)
    assert dataset.left_out == []
    assert dataset.skeleton == COCO_17
    assert [sample.name for sample in dataset.samples] == list(work)
    for sample, poses in zip(dataset.samples, work.values(), strict=True):
        assert len(sample.keypoints) == len(poses)
        if len(poses):
            np.testing.assert_allclose(sample.keypoints[..., :2], poses.keypoints, atol=0.006)
            np.testing.assert_array_equal(sample.keypoints[..., 2], 1 + poses.seen)
            np.testing.assert_allclose(sample.boxes[:, :2], poses.boxes[:, :2], atol=0.006)
            assert (sample.areas > 0).all()


def test_other_tools_read_it(tmp_path: Path, poses: Poses) -> None:
    pycocotools = pytest.importorskip("pycocotools.coco")
    with Results("coco-annotations", tmp_path, COCO_17, ["7.jpg"]) as results:
        results.write("7.jpg", poses)
    truth = pycocotools.COCO(str(results.path))
    assert truth.getImgIds() == [7]
    assert len(truth.getAnnIds()) == len(poses)


def test_joints_outside_the_image_are_not_labelled() -> None:
    poses = inside(some_poses(2))
    poses.keypoints[0, 0] = (-5, 10)
    poses.keypoints[0, 1] = (10, 480.5)
    first, second = poses.to_coco_annotations(7, category_id=3, first_id=11)
    assert first["keypoints"][:6] == [0, 0, 0, 0, 0, 0]
    assert (first["num_keypoints"], second["num_keypoints"]) == (15, 17)
    assert [first["id"], second["id"], first["image_id"], first["category_id"]] == [11, 12, 7, 3]
    assert first["bbox"][0] >= 0
    assert json.loads(json.dumps(first)) == first
    back = Poses.from_coco([first, second], image_size=SIZE)
    np.testing.assert_allclose(back.keypoints[1], poses.keypoints[1], atol=0.006)
    np.testing.assert_array_equal(back.seen[1], poses.seen[1])


def test_people_with_one_joint_in_the_image_have_an_area_and_those_with_none_are_left_out() -> None:
    poses = inside(some_poses(2))
    poses.keypoints[0, 1:] = -100
    poses.keypoints[1] = -100
    (one,) = poses.to_coco_annotations(1)
    assert one["num_keypoints"] == 1
    assert one["area"] > 0
    assert min(one["bbox"][2:]) > 0


def test_tracks_are_kept() -> None:
    poses = replace(inside(some_poses(2)), ids=np.array([4, 9]))
    assert [person["track_id"] for person in poses.to_coco_annotations(1)] == [4, 9]
    assert Poses.empty().to_coco_annotations(1) == []
