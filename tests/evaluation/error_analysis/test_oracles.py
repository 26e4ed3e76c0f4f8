"""The estimator with perfect parts: none is the estimator itself, all are the truth, and nothing is encoded twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from helpers.analysed import background_only, two_people, write_data
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.evaluation.error_analysis.oracles import PARTS, find_variants
from votepose.evaluation.error_analysis.scoring import Scorer
from votepose.evaluation.error_analysis.truth import Truth
from votepose.evaluation.network import estimate
from votepose.grouping import GroupingConfig
from votepose.models.estimator import PoseEstimator
from votepose.models.features import FeatureMaps
from votepose.models.outputs import Votes
from votepose.models.posenet import PoseNet
from votepose.poses import Poses
from votepose.skeleton import COCO_17

SIZE = 128
KAPPAS = torch.from_numpy(COCO_17.kappas)


@pytest.fixture(scope="module", autouse=True)
def _small_regions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        tiny.refine_small_regions(patch)
        yield


def estimator(levels: int = 1) -> PoseEstimator:
    torch.manual_seed(0)
    return PoseEstimator(PoseNet(tiny.NETWORK).eval(), KAPPAS, GroupingConfig(), levels).eval()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> LabelledDataset:
    return write_data(tmp_path_factory.mktemp("data"), count=2, people=(1, 3), size=SIZE)


@pytest.mark.parametrize("levels", [1, 2])
def test_no_perfect_part_is_the_estimator_itself(dataset: LabelledDataset, levels: int) -> None:
    model, sample = estimator(levels), dataset.samples[0]
    (found,) = find_variants(model, sample, SIZE, COCO_17, [()])
    threshold = float(model.config.presence_threshold)
    wanted = estimate(model, sample.image, SIZE, threshold, COCO_17)
    assert len(wanted)
    np.testing.assert_allclose(found.keypoints, wanted.keypoints, atol=1e-3)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-5)


@pytest.mark.parametrize("levels", [1, 2])
def test_an_untrained_network_with_perfect_parts_knows_everything(dataset: LabelledDataset, levels: int) -> None:
    variants = [(), ("score",), PARTS]
    columns = zip(*(find_variants(estimator(levels), s, SIZE, COCO_17, variants) for s in dataset.samples), strict=True)
    scorer = Scorer.of(dataset)
    plain, score, everything = (scorer.all(zip(dataset.samples, column, strict=True)) for column in columns)
    assert plain.ap < 0.1
    assert score.ap >= plain.ap
    assert everything.ap > 0.9


def test_each_level_is_encoded_once(dataset: LabelledDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = estimator(levels=2), []
    encode = model.network.encode
    monkeypatch.setattr(model.network, "encode", lambda pixels: (calls.append(pixels.shape), encode(pixels))[1])
    find_variants(model, dataset.samples[0], SIZE, COCO_17, [(), ("score",), PARTS])
    assert len(calls) == 2


@pytest.fixture(scope="module")
def found_in_background() -> dict[str, Poses]:
    """What is found in an image without people, as it is and with each part perfect."""
    variants = {"": (), **{part: (part,) for part in PARTS}}
    found = find_variants(estimator(levels=2), background_only(), SIZE, COCO_17, list(variants.values()))
    return dict(zip(variants, found, strict=True))


@pytest.mark.parametrize("part", PARTS)
def test_a_picture_without_people_is_no_trouble(part: str, found_in_background: dict[str, Poses]) -> None:
    plain, found = found_in_background[""], found_in_background[part]
    if part == "presence":
        assert len(found) == 0
    else:
        order, wanted = found.keypoints[:, 0, 0].argsort(), plain.keypoints[:, 0, 0].argsort()
        np.testing.assert_allclose(found.keypoints[order], plain.keypoints[wanted], atol=1e-3)


class Faulty(PoseNet):
    """Knows two people of 20 pixels, and does one thing wrong: the one that its `fault`, a part's name, says."""

    def __init__(self, fault: str) -> None:
        super().__init__(replace(tiny.NETWORK, proposals=False, refiner=0))
        self.fault, self.truth = fault, Truth.of(two_people(size=20), 320, 4, KAPPAS)

    def encode(self, pixels: Tensor) -> FeatureMaps:
        height, width = (side // 4 for side in pixels.shape[-2:])
        seen = self.truth.presence(height, width, 0)
        if self.fault == "presence":
            seen[:, 20:] = 0  # the second person
        seen = seen * (0.6 if self.fault == "score" else 1.0)
        if self.fault == "score":
            seen[-3::2, ::8] = 1  # in the background
        return FeatureMaps(torch.zeros(1, 17, height, width), [(20 * (seen - 0.5))[None]], None, None, [], None)

    def predict_votes(self, maps: FeatureMaps, cells: Tensor) -> Votes:
        width = maps.features.shape[-1]
        centres = torch.stack([cells % width, cells // width], dim=-1)[0] + 0.5
        owner = self.truth.nearest_person(centres, torch.zeros(len(centres)))
        poses = self.truth.joints[owner].clone()
        poses[owner < 0] = self.truth.joints[0] + torch.tensor([45.0, 10.0])
        if self.fault == "votes":
            poses += 0.8
        if self.fault == "pooling":
            poses[::2] += 1.2
        return Votes(poses[None], torch.full((1, *poses.shape[:2]), -2.0))


@pytest.mark.parametrize("fault", PARTS)
def test_a_faulty_part_is_mended_by_its_own_perfection(fault: str, tmp_path: Path) -> None:
    write_coco(LabelledDataset([two_people(size=20)], COCO_17), tmp_path)
    dataset = load_labelled(tmp_path)
    config = GroupingConfig(threshold=50.0) if fault == "grouping" else GroupingConfig()  # all votes agree
    model = PoseEstimator(Faulty(fault), KAPPAS, config).eval()
    found = find_variants(model, dataset.samples[0], 320, COCO_17, [(), (fault,), ("score",)])
    plain, mended, scored = (Scorer.of(dataset).all([(dataset.samples[0], poses)]).ap for poses in found)
    assert plain < 0.8
    assert mended > 0.95
    assert scored >= plain


def truth_of(size: int = 320, stride: int = 4) -> Truth:
    return Truth.of(two_people(labelled=16), size, stride, KAPPAS)


def test_truth_is_in_cells() -> None:
    truth = truth_of()
    np.testing.assert_allclose(truth.joints, two_people().keypoints[..., :2] / 4, atol=1e-4)
    np.testing.assert_allclose(truth.sizes, 60 / 4, rtol=1e-4)
    assert truth.labelled.sum() == 32


def test_perfect_presence_is_on_labelled_joints_inside_the_map() -> None:
    truth = truth_of()
    presence = truth.presence(24, 40, 0)
    assert presence.sum() == len({tuple(c) for c in truth.joints[truth.labelled].floor().tolist() if c[0] < 40})
    y, x = presence.nonzero().T
    assert (truth.nearest_person(torch.stack([x, y], -1) + 0.5, torch.zeros(len(x))) >= 0).all()


def test_a_cell_belongs_to_the_nearest_joint_within_reach() -> None:
    truth = truth_of()
    joint = truth.joints[:, 3]
    centres = torch.cat([joint + 0.2, torch.tensor([[70.0, 1.0]])])
    assert truth.nearest_person(centres, torch.zeros(3)).tolist() == [0, 1, -1]
    assert truth.nearest_person(joint - torch.tensor([0.0, 5.0]), torch.tensor([0, 2])).tolist() == [
        -1,
        1,
    ]  # coarser: farther


def test_scores_of_truth_are_one_and_of_second_skeletons_and_background_zero() -> None:
    truth = truth_of()
    poses = torch.cat([truth.joints[:1] + 0.3, truth.joints, truth.joints[:1] + 100])
    scores = truth.scores(poses)
    assert scores.tolist() == pytest.approx([0, 1, 1, 0])
    assert truth.most_similar(poses).tolist() == [0, 0, 1, -1]
    assert len(truth.scores(poses[:0])) == 0
