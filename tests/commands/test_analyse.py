"""`votepose analyse`: the whole report from tiny weights, whole files, and mistakes in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers import tiny
from helpers.analysed import write_data
from votepose.commands.analyse import AnalyseConfig, run
from votepose.commands.evaluate import EvaluateConfig
from votepose.commands.evaluate import run as evaluate
from votepose.errors import VoteposeError

TABLES = ["coco_size", "size", "crowd", "hidden", "covered", "joints", "repairs", "people_errors", "oracles"]


@pytest.fixture(autouse=True)
def _small_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.refine_small_regions(monkeypatch)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_data(tmp_path / "data", count=3, size=128)
    return tmp_path / "data"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_weights(tmp_path_factory.mktemp("weights") / "weights.safetensors")


@pytest.mark.parametrize("levels", [1, 2])
def test_the_report_is_printed_and_saved(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], levels: int
) -> None:
    out = tmp_path / "new" / "report"
    run(AnalyseConfig(data, weights, limit=2, levels=levels, out=out))
    printed = capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ["errors.png", "report.json", "report.md"]
    text, told = (out / "report.md").read_text(), json.loads((out / "report.json").read_text())
    assert text.removesuffix("\n\n![Errors](errors.png)\n") in printed
    assert text.count("\n### ") == len(TABLES)
    assert list(told["tables"]) == TABLES
    assert (told["levels"], told["pictures"], told["input_size"]) == (levels, 2, 64)
    assert len(told["tables"]["joints"]) == 18
    assert [row["perfect"] for row in told["tables"]["oracles"]] == [
        "(unchanged)",
        "presence",
        "votes",
        "grouping",
        "pooling",
        "score",
        "all five",
    ]
    assert Image.open(out / "errors.png").size[0] > 1000


def test_the_ap_is_evaluates(data: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(EvaluateConfig(data, weights, limit=2))
    last = capsys.readouterr().out.splitlines()[-1]
    run(AnalyseConfig(data, weights, limit=2))
    assert f"**{last}**" in capsys.readouterr().out


def without_people(data: Path) -> dict[str, Any]:
    path = data / "annotations.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"annotations": []}))
    return {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_people, "has no labelled keypoints to measure on"),
        (lambda data: {"data": data / "nowhere"}, "not found; a data folder holds"),
        (lambda data: {"weights": data / "nothing.safetensors"}, "no such weights"),
        (lambda data: {"weights": data / "nothing.onnx"}, "use the safetensors"),
        (lambda data: {"out": data / "annotations.json"}, "choose another --out"),
        (lambda data: {"input_size": 100}, "multiple of 32"),
        (lambda data: {"limit": 0}, "--limit should be at least 1"),
        (lambda data: {"levels": 0}, "--levels should be at least 1"),
    ],
)
def test_mistakes_are_one_line(data: Path, weights: Path, change: Any, message: str) -> None:
    config = AnalyseConfig(data, weights)
    with pytest.raises(VoteposeError, match=message) as error:
        run(replace(config, **change(data)))
    assert "\n" not in str(error.value)
