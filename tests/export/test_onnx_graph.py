"""The exported graph: what is changed in it after tracing leaves its answers as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import tiny
from helpers.bodies import KAPPAS
from votepose.errors import VoteposeError
from votepose.export.backends import run_onnx, run_torch, write_torch
from votepose.export.onnx_graph import fold_pads, noise, save, trace
from votepose.models.estimator import PoseEstimator
from votepose.models.posenet import PoseNet
from votepose.models.presets import NAMES, preset

INPUT = np.random.default_rng(0).normal(size=(2, 3, 12, 10)).astype(np.float32)


class Padded(nn.Module):
    """Pads before convolutions that can take them over, and six that they cannot."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.plain, self.own = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(3, 4, 3, 2, padding=1)
        self.channels = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        shared = F.pad(x, (2, 0, 0, 0))
        return (
            self.plain(F.pad(x, (0, 1, 0, 1))),
            self.own(F.pad(x, (0, 1, 2, 0))),
            self.plain(shared),
            shared,
            self.plain(F.pad(x, (-1, 0, 0, 0))),
            self.channels(F.pad(x, (0, 0, 0, 0, 1, 0))),
            self.plain(F.pad(x, (0, 1, 0, 1), value=114.0)),
            self.plain(F.pad(x, (0, 1, 0, 1), mode="reflect")),
            self.plain(F.pad(x, (0, x.shape[-1] % 4, 0, 1))),
        )


def test_convolutions_pad_for_themselves_where_they_can(tmp_path: Path) -> None:
    torch.onnx.export(
        Padded().eval(),
        (torch.from_numpy(INPUT),),
        str(tmp_path / "net.onnx"),
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {2: "height", 3: "width"}},
        do_constant_folding=False,
    )
    model = onnx.load(tmp_path / "net.onnx")
    before = answers(model)
    fold_pads(model)
    onnx.checker.check_model(model)
    assert sum(node.op_type == "Pad" for node in model.graph.node) == 6
    assert all(used(model, node) for node in model.graph.node)
    for ours, theirs in zip(answers(model), before, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def used(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    read = {name for other in model.graph.node for name in other.input} | {value.name for value in model.graph.output}
    return not read.isdisjoint(node.output)


def answers(model: onnx.ModelProto) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(x) for x in session.run(None, {"x": INPUT})]


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
        # Which cells vote depends on the last digits of an untrained network's presence.
        same = (found["vote_cells"][:, None] == wanted["vote_cells"]).all(-1) & (
            found["vote_image"][:, None] == wanted["vote_image"]
        )
        ours, theirs = same.nonzero()
        assert len(ours) > 0.8 * len(wanted["vote_cells"]) > 0
        np.testing.assert_allclose(found["vote_poses"][ours], wanted["vote_poses"][theirs], atol=0.05)
    if name == "maxvit":
        with pytest.raises(VoteposeError, match="windows"):
            write_torch(estimator, tmp_path / "program.pt2", {})
        assert not (tmp_path / "program.pt2").exists()
