"""Numbers in a json that would poison training are taken out by name; a json of the wrong shape is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError

NAN = float("nan")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_coco(synthetic_dataset(2, 96, people=(1, 1)), tmp_path)
    return tmp_path


def load_with(folder: Path, section: str, change: Any) -> LabelledDataset:
    """The dataset with `change` merged into the first entry of a section, or in place of the section."""
    path = folder / "annotations.json"
    data = json.loads(path.read_text())
    if isinstance(change, dict):
        data[section][0] |= change
    else:
        data[section] = change
    path.write_text(json.dumps(data))
    return load_labelled(folder)


@pytest.mark.parametrize("section", ["annotations", "categories"])
@pytest.mark.parametrize("value", [5, "people", ["person"], [[1]]])
def test_a_section_of_the_wrong_shape_is_one_line(folder: Path, section: str, value: Any) -> None:
    with pytest.raises(VoteposeError, match=section) as caught:
        load_with(folder, section, value)
    assert "\n" not in str(caught.value)


def test_keypoints_that_are_no_numbers_are_unlabelled(folder: Path) -> None:
    keypoints = load_labelled(folder).samples[0].keypoints[0].copy()
    k = int(np.flatnonzero(keypoints[:, 2])[0])
    keypoints[k, 0] = NAN
    dataset = load_with(folder, "annotations", {"keypoints": keypoints.ravel().tolist()})
    found = dataset.samples[0].keypoints[0]
    assert (found[k] == 0).all()
    np.testing.assert_array_equal(np.delete(found, k, 0), np.delete(keypoints, k, 0))
    assert "not numbers" in str(dataset.left_out[0])


@pytest.mark.parametrize("box", [[NAN] * 4, [1, 2], None, [0, 0, 0, 0]])
def test_a_person_without_a_usable_box_stays(folder: Path, box: Any) -> None:
    whole = load_labelled(folder).samples[0]
    sample = load_with(folder, "annotations", {"bbox": box}).samples[0]
    np.testing.assert_array_equal(sample.keypoints, whole.keypoints)
    assert (sample.boxes[:, 2:] > 0).all()
    assert np.isfinite(sample.boxes).all()


def test_a_box_that_leaves_the_picture_is_cut_and_named(folder: Path) -> None:
    dataset = load_with(folder, "annotations", {"bbox": [-20, -20, 500, 500]})
    np.testing.assert_array_equal(dataset.samples[0].boxes, [[0, 0, 96, 96]])
    assert list(map(str, dataset.left_out)) == ["000001.png: an annotation's box exceeds the image; clipped"]


@pytest.mark.parametrize("change", [{"width": -5}, {"height": 0}])
def test_a_size_that_cannot_be_scales_nothing(folder: Path, change: Any) -> None:
    whole = load_labelled(folder).samples[0]
    np.testing.assert_array_equal(load_with(folder, "images", change).samples[0].keypoints, whole.keypoints)


def test_a_negative_area_is_guessed_from_the_box(folder: Path) -> None:
    sample = load_with(folder, "annotations", {"area": -4}).samples[0]
    np.testing.assert_allclose(sample.areas, 0.53 * sample.boxes[:, 2] * sample.boxes[:, 3])


def test_an_annotation_of_no_picture_is_ignored(folder: Path) -> None:
    assert [len(s.keypoints) for s in load_with(folder, "annotations", {"image_id": [1]}).samples] == [0, 1]
