"""`votepose info`: what it prints adds up and can be searched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers import tiny
from votepose.commands.main import main
from votepose.inference import weights
from votepose.models.posenet import PoseNet
from votepose.models.presets import NAMES, preset
from votepose.models.summary import parameters


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["info", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_preset_has_a_column_whose_parts_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    header, size, stride, total, *parts = (line for line in lines(capsys) if "weights:" not in line and line)
    assert header.split() == ["preset", *NAMES]
    assert (size.split()[0], stride.split()[0]) == ("input", "stride")
    columns = [re.findall(r"\d+\.\d+|-", line) for line in (total, *parts)]
    for whole, *of in zip(*columns, strict=True):
        assert abs(float(whole) - sum(float(part) for part in of if part != "-")) < 0.05
    assert max(map(len, (header, size, stride, total, *parts))) <= 80


def test_parts_are_the_networks() -> None:
    for name in ("movenet", "mobile"):
        network = PoseNet(preset(name).network)
        assert sum(parameters(network).values()) == sum(p.numel() for p in network.parameters())


def test_a_weights_file_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny.write_weights(tmp_path / "a.safetensors")
    last = lines(capsys, "--weights", str(path))[-1]
    assert last.startswith(f"weights: {path}: ")
    assert last.endswith("preset movenet, input 64, 17 keypoints of a person")


def test_an_onnx_file_is_described(fake_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "preset fake, input 96, 17 keypoints" in lines(capsys, "--weights", str(fake_model))[-1]


def test_both_models_of_the_package_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    found = lines(capsys)[-2:]
    assert [line.split()[0] for line in found] == ["accurate", "fast"]
    assert all(re.search(r" MB, preset \w+, .*; AP 0\.\d{3}, [\d.]+ images per second", line) for line in found)


@pytest.mark.parametrize("named", [(), ("--weights", "bundled")])
def test_the_bundled_file_is_described_by_default(
    fake_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...]
) -> None:
    monkeypatch.setattr(weights, "BUNDLED_ONNX", fake_model)
    assert any("preset fake" in line for line in lines(capsys, *named))


def test_a_file_that_is_no_weights_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.safetensors").write_text("no")
    assert main(["info", "--weights", str(tmp_path / "a.safetensors")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
