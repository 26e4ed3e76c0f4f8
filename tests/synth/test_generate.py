"""`votepose synth` from the command line: repeatable, resumable, and plain about mistakes."""

import json
import re
import signal
from pathlib import Path

import pytest

from votepose.commands.main import main
from votepose.commands.synth import run
from votepose.data.labelled import load_labelled
from votepose.synth.config import SynthConfig
from votepose.synth.shards import Scene

pytest.importorskip("anny")
from votepose.synth import generate


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth") / "made"
    run(SynthConfig(folder, count=4, seed=3, size=96, people=(1, 3), sheet=2, workers=1))
    return folder


def test_what_is_made_can_be_trained_on(made):
    dataset = load_labelled(made)
    assert len(dataset.samples) == 4
    assert not dataset.left_out
    assert sum(len(sample.keypoints) for sample in dataset.samples) >= 3
    assert max(dataset.samples[0].image.shape[:2]) == 96
    assert all(sample.complete for sample in dataset.samples)
    assert (made / "sheet.jpg").stat().st_size > 1000


def test_the_same_seed_gives_the_same_bytes(made, tmp_path):
    run(SynthConfig(tmp_path / "again", count=4, seed=3, size=96, people=(1, 3), sheet=2, workers=2))
    assert content(tmp_path / "again") == content(made)


def test_a_whole_folder_is_not_made_again(made, capsys):
    before = {path: path.stat().st_mtime_ns for path in made.glob("*.zip")}
    assert (
        main(
            [
                "synth",
                "--out",
                str(made),
                "--count",
                "4",
                "--seed",
                "3",
                "--size",
                "96",
                "--people",
                "1",
                "3",
                "--sheet",
                "0",
            ]
        )
        == 0
    )
    assert {path: path.stat().st_mtime_ns for path in made.glob("*.zip")} == before
    assert "4 images" in capsys.readouterr().out


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_whole_shards_and_nothing_half_written(stop, tmp_path, monkeypatch, capsys):
    def scenes(config, backgrounds, shards):
        for index in range(generate.SHARD + 3):
            yield Scene(index, 8, 8, b"jpeg", [])
        assert list(out.glob("*.partial*"))
        signal.raise_signal(stop)
        yield Scene(index + 1, 8, 8, b"jpeg", [])

    out = tmp_path / "out"
    monkeypatch.setattr(generate, "_scenes", scenes)
    before = signal.signal(stop, signal.default_int_handler if stop == signal.SIGINT else lambda *_: None)
    try:
        assert main(["synth", "--out", str(out), "--count", str(2 * generate.SHARD)]) == 130
    finally:
        signal.signal(stop, before)
    assert capsys.readouterr().err == "votepose: stopped; the results so far are kept\n"
    assert sorted(content(out)) == ["images-00000.zip", "shards/00000.json", "synth.json"]


def test_another_seed_needs_another_folder(made, capsys):
    assert main(["synth", "--out", str(made), "--count", "4", "--seed", "4", "--size", "96", "--people", "1", "3"]) == 2
    assert "made with seed 3, not 4; use a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--count", "0"], "count should be 1 to"),
        (["--seed", "-1"], "seed should be 0 to"),
        (["--size", "5000"], "size should be 64 to 2048"),
        (["--people", "0", "3"], "people should be a range"),
        (["--occlusion", "0.95"], r"occlusion should be in \[0, 0.8\]"),
        (["--props", "2"], "props should be 0 to 1"),
        (["--workers", "0"], "workers should be 1 to 256"),
        (["--layouts", "nowhere.npz"], "nowhere.npz"),
        (["--backgrounds", "nowhere"], "nowhere"),
        (["--device", "cuda:7"], "no device 'cuda:7'"),
    ],
)
def test_mistakes_are_told_in_one_line_and_nothing_is_left(options, complaint, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["synth", "--out", str(out), *options]) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert re.search(complaint, error)
    assert not out.exists()


@pytest.mark.parametrize("files", [{}, {"a.jpg": b"broken", "b.png": b""}])
def test_backgrounds_that_hold_no_picture_are_refused(files, tmp_path, capsys):
    folder = tmp_path / "backgrounds"
    folder.mkdir()
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    assert main(["synth", "--out", str(tmp_path / "out"), "--backgrounds", str(folder)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_names_the_command_that_installs_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("importlib.import_module", _without_anny)
    assert main(["synth", "--out", str(tmp_path / "out")]) == 2
    assert 'pip install ".[synth]"' in capsys.readouterr().err


def _without_anny(name: str) -> None:
    raise ModuleNotFoundError("No module named 'anny'", name="anny")


def test_the_json_tells_how_the_pictures_were_made(made):
    options = json.loads((made / "annotations.json").read_text())["info"]["options"]
    assert options["seed"] == 3
    assert options["size"] == 96
    assert "workers" not in options
