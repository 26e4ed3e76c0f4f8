"""`mobile` starts as `lite` does: blocks are imitated, and heads give what they gave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers import tiny
from research.mobile import __main__ as program
from research.mobile.blocks import Channels, fit_block
from research.mobile.heads import carry_over
from research.mobile.least_squares import Moments
from research.mobile.trunk import Readout, shrink
from votepose.errors import VoteposeError
from votepose.models.backbones.build import build_backbone
from votepose.models.checkpoint import load_network
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset, preset

SMALL: dict[str, Any] = {"width": 24, "heads": 2, "hourglass_width": 8, "refiner": 12, "keypoint_maps": 8}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_the_inputs_that_are_kept_are_those_that_matter() -> None:
    inputs = torch.randn(500, 6)
    inputs[:, 5] = inputs[:, 2] + 0.01 * torch.randn(500)  # either of them will do
    targets = torch.stack([3 * inputs[:, 2] + inputs[:, 4] + 7, inputs[:, 0]], dim=1)
    moments = Moments.of(inputs, targets, 1e-6)
    kept = moments.most_needed(3)
    assert {0, 4} < set(kept.tolist()) < {0, 2, 4, 5}
    weights, offset = moments.at(kept).solve()
    assert (inputs[:, kept] @ weights + offset - targets).abs().max() < 0.2


@pytest.fixture
def blocks() -> list[Any]:
    """Lite0's block of 144 channels, and MobileNetV3's of 72 in its place."""
    trunks = [build_backbone(name).trunk.eval() for name in ("lite", "mobile")]
    return [trunk.get_submodule("blocks.1.1") for trunk in trunks]


def test_a_narrower_block_equals_one_that_uses_few_of_its_channels(blocks: list[Any]) -> None:
    large, small = blocks
    inputs = [torch.randn(2, 24, 16, 16) for _ in range(3)]
    with torch.no_grad():
        large.conv_pwl.weight[:, 70:] = 0
        nn.init.normal_(large.bn3.bias)
        targets = [large(x) for x in inputs]
        _, left = fit_block(small, inputs, [Channels.of(large)], targets)
        unseen = torch.randn(2, 24, 16, 16)
        assert left < 1e-4
        torch.testing.assert_close(small(unseen), large(unseen), atol=0.05, rtol=0.05)


def test_a_block_that_must_leave_something_out_leaves_the_least(blocks: list[Any]) -> None:
    large, small = blocks
    inputs = [torch.randn(2, 24, 16, 16) for _ in range(3)]
    with torch.no_grad():
        targets = [large(x) for x in inputs]
        outputs, left = fit_block(small, inputs, [Channels.of(large)], targets)
    assert 0 < left < 0.2
    assert torch.equal(outputs[0], small(inputs[0]))


def test_every_part_of_the_trunk_is_set_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Moments, "most_needed", lambda _, count: torch.arange(count))  # which takes minutes
    large, small = (build_backbone(name, early=True).trunk for name in ("lite", "mobile"))
    for module in large.modules():
        if isinstance(module, nn.Conv2d):  # as trained weights do, keep the signal's size
            nn.init.kaiming_normal_(module.weight)
    before = {name: value.clone() for name, value in small.state_dict().items()}
    told: dict[str, float] = {}
    readout = shrink(large, small, [torch.randn(2, 3, 64, 64) for _ in range(2)], told.__setitem__)
    same = {name for name, value in small.state_dict().items() if torch.equal(value, before[name])}
    assert {name.split(".")[-1] for name in same} <= {"num_batches_tracked", "weight", "bias"}
    assert all(".se." in name or name.endswith("num_batches_tracked") for name in same)
    assert len(told) == 16
    assert all(0 <= left < 2 for left in told.values())
    assert readout.weights.shape == (960, 320)


def test_the_heads_give_what_they_gave() -> None:
    lite = PoseNet(replace(preset("lite").network, channels=16, encoder_layers=1, decoder_layers=1, **SMALL)).eval()
    mobile = PoseNet(replace(preset("mobile").network, channels=24, encoder_layers=2, decoder_layers=2, **SMALL)).eval()
    readout = Readout(torch.randn(960, 320) / 30, torch.randn(320))
    images = torch.randint(0, 256, (2, 3, 64, 64)).float()
    carry_over(lite, mobile, readout, [images])

    with torch.no_grad():
        maps = mobile.backbone(images)
        as_lite = [maps[0], maps[1], _read(maps[2], readout), maps[3]]
        ours, theirs = mobile.fuse(maps, [], images), lite.fuse(as_lite, [], images)
        torch.testing.assert_close(ours[:, :16], theirs, atol=1e-3, rtol=1e-3)
        assert (ours[:, 16:] > 0).any()
        for logits in mobile.presence(ours):
            torch.testing.assert_close(logits, lite.presence(theirs)[0], atol=1e-3, rtol=1e-3)
        found, wanted = (net._decode(x, [], images) for net, x in ((mobile, maps), (lite, as_lite)))
        cells = torch.arange(10)[None].expand(2, -1)
        votes, expected = mobile.predict_votes(found, cells), lite.predict_votes(wanted, cells)
        torch.testing.assert_close(votes.poses, expected.poses, atol=1e-2, rtol=1e-3)
        assert found.keypoint_maps is not None
        assert wanted.keypoint_maps is not None
        torch.testing.assert_close(found.keypoint_maps.logits, wanted.keypoint_maps.logits, atol=1e-3, rtol=1e-3)
        assert mobile.refiner is not None
        assert lite.refiner is not None
        deep = [net.refiner.from_deep(net.refiner.norms[2](x[2])) for net, x in ((mobile, maps), (lite, as_lite))]
        torch.testing.assert_close(*deep, atol=1e-3, rtol=1e-3)


def _read(deep: Tensor, readout: Readout) -> Tensor:
    return torch.einsum("nchw,co->nohw", deep, readout.weights) + readout.offset[:, None, None]


def test_the_program_writes_weights_of_the_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lite = replace(preset("lite").network, channels=16, encoder_layers=1, decoder_layers=1, **SMALL)
    network = replace(preset("mobile").network, channels=24, encoder_layers=2, decoder_layers=2, **SMALL)
    weights = tmp_path / "lite.safetensors"
    tiny.save_weights(weights, PoseNet(lite), tiny.Metadata.of("lite", Preset(lite), tiny.COCO_17))
    monkeypatch.setattr(program, "preset", lambda _: Preset(network))

    def shrunk(*arguments: Any) -> Readout:
        arguments[-1]("block 0.0", 0.25)
        return Readout(torch.zeros(960, 320), torch.zeros(320))

    monkeypatch.setattr(program, "shrink", shrunk)
    out = tmp_path / "out.safetensors"
    program.main(program.Options(weights, tiny.write_data(tmp_path / "data"), out, limit=3, size=64))
    assert load_network(out)[1].preset == "mobile"
    assert capsys.readouterr().out.startswith("block 0.0: 25% unexplained\n")


def test_weights_of_another_preset_are_refused(tmp_path: Path) -> None:
    weights = tiny.write_weights(tmp_path / "w.safetensors")
    with pytest.raises(VoteposeError, match="use those of lite"):
        program.main(program.Options(weights, tmp_path, tmp_path / "out.safetensors"))
