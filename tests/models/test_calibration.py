"""Calibration: identity by default, curves that only rise, files that come back, and an estimator that obeys it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from helpers import tiny
from helpers.bodies import KAPPAS
from votepose.grouping import GroupingConfig
from votepose.models.calibration import Calibration, Curve
from votepose.models.estimator import PoseEstimator
from votepose.models.posenet import PoseNet

BENT = Calibration(tuple(Curve(0.3 + k / 10, 1.2, -0.5 + k / 20) for k in range(17)), Curve(1.5, 0.9, 0.1), 2.3)


def test_by_default_nothing_changes() -> None:
    p = torch.rand(5, 17)
    assert Calibration().of_joints(p) is p
    assert Calibration().of_people(p[:, 0]).equal(p[:, 0])
    same = Calibration((Curve(),) * 17).of_joints(p)
    torch.testing.assert_close(same, p)


def test_curves_rise_and_stay_in_range() -> None:
    p = torch.linspace(1e-4, 1 - 1e-4, 2000)
    joints = BENT.of_joints(p[:, None].expand(-1, 17))
    for values in (BENT.of_people(p), joints):
        assert (values.diff(dim=0) > 0).all()
    for values in (BENT.of_people(torch.tensor([0.0, 1.0])), BENT.of_joints(torch.tensor([[0.0] * 17, [1.0] * 17]))):
        assert values.isfinite().all()
        assert ((values >= 0) & (values <= 1)).all()


def test_each_joint_has_its_own_curve() -> None:
    p = torch.full((2, 17), 0.4)
    alone = [Calibration((curve,)).of_joints(p[:, k : k + 1]) for k, curve in enumerate(BENT.joints)]
    torch.testing.assert_close(BENT.of_joints(p), torch.cat(alone, dim=1))


def test_no_people_have_no_confidences() -> None:
    assert BENT.of_joints(torch.zeros(0, 17)).shape == (0, 17)
    assert BENT.of_people(torch.zeros(0)).shape == (0,)
    assert BENT.is_seen(torch.zeros(0, 17)).shape == (0, 17)


def test_what_is_written_comes_back() -> None:
    for calibration in (BENT, Calibration()):
        assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())), 17) == calibration
    assert Calibration.from_dict(None, 17) == Calibration()


@pytest.mark.parametrize(
    "values",
    [
        [],
        "x",
        {},
        {"joints": [], "people": {}},
        {"joints": 3, "people": {}, "seen": 0.0},
        {"joints": [], "people": {"rise": 1.0, "slope": 2.0}, "seen": 0.0},
        {"joints": [], "people": {"rise": -1.0}, "seen": 0.0},
        {"joints": [], "people": {"rise": "a"}, "seen": 0.0},
        {"joints": [], "people": {"fall": 0.0}, "seen": 0.0},
        {"joints": [], "people": {"shift": 1e999}, "seen": 0.0},
        {"joints": [{}] * 3, "people": {}, "seen": 0.0},
        {"joints": [], "people": {}, "seen": None},
        {"joints": [], "people": {}, "seen": float("nan")},
    ],
)
def test_what_is_no_calibration_is_said_in_a_line(values: Any) -> None:
    with pytest.raises(ValueError, match=r"calibration|seen") as error:
        Calibration.from_dict(values, 17)
    assert "\n" not in str(error.value)


@torch.no_grad()
def test_an_estimator_says_the_same_people_by_other_numbers() -> None:
    torch.manual_seed(0)
    network = PoseNet(tiny.NETWORK).eval()
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8))
    plain = PoseEstimator(network, torch.from_numpy(KAPPAS), GroupingConfig()).eval()
    bent = PoseEstimator(network, torch.from_numpy(KAPPAS), GroupingConfig(), calibration=BENT).eval()
    before, after = (model(images, torch.tensor(0.0)) for model in (plain, bent))
    assert len(before.scores) > 1
    assert after.keypoints.equal(before.keypoints)
    assert after.image_index.equal(before.image_index)
    assert after.scores.argsort().equal(before.scores.argsort())
    torch.testing.assert_close(after.scores, BENT.of_people(before.scores))
    torch.testing.assert_close(after.confidences, BENT.of_joints(before.confidences))
    for threshold, wanted in ((-50.0, True), (50.0, False)):
        bent.calibration = replace(BENT, seen=threshold)
        assert (bent(images, torch.tensor(0.0)).seen == wanted).all()
