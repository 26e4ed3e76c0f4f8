"""One resolver for weights: the bundled files, names of files in the package, paths; a missing file is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

import votepose
from votepose.errors import VoteposeError
from votepose.inference import weights
from votepose.inference.weights import BUNDLED_ONNX, BUNDLED_SAFETENSORS, FOLDER, chosen_weights, resolve_weights


@pytest.mark.parametrize(("suffix", "file"), [(".onnx", BUNDLED_ONNX), (".safetensors", BUNDLED_SAFETENSORS)])
def test_none_and_bundled_name_the_file_in_the_package(suffix: str, file: Path) -> None:
    for name in (None, "bundled", Path("bundled")):
        assert resolve_weights(name, suffix) == file


def test_the_models_of_the_package_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fast").touch()  # a file of that name does not come first
    assert resolve_weights(chosen_weights("accurate", None), ".onnx") == BUNDLED_ONNX
    assert resolve_weights(chosen_weights("fast", None), ".onnx") == FOLDER / "fast.onnx"
    for suffix in (".onnx", ".safetensors"):  # exports of these are not bundled
        for name in ("lite", "mobile"):
            assert resolve_weights(name, suffix) == FOLDER / f"{name}.safetensors"
    assert chosen_weights(None, Path("mine.onnx")) == Path("mine.onnx")


def test_another_model_is_refused_with_the_names() -> None:
    with pytest.raises(VoteposeError, match=r"^--model medium: no such model; choose accurate or fast$"):
        chosen_weights("medium", None)
    with pytest.raises(VoteposeError, match=r"^--model fast: cannot be combined with --weights"):
        chosen_weights("fast", Path("mine.onnx"))


def test_a_path_names_itself_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "mine.bin").touch()
    for name in (tmp_path / "mine.bin", str(tmp_path / "mine.bin")):
        assert resolve_weights(name, ".onnx") == tmp_path / "mine.bin"


def test_a_bare_name_may_be_a_file_of_the_package_but_a_file_here_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "mobile.onnx").touch()
    monkeypatch.setattr(weights, "FOLDER", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    assert resolve_weights("mobile", ".onnx") == tmp_path / "package" / "mobile.onnx"
    Path("mobile").touch()
    assert resolve_weights("mobile", ".onnx") == Path("mobile")


def test_a_missing_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VoteposeError, match=r"^nets: no such weights; use accurate, fast or an ONNX file written by"):
        resolve_weights("nets", ".onnx")
    with pytest.raises(VoteposeError, match=r"^a.safetensors: no such weights file$"):
        resolve_weights("a.safetensors", ".onnx")
    monkeypatch.setattr(weights, "BUNDLED_SAFETENSORS", tmp_path / "votepose.safetensors")
    with pytest.raises(VoteposeError, match=r"no such weights file \(.*pip install -e \. in it\)$"):
        resolve_weights("bundled", ".safetensors")


def test_load_knows_bundled(fake_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "BUNDLED_ONNX", fake_model)  # the real one takes seconds to load
    assert votepose.load("bundled").metadata == votepose.load().metadata
