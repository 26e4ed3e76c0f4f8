"""`votepose ablate`: the paper's cells and figures, each trained once, and a table that says what is seen."""

from __future__ import annotations

import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import tyro

from helpers import tiny
from votepose.commands import ablate
from votepose.commands.ablate import AblateConfig, run
from votepose.commands.main import main
from votepose.errors import VoteposeError
from votepose.evaluation.coco_metrics import KeypointMetrics
from votepose.models import presets
from votepose.models.checkpoint import save_weights
from votepose.models.config import NetworkConfig
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset, preset, votes_only
from votepose.training.ablation_tables import Measured, document, own_options, table_2
from votepose.training.config import TrainConfig
from votepose.training.recipes import Recipe


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_data(tmp_path_factory.mktemp("data") / "drawn", count=3)


@pytest.fixture(autouse=True)
def _tiny_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(presets._PRESETS, "movenet", tiny.PRESET)
    tiny.train_on_few_poses(monkeypatch)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Preset]]:
    """Training that takes no time and teaches nothing; the folders and networks that it was asked for."""
    calls: list[tuple[str, Preset]] = []

    def no_training(config: TrainConfig, chosen: Preset, recipe: Recipe) -> None:
        calls.append((config.out.name, chosen))
        config.out.mkdir(parents=True)
        save_weights(config.out / "weights.safetensors", PoseNet(chosen.network), tiny.metadata(chosen.network))

    monkeypatch.setattr(ablate, "fit", no_training)
    return calls


def tiny_config(data: Path, out: Path, **changes: Any) -> AblateConfig:
    config = AblateConfig(
        (str(data),),
        data,
        ("movenet",),
        steps=2,
        batch_size=2,
        input_size=64,
        workers=0,
        precision="32-true",
        accelerator="cpu",
        freeze="none",
        limit=1,
        out=out,
    )
    return replace(config, **changes)


def test_the_cells_of_table_2_are_trained_measured_and_written(data: Path, tmp_path: Path) -> None:
    run(tiny_config(data, tmp_path, limit=None))
    table = (tmp_path / "table.md").read_text()
    rows = [line for line in table.splitlines() if "| movenet |" in line]
    assert [row.split(" | ")[0] for row in rows] == [
        "| with both",
        "| w/o both (only 1x1 conv head)",
        "| w/o hourglass for heatmap",
        "| w/o transformer in grouping",
    ]
    sizes = [float(row.split(" | ")[2]) for row in rows]
    assert sizes[1] <= min(sizes[2], sizes[3]) <= max(sizes[2], sizes[3]) <= sizes[0]
    assert sizes[1] < sizes[0]
    assert "not yet" not in table
    assert "3 images with" in table
    assert not list(tmp_path.glob("*/last.ckpt"))
    assert shlex.join(["votepose", "ablate", "--data", str(data)]) in table


def test_what_is_finished_is_not_done_again(data: Path, tmp_path: Path, trained: list[Any]) -> None:
    config = tiny_config(data, tmp_path)
    run(config)
    before, calls = (tmp_path / "table.md").read_text(), len(trained)
    run(config)
    assert len(trained) == calls == 4
    assert (tmp_path / "table.md").read_text() == before


def test_a_stopped_ablation_goes_on(
    data: Path, tmp_path: Path, trained: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, training = tiny_config(data, tmp_path), ablate.fit

    def stop_at_the_third(*args: Any) -> None:
        if len(trained) == 2:
            raise KeyboardInterrupt
        training(*args)

    with monkeypatch.context() as patch:
        patch.setattr(ablate, "fit", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            run(config)
    assert (tmp_path / "table.md").read_text().count("not yet") == 2
    run(config)
    assert len(trained) == 4
    assert "not yet" not in (tmp_path / "table.md").read_text()


def test_our_options_are_switched_off_one_by_one(data: Path, tmp_path: Path, trained: list[Any]) -> None:
    run(tiny_config(data, tmp_path, ours=("movenet",)))
    table = (tmp_path / "table.md").read_text()
    for title in (
        "as it is",
        "no proposals",
        "absolute vectors, no proposals",
        "positions added to the tokens",
        "no scales",
        "no pose refiner",
        "mean pooling",
        "Euclidean rule, fixed threshold",
    ):
        assert f"| {title} | movenet |" in table
    runs = [name for name, _ in trained]
    assert (
        len(runs) == len(set(runs)) == 4 + 6 - 1
    )  # differences in grouping alone are not trained, and `no pose refiner` is Table 2's `with both`


@pytest.mark.parametrize("name", ["movenet", "lite"])
def test_a_row_of_ours_differs_in_what_it_says(name: str) -> None:
    whole, *rows = own_options(name)
    for row in rows:
        differing = {
            part: {f.name for f in fields(old) if getattr(old, f.name) != getattr(new, f.name)}
            for part in ("network", "grouping")
            for old, new in [(getattr(whole.chosen, part), getattr(row.chosen, part))]
        }
        network, grouping = differing["network"], differing["grouping"]
        assert bool(network) != bool(grouping)
        assert (row.run == whole.run) == bool(grouping)
        assert len(network - {"proposals"}) <= 1
        assert len(grouping - {"threshold"}) == 1 or "paper's grouping" in row.name or not grouping
    assert len({row.key for row in rows}) == len(rows)
    assert ("no proposals" in [row.name for row in rows]) == (name == "movenet")


@pytest.mark.parametrize("network", [tiny.NETWORK, replace(tiny.NETWORK, hourglass=False)])
def test_cells_share_a_run_only_with_the_same_network(monkeypatch: pytest.MonkeyPatch, network: NetworkConfig) -> None:
    monkeypatch.setitem(presets._PRESETS, "movenet", replace(tiny.PRESET, network=network))
    cells = table_2("movenet", False) + own_options("movenet")
    trained = {(cell.run, cell.chosen.network) for cell in cells}
    assert len(trained) == len({run for run, _ in trained}) == len({network for _, network in trained})


@pytest.mark.parametrize("paper", [False, True])
def test_table_2_has_the_papers_figures(paper: bool) -> None:
    figures = {
        (cell.preset, cell.name.split(" (")[0]): cell.paper
        for name in ("mobile", "maxvit")
        for cell in table_2(name, paper)
    }
    assert figures == {
        ("mobile", "with both"): 48.9,
        ("maxvit", "with both"): 68.8,
        ("mobile", "w/o both"): 11.4,
        ("maxvit", "w/o both"): 17.1,
        ("mobile", "w/o hourglass for heatmap"): 43.1,
        ("maxvit", "w/o hourglass for heatmap"): 57.7,
        ("mobile", "w/o transformer in grouping"): 56.0,
        ("maxvit", "w/o transformer in grouping"): 61.2,
    }
    whole = preset("mobile", paper)
    assert table_2("mobile", paper)[0].chosen == replace(whole, network=votes_only(whole.network))


def test_the_table_says_what_is_seen() -> None:
    cells = table_2("mobile", False)
    measured = {
        cell.key: Measured(8_600_000, KeypointMetrics(ap, 0.5, 0.2, 0.1, 0.3, 0.4))
        for cell, ap in zip(cells, (0.25, 0.05, 0.20, 0.22), strict=True)
    }
    text = document(["head"], {"Table 2": cells}, measured)
    assert "| with both | mobile | 8.60 | 48.9 | 25.0 | 50.0 | 20.0 | 10.0 | 30.0 |" in text
    assert "- mobile, w/o hourglass for heatmap: -5.0 AP against `with both`; in the paper -5.8\n" in text
    assert "w/o transformer in grouping: -3.0 AP against `with both`; in the paper +7.1, although" in text


def test_the_table_says_when_nothing_can_be_seen() -> None:
    cells = table_2("mobile", False)
    measured = {cells[0].key: Measured(8_600_000, KeypointMetrics(0.0, 0.0, 0.0, 0.0, 0.0, 0.0))}
    assert "has an AP of 0: train for longer" in document([], {"Table 2": cells}, measured)


def test_without_data_figures_are_drawn(tmp_path: Path, trained: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablate, "_DRAWN", {"train": 3, "val": 2})
    run(AblateConfig(presets=("movenet",), input_size=64, accelerator="cpu", freeze="none", out=tmp_path))
    table = (tmp_path / "table.md").read_text()
    assert f"{tmp_path / 'drawn-train-64'} (3 images)" in table
    assert "Measured on 2 images" in table
    first, second = ((tmp_path / f"drawn-{part}-64" / "annotations.json").read_text() for part in ("train", "val"))
    assert first != second


def test_the_command_in_the_table_is_the_command(data: Path, tmp_path: Path) -> None:
    config = tiny_config(data, tmp_path, ours=("movenet",), paper=True, backbone_weights=("movenet=a b.safetensors",))
    words = shlex.split(ablate._command(config))
    markers = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    assert tyro.cli(AblateConfig, args=words[2:], config=markers) == config
    assert ablate._command(AblateConfig()) == "votepose ablate"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"presets": ("huge",)}, "no preset 'huge'"),
        ({"ours": ("huge",)}, "no preset 'huge'"),
        ({"val": None}, "--data and --val go together"),
        ({"data": ()}, "--data and --val go together"),
        ({"data": ("nowhere",)}, "nowhere/annotations.json: not found"),
        ({"steps": 0}, "--steps should be at least 1"),
        ({"input_size": 100}, "multiple of 32"),
        ({"backbone_weights": ("a.safetensors",)}, "PRESET=FILE"),
        ({"backbone_weights": ("movenet=nowhere.safetensors",)}, "nowhere.safetensors"),
    ],
)
def test_mistakes_are_one_line(data: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(VoteposeError) as error:
        run(replace(tiny_config(data, tmp_path), **changes))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_frozen_backbone_without_weights_is_refused_before_any_training(
    data: Path, tmp_path: Path, trained: list[Any]
) -> None:
    config = tiny_config(data, tmp_path, presets=("mobile",), ours=("movenet",), freeze=None)
    with pytest.raises(VoteposeError, match=r"movenet backbone is frozen but has no weights: use --backbone-weights"):
        run(config)
    assert not trained


def test_an_out_of_other_settings_is_not_continued(
    data: Path, tmp_path: Path, trained: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(VoteposeError, match="not found"):
        run(tiny_config(data, tmp_path, val=tmp_path / "nowhere"))
    run(tiny_config(data, tmp_path))  # what never began does not count
    with pytest.raises(VoteposeError, match="made with steps 2, not 3"):
        run(tiny_config(data, tmp_path, steps=3))
    assert main(["ablate", "--data", str(data), "--val", str(data), "--out", str(tmp_path)]) == 2
    assert "choose another --out" in capsys.readouterr().err
