"""Labels for self-training: confident joints of confident people; uncertain people become ignore regions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.scripts_of import script
from votepose.errors import VoteposeError
from votepose.poses import Pose, Poses
from votepose.skeleton import COCO_17

labelling = script("label_pictures")


def person(score: float, confidence: float = 0.9, corner: float = 20.0) -> Pose:
    """A person with an uncertain left ankle and a hidden right one."""
    keypoints = corner + np.random.default_rng(0).uniform(0, 60, (17, 2)).astype(np.float32)
    confidences = np.full(17, confidence, np.float32)
    confidences[15] = 0.1
    seen = np.arange(17) != 16
    return Poses(keypoints[None], confidences[None], seen[None], np.array([score], np.float32), COCO_17, (100, 100))[0]


def label(pose: Pose) -> dict[str, object] | None:
    return labelling.label(pose, 7, (100, 100), labelling.Config(Path("in"), Path("out")))


def test_confident_joints_of_confident_people_are_labelled() -> None:
    pose = person(0.8)
    found = label(pose)
    assert found is not None
    points = np.reshape(found["keypoints"], (17, 3))
    assert points[:, 2].tolist() == [2] * 15 + [0, 1]
    assert found["num_keypoints"] == 16
    assert found["image_id"] == 7
    np.testing.assert_allclose(points[:15, :2], pose.keypoints[:15], atol=0.06)
    low, high = pose.keypoints.min(axis=0), pose.keypoints.max(axis=0)
    x, y, width, height = found["bbox"]
    assert (x, y) < tuple(low)
    assert (x + width, y + height) > tuple(high)


@pytest.mark.parametrize(("score", "confidence"), [(0.3, 0.9), (0.8, 0.4)])
def test_uncertain_people_become_ignore_regions(score: float, confidence: float) -> None:
    found = label(person(score, confidence))
    assert found is not None
    assert found["num_keypoints"] == 0
    assert not np.any(found["keypoints"])


def test_joints_outside_are_not_labelled_and_background_is_dropped() -> None:
    found = label(person(0.8, corner=60.0))
    assert found is not None
    outside = (person(0.8, corner=60.0).keypoints >= 100).any(axis=1)
    assert outside.any()
    assert not np.reshape(found["keypoints"], (17, 3))[outside].any()
    assert label(person(0.05)) is None
    assert label(person(0.8, corner=200.0)) is None


def test_a_stopped_run_continues_from_whole_lines_but_not_with_other_settings(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"of whatever kind")
    config = labelling.Config(Path("in"), Path("out"), weights=tmp_path / "weights")
    kept = tmp_path / "labels.jsonl"
    file, known = labelling.labels_so_far(kept, config)
    assert known == {}
    file.append('{"image_id": 7, "people": []}')
    with file.partial.open("a") as cut:
        cut.write('{"image_id": 8, "people": [{"image')  # was being written
    file, known = labelling.labels_so_far(kept, config)
    assert known == {7: []}
    file.append('{"image_id": 8, "people": []}')
    with pytest.raises(VoteposeError, match="made with input_size None, not 896"):
        labelling.labels_so_far(kept, replace(config, input_size=896))
    file.close()
    assert labelling.labels_so_far(kept, config)[1] == {7: [], 8: []}
    with pytest.raises(VoteposeError, match="made with input_size None, not 896"):
        labelling.labels_so_far(kept, replace(config, input_size=896))
    assert len(kept.read_text().splitlines()) == 3
