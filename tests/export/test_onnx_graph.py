"""The exported graph: what is changed in it after tracing leaves its answers as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from helpers.bodies import KAPPAS
from votepose.errors import VoteposeError
from votepose.export.backends import Answer, run_onnx, run_torch, write_torch
from votepose.export.onnx_graph import noise, save, trace
from votepose.models.estimator import PoseEstimator
from votepose.models.posenet import PoseNet
from votepose.models.presets import NAMES, preset


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_graph_of_every_preset_takes_any_size(
    name: str, paper: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preset's backbone, vectors and grouping, with heads as small as the tiny network's."""
    tiny.export_on_small_pictures(monkeypatch)
    torch.manual_seed(0)
    chosen = preset(name, paper)
    shared = {
        field: getattr(chosen.network, field) for field in ("backbone", "stride", "vectors", "relative", "scales")
    }
    maps = min(8, chosen.network.keypoint_maps)
    network = PoseNet(
        replace(tiny.NETWORK, **shared, proposals=chosen.network.proposals, refiner=0, keypoint_maps=maps)
    )
    if name == "maxvit":  # one block of each stage: the others are the same, and tracing them takes most of the time
        for stage in ("stages_0", "stages_1", "stages_2"):
            del network.backbone.trunk.get_submodule(stage).blocks[1:]
    estimator = PoseEstimator(network, torch.from_numpy(KAPPAS), chosen.grouping).eval()
    save(trace(estimator, tmp_path / "traced.onnx"), {}, tmp_path / "graph.onnx")
    exact, answer = run_torch(estimator), run_onnx(tmp_path / "graph.onnx")
    for shape in ((96, 64, 3), (128, 96, 1), (64, 160, 1)):
        images = noise(*shape).numpy()
        found, wanted = answer(images, 0.0), exact(images, 0.0)
        np.testing.assert_allclose(found["presence"], wanted["presence"], atol=1e-4)
        assert len(wanted["vote_cells"])
        _same_votes(found, wanted)
    if name == "maxvit":
        with pytest.raises(VoteposeError, match="windows"):
            write_torch(estimator, tmp_path / "program.pt2", {})
        assert not (tmp_path / "program.pt2").exists()


def test_the_graph_of_an_estimator_with_a_focus_takes_one_image_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.refine_small_regions(monkeypatch)
    torch.manual_seed(4)
    network = PoseNet(replace(tiny.NETWORK, focus=8)).eval()
    assert network.focus is not None
    torch.nn.init.normal_(network.focus.out.weight, std=3.0)  # some blocks are likely
    torch.nn.init.constant_(network.focus.out.bias, -0.5)
    estimator = PoseEstimator(network, torch.from_numpy(KAPPAS), tiny.GROUPING, 2).eval()
    save(trace(estimator, tmp_path / "traced.onnx"), {}, tmp_path / "graph.onnx")
    exact, answer = run_torch(estimator), run_onnx(tmp_path / "graph.onnx")
    for shape in ((256, 192), (96, 160), (320, 64)):
        images = noise(*shape).numpy()
        for threshold in (0.0, 2.0):
            found, wanted = answer(images, threshold), exact(images, threshold)
            np.testing.assert_allclose(found["presence"], wanted["presence"], atol=1e-4)
            _same_votes(found, wanted)
    with pytest.raises(Exception, match="images"):
        answer(noise(96, 96, 2).numpy(), 0.0)


def _same_votes(found: Answer, wanted: Answer) -> None:
    """Which cells vote depends on the last digits of an untrained network's presence; most do, and vote the same."""
    same = (found["vote_cells"][:, None] == wanted["vote_cells"]).all(-1) & (
        found["vote_image"][:, None] == wanted["vote_image"]
    )
    ours, theirs = same.nonzero()
    assert len(ours) >= 0.8 * len(wanted["vote_cells"])
    np.testing.assert_allclose(found["vote_poses"][ours], wanted["vote_poses"][theirs], atol=0.05)
