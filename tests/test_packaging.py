"""What is shipped: a runtime without training libraries, weights in the wheel, credited images, free dependencies."""

from __future__ import annotations

import importlib.metadata
import pydoc
import re
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import votepose
from votepose.data.coco_writer import write_coco
from votepose.data.toy import synthetic_dataset
from votepose.errors import installing

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PICTURES = sorted(path for path in (ROOT / "examples").glob("*") if path.suffix in (".jpg", ".jpeg", ".png", ".webp"))
PACKAGE = ROOT / "src/votepose"
RUNTIME_FOLDERS = ("utils", "io", "inference", "outputs", "video", "visualization", "explain", "cluster", "server")
TRAINING_COMMANDS = (
    "ablate",
    "analyse",
    "calibrate",
    "check",
    "convert",
    "evaluate",
    "export",
    "synth",
    "train",
)
TRAINING = (
    "torch",
    "torchvision",
    "cv2",
    "timm",
    "matplotlib",
    "onnx",
    "pytorch_lightning",
    "safetensors",
    "faster_coco_eval",
    "rich",
)
PERMISSIVE = ("MIT", "BSD", "APACHE", "PSF", "0BSD", "ZLIB", "CC0", "ISC", "HPND", "UNLICENSE")

BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError("blocked by the test: " + name, name=name)

sys.meta_path.insert(0, Blocker())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def runtime_modules() -> list[str]:
    """Every module that must work without the training extra, by its import path."""
    files = [*PACKAGE.glob("*.py"), *(path for name in RUNTIME_FOLDERS for path in (PACKAGE / name).rglob("*.py"))]
    files += [path for path in (PACKAGE / "commands").glob("*.py") if path.stem not in TRAINING_COMMANDS]
    others = (PACKAGE / "__main__.py", PACKAGE / "visualization/figures.py")  # charts need the extra [plot]
    parts = [path.relative_to(ROOT / "src").with_suffix("").parts for path in files if path not in others]
    return sorted(".".join(part for part in module if part != "__init__") for module in parts)


def test_runtime_needs_no_training_library() -> None:
    modules = runtime_modules()
    assert {"votepose.predictor", "votepose.commands.predict", "votepose.io.results.jsonl"} <= set(modules)
    done = python(BLOCKER.format(blocked=TRAINING) + f"import {', '.join(modules)}\nvotepose.load")
    assert done.returncode == 0, done.stderr


def test_the_blocker_blocks() -> None:
    done = python(BLOCKER.format(blocked=TRAINING) + "import onnx")
    assert "blocked by the test: onnx" in done.stderr


def test_import_alone_loads_nothing_heavy() -> None:
    done = python("import sys, votepose; print(*sys.modules)")
    assert not {"onnxruntime", "numpy", "PIL", *TRAINING} & set(done.stdout.split()), done.stderr


def test_the_package_offers_its_public_names_and_types() -> None:
    assert dir(votepose) == sorted(votepose.__all__)
    for name in votepose.__all__:
        assert getattr(votepose, name) is not None
    with pytest.raises(AttributeError, match="poses_of"):
        _ = votepose.poses_of
    text = pydoc.plain(pydoc.render_doc(votepose))
    assert "load(" in text
    assert "class Predictor(" in text
    assert (PACKAGE / "py.typed").is_file()


def test_version_is_the_same_everywhere() -> None:
    done = python("import votepose; print(votepose.__version__)")
    assert done.stdout.strip() == PROJECT["project"]["version"]
    changelog = ROOT / "CHANGELOG.md"
    assert f"[{done.stdout.strip()}]" in changelog.read_text()


def test_the_model_is_in_the_wheel_and_training_weights_are_not() -> None:
    targets = PROJECT["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"] == {"packages": ["src/votepose"], "exclude": ["*.safetensors"]}
    for_research = [f"/src/votepose/weights/{name}.safetensors" for name in ("lite", "mobile")]
    left_out = ["/.venv-demo", *for_research]  # the rest is what git tracks
    assert targets["sdist"] == {"exclude": left_out}
    ignored = [
        line.strip() for line in (ROOT / ".gitignore").read_text().splitlines()
    ]  # hatch leaves these out as well
    assert not [pattern for pattern in ignored if re.search(r"weights|\.onnx|\.safetensors|^\*$", pattern)]


def test_the_models_in_the_wheel_are_small() -> None:
    weights = PACKAGE / "weights"
    shipped = [path for path in weights.rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    sizes = {path.name: len(zlib.compress(path.read_bytes())) for path in shipped}
    assert sizes.keys() == {"votepose.onnx", "fast.onnx"}
    assert sizes["votepose.onnx"] < 11.1e6
    assert sizes["fast.onnx"] < 8.5e6


def test_pictures_are_small() -> None:
    assert PICTURES
    assert sum(path.stat().st_size for path in PICTURES) < 2e6


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_each_picture_is_credited(picture: Path) -> None:
    rows = (ROOT / "examples/CREDITS.md").read_text().splitlines()
    (row,) = [row for row in rows if row.startswith(f"| `{picture.name}` |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 6
    assert all(cells)
    for notice in re.findall(r"licenses/[\w.-]+", row):
        assert (ROOT / "examples" / notice).is_file()


def test_every_credit_has_its_picture() -> None:
    named = re.findall(r"^\| `([^`]+)` \|", (ROOT / "examples/CREDITS.md").read_text(), re.MULTILINE)
    assert sorted(named) == [picture.name for picture in PICTURES]


def test_runtime_dependencies_are_permissive() -> None:
    for name in installed_closure(PROJECT["project"]["dependencies"]):
        terms = license_terms(name)
        assert terms, f"{name} states no licence"
        assert all(any(word in term.upper() for word in PERMISSIVE) for term in terms), f"{name}: {terms}"
        assert not [term for term in terms if "GPL" in term.upper()], f"{name}: {terms}"


def installed_closure(requirements: list[str]) -> set[str]:
    """Names of the installed distributions that the requirements need, directly or not."""
    waiting, found = list(requirements), set[str]()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            waiting += importlib.metadata.requires(name) or []
    return found


def license_terms(name: str) -> list[str]:
    """The licences in a distribution's metadata: its licence expression, else its licence field and classifiers."""
    metadata = importlib.metadata.metadata(name)
    if "License-Expression" in metadata:
        return [term for term in re.split(r" AND | OR |[()]", metadata["License-Expression"]) if term]
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    field = [line for line in (metadata.get("License") or "").splitlines()[:1] if line != "UNKNOWN"]
    return field + classifiers


def test_onnx_files_are_evaluated_and_described_without_torch(tmp_path: Path, fake_model: Path) -> None:
    write_coco(synthetic_dataset(2, 96, people=(1, 2)), tmp_path / "data")
    blocked = ("torch", "torchvision", "timm", "pytorch_lightning", "safetensors", "matplotlib", "rich")
    script = BLOCKER.format(blocked=blocked) + "from votepose.commands.main import main\nsys.exit(main({}))"

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return python(script.format([str(argument) for argument in arguments]))

    evaluated = run("evaluate", "--data", tmp_path / "data", "--weights", fake_model)
    assert evaluated.returncode == 0, evaluated.stderr
    assert evaluated.stdout.splitlines()[-1].startswith("AP 0.")
    described = run("info", "--weights", fake_model)
    assert described.returncode == 0, described.stderr
    assert "the list of presets needs torch: pip install " in described.stdout
    assert "preset fake, input 96, 17 keypoints" in described.stdout
    for command in (
        ("check", tmp_path / "data", "--examples", 0),
        ("convert", tmp_path / "data", "--out", tmp_path / "yolo"),
    ):
        assert run(*command).returncode == 0
    refused = run("info", "--weights", tmp_path / "a.safetensors")
    assert (refused.returncode, refused.stdout.count("Traceback")) == (2, 0)
    (tmp_path / "a.safetensors").touch()
    missing = run("evaluate", "--data", tmp_path / "data", "--weights", tmp_path / "a.safetensors")
    wanted = f"votepose: error: votepose evaluate needs torch, which is not installed: {installing('train')}\n"
    assert (missing.returncode, missing.stderr) == (2, wanted)
