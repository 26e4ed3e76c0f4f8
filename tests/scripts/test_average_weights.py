"""Weight averaging: weighted by shares, and only of one network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from helpers import tiny
from helpers.scripts_of import script
from votepose.errors import VoteposeError
from votepose.models.checkpoint import load_network

average = script("average_weights")


def test_every_value_is_the_weighted_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (tiny.write_weights(tmp_path / f"{seed}.safetensors", seed) for seed in (0, 1))
    out = tmp_path / "mean.safetensors"
    average.main(average.Config((f"{one}:3", f"{other}:1"), out))
    a, b, found = load_file(one), load_file(other), load_network(out)[0].state_dict()
    for name, value in found.items():
        if value.is_floating_point():
            wanted = 0.75 * a[name].float() + 0.25 * b[name].float()
            torch.testing.assert_close(value.float(), wanted, rtol=1e-3, atol=1e-4)
    assert capsys.readouterr().out == f"{out}: the mean of 2 files, not calibrated\n"


def test_missing_tensors_count_as_zeros() -> None:
    whole, part = {"a": torch.ones(2), "n": torch.tensor(7)}, {"n": torch.tensor(9)}
    found, lacking = average.mean([whole, part], [0.5, 0.5])
    assert found["a"].tolist() == [0.5, 0.5]
    assert found["n"] == 7
    assert lacking == ["a"]


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(VoteposeError, match="different networks: 1 tensors differ, such as a"):
        average.mean([{"a": torch.ones(2)}, {"a": torch.ones(3)}], [0.5, 0.5])
    weights = tiny.write_weights(tmp_path / "w.safetensors")
    for files, complaint in (
        ((f"{weights}",), "FILE:SHARE"),
        ((f"{weights}:0",), "positive share"),
        ((f"{tmp_path / 'none'}:1",), "no such weights"),
        ((f"{weights}:1", f"{tmp_path / 'none'}:1"), "no such weights"),
    ):
        with pytest.raises(VoteposeError, match=complaint):
            average.main(average.Config(files, tmp_path / "out.safetensors"))
    assert not (tmp_path / "out.safetensors").exists()
