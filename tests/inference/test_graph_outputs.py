"""The exported graph's outputs: their names, and which rows are people."""

from __future__ import annotations

import numpy as np

from votepose.inference.graph_outputs import OUTPUTS, people_rows, to_poses
from votepose.letterbox import Letterbox
from votepose.models.outputs import PoseOutputs, VoteOutputs
from votepose.skeleton import COCO_17


def outputs(people: int) -> dict[str, np.ndarray]:
    """People of image 0, far apart, the last the best."""
    body = np.random.default_rng(0).uniform(0, 40, (17, 2))
    return {
        "image_index": np.zeros(people, np.int64),
        "keypoints": np.float32([body + 100 * k for k in range(people)]).reshape(people, 17, 2),
        "confidences": np.full((people, 17), 0.9, np.float32),
        "seen": np.ones((people, 17), bool),
        "scores": np.linspace(0.5, 0.9, people, dtype=np.float32),
    }


def test_the_names_are_those_of_the_estimators_outputs() -> None:
    assert PoseOutputs._fields + VoteOutputs._fields == OUTPUTS


def test_rows_are_the_images_people_best_first() -> None:
    found = outputs(6)
    found["image_index"][5] = 1
    found["keypoints"][4, 3] = np.inf
    found["keypoints"][2] = found["keypoints"][3] + 0.1  # the same person, with a lower score
    assert people_rows(found, 0, COCO_17.kappas).tolist() == [3, 1, 0]
    assert people_rows(found, 0, COCO_17.kappas, 0.55).tolist() == [3, 1]
    assert people_rows(found, 1, COCO_17.kappas).tolist() == [5]
    assert people_rows(outputs(0), 0, COCO_17.kappas).tolist() == []


def test_poses_are_in_the_images_pixels() -> None:
    found = outputs(2)
    box = Letterbox.fit(1280, 960, 640)
    poses = to_poses(found, np.array([1, 0]), box, COCO_17)
    np.testing.assert_allclose(poses.keypoints, found["keypoints"][::-1] * 2, atol=1e-3)
    assert poses.image_size == (1280, 960)
    assert poses.scores.tolist() == found["scores"][::-1].tolist()
