"""The hourglass's replacement: fitted where an exact fit exists, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from helpers import tiny
from helpers.scripts_of import script
from votepose.models.checkpoint import load_network

dropping = script("drop_hourglass")


class Linear(nn.Module):
    """A presence branch that a convolution can equal."""

    def forward(self, features: Tensor) -> list[Tensor]:
        weight = torch.linspace(-1, 1, features.shape[1])[None, :, None, None]
        return [(features * weight).sum(dim=1, keepdim=True) - 0.5]


def test_a_linear_branch_is_found_and_other_weights_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, out = tiny.write_weights(tmp_path / "w.safetensors"), tmp_path / "out.safetensors"
    large, metadata = load_network(weights)
    kept = large.state_dict()
    large.presence = Linear()
    monkeypatch.setattr(dropping, "load_network", lambda _: (large, metadata))
    monkeypatch.setattr(dropping, "_RIDGE", 1e-9)
    dropping.main(dropping.Config(weights, tiny.write_data(tmp_path / "data"), out, limit=3))
    small, about = load_network(out)
    assert not about.network.hourglass
    assert about.grouping == metadata.grouping
    found = small.state_dict()
    features = large.features(torch.randint(0, 256, (1, 3, 64, 96)).float())
    torch.testing.assert_close(small.presence(features), large.presence(features)[0], atol=0.01, rtol=0.01)
    for name, value in found.items():
        if not name.startswith("presence."):
            assert torch.equal(value, kept[name].to(value.dtype)), name
    assert capsys.readouterr().out == f"{out}: the convolution explains 100% of the variance, on 3 images\n"
