"""AP of subsets of the people: each person is in one bin, faults stay in theirs, all of them give evaluate's AP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.analysed import background_only, moved, picture_of, true_poses, two_people, write_data
from votepose.data.coco_json.labels import coco_labels
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.evaluation.coco_metrics import coco_keypoint_metrics
from votepose.evaluation.error_analysis.matched_image import MatchedImage
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.error_analysis.slice_specs import SliceSpec, slice_specs
from votepose.evaluation.error_analysis.slices import coco_sizes, slice_people
from votepose.evaluation.runner import picture_results
from votepose.skeleton import COCO_17


@pytest.fixture
def dataset(tmp_path: Path) -> LabelledDataset:
    return write_data(tmp_path, count=6, people=(1, 4))


def perfect(dataset: LabelledDataset) -> list[MatchedImage]:
    return [MatchedImage.of(sample, true_poses(sample)) for sample in dataset.samples]


def spec(key: str) -> SliceSpec:
    return next(spec for spec in slice_specs(256) if spec.key == key)


@pytest.mark.parametrize("key", ["size", "crowd", "hidden", "covered"])
def test_a_perfect_detector_is_perfect_everywhere(dataset: LabelledDataset, key: str) -> None:
    slices = slice_people(spec(key), perfect(dataset), Scorer.of(dataset))
    assert sum(s.people for s in slices) == sum(len(sample.keypoints) for sample in dataset.samples)
    for s in slices:
        assert (s.ap, s.ap50, s.ar, s.found) == pytest.approx((1, 1, 1, 1))


def test_faults_stay_with_the_people_who_have_them(tmp_path: Path) -> None:
    sample = two_people()
    sample.areas[1] = 20**2
    write_coco(LabelledDataset([sample, replace(background_only(), image_id=2, name="none.png")], COCO_17), tmp_path)
    dataset = load_labelled(tmp_path)
    points = true_poses(sample).keypoints
    points[1] += 40
    pictures = [picture_of(dataset.samples[0], points), picture_of(dataset.samples[1], points[:0])]
    small, large = slice_people(spec("size"), pictures, Scorer.of(dataset))
    assert (small.name, small.people, small.ap, small.found) == ("under 24", 1, 0, 0)
    assert (large.name, large.people, large.ap, large.found) == ("48 to 96", 1, pytest.approx(1), 1)


def test_hidden_and_covered_people(tmp_path: Path) -> None:
    sample = two_people(apart=45)  # boxes are 60 wide: a quarter of each lies in the other
    sample.keypoints[0, :9, 2] = 1
    write_coco(LabelledDataset([sample], COCO_17), tmp_path)
    dataset = load_labelled(tmp_path)
    scorer = Scorer.of(dataset)
    assert [s.name for s in slice_people(spec("hidden"), perfect(dataset), scorer)] == ["none", "a half and more"]
    assert [(s.name, s.people) for s in slice_people(spec("covered"), perfect(dataset), scorer)] == [
        ("a quarter to a half", 2)
    ]


def test_cocos_sizes_are_of_the_pixels_that_the_json_counts_in() -> None:
    sample = two_people(size=60)
    twice = replace(sample, keypoints=sample.keypoints * (2, 2, 1), areas=sample.areas * 4, scale=(2.0, 2.0))
    for each in (sample, twice):
        (medium,) = coco_sizes([MatchedImage.of(each, true_poses(each))], 0.5, 0.6)
        assert (medium.name, medium.people, medium.ap, medium.found) == ("medium, 32 to 96", 2, 0.5, 1)


@pytest.mark.parametrize("key", ["size", "crowd", "hidden", "covered"])
def test_a_picture_without_people_has_no_slices(key: str) -> None:
    empty, found = picture_of(background_only(), true_poses(two_people()).keypoints), spec(key)
    assert slice_people(found, [empty], Scorer(coco_labels({}), {1: []})) == []


def test_the_whole_is_what_evaluate_measures(dataset: LabelledDataset) -> None:
    rng = np.random.default_rng(0)
    noisy = [
        MatchedImage.of(
            p.sample,
            moved(p.poses, p.poses.keypoints + rng.normal(0, 4, p.poses.keypoints.shape), rng.random(len(p.poses))),
        )
        for p in perfect(dataset)
    ]
    results = [entry for p in noisy for entry in picture_results(p.poses, p.sample, dataset.category_id)]
    assert dataset.annotations is not None
    measured = coco_keypoint_metrics(dataset.annotations, results, [s.image_id for s in dataset.samples])
    assert 0 < measured.ap < 1
    assert Scorer.of(dataset).changed(noisy, lambda p: p.poses) == measured


def test_ignored_people_count_for_nothing(dataset: LabelledDataset) -> None:
    scorer = Scorer.of(dataset)
    pictures = [MatchedImage.of(p.sample, p.poses[1:]) for p in perfect(dataset)]
    assert scorer.changed(pictures, lambda p: p.poses).ap < 0.9
    assert scorer.without(pictures, lambda p: p.missed | p.merged).ap == pytest.approx(1)


def test_a_json_that_changes_meanwhile_does_not_matter(tmp_path: Path) -> None:
    dataset = write_data(tmp_path)
    write_data(tmp_path, people=(1, 1))
    assert Scorer.of(dataset).changed(perfect(dataset), lambda p: p.poses).ap == pytest.approx(1)
