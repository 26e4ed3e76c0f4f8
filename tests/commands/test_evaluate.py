"""`votepose evaluate`: perfect people measure 1, both kinds of weights work, mistakes are one line before the work."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers import tiny
from helpers.analysed import true_poses
from helpers.fake_model import save_fake_model
from votepose.commands import evaluate
from votepose.commands.evaluate import EvaluateConfig, run
from votepose.commands.main import main
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.evaluation.loading import load_model
from votepose.evaluation.runner import Model
from votepose.inference.flip_tta import find_in_both_views
from votepose.inference.weights import BUNDLED_ONNX, BUNDLED_SAFETENSORS
from votepose.models.checkpoint import load_network
from votepose.poses import Poses
from votepose.skeleton import COCO_17

LAST_LINE = re.compile(r"AP \d\.\d{3} AP50 \d\.\d{3} AP75 \d\.\d{3} APM (-|\d\.\d{3}) APL (-|\d\.\d{3}) AR \d\.\d{3}")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_coco(synthetic_dataset(6, 256, people=(1, 3)), tmp_path / "drawn")
    return tmp_path / "drawn"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_weights(tmp_path_factory.mktemp("weights") / "weights.safetensors")


class Oracle:
    """Knows the people of a dataset's images, and of their mirror images, by the images' bytes."""

    def __init__(self, dataset: LabelledDataset) -> None:
        self.known = {}
        for sample in dataset.samples:
            poses = true_poses(sample)
            mirrored = poses.keypoints[:, COCO_17.flip] * np.float32([-1, 1]) + np.float32([sample.image.shape[1], 0])
            self.known[sample.image.tobytes()] = poses
            flipped = np.ascontiguousarray(sample.image[:, ::-1]).tobytes()
            self.known[flipped] = replace(poses, keypoints=mirrored, seen=poses.seen[:, COCO_17.flip])

    def __call__(self, image: np.ndarray) -> Poses:
        return self.known[image.tobytes()]


@pytest.fixture
def oracle(data: Path, monkeypatch: pytest.MonkeyPatch) -> Oracle:
    """`evaluate` with weights that know everything."""
    oracle = Oracle(load_labelled(data))
    monkeypatch.setattr(evaluate, "load_model", lambda *_: Model(oracle, COCO_17, "oracle", 64, 8_600_000))
    return oracle


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("flip_test", [False, True])
def test_perfect_people_measure_one(data: Path, capsys: pytest.CaptureFixture[str], flip_test: bool) -> None:
    run(EvaluateConfig(data, flip_test=flip_test))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("AP 1.000 AP50 1.000 AP75 1.000")
    assert lines[-2].startswith("| votepose [oracle] | 8.6 | 100.0 | 100.0 |")
    assert "6 images" in lines[0]
    assert "input 64" in lines[0]


@pytest.mark.usefixtures("oracle")
def test_results_are_in_the_pixels_and_the_category_of_the_json(data: Path, tmp_path: Path) -> None:
    path = data / "annotations.json"
    truth = json.loads(path.read_text())
    truth["images"][0] |= {"width": 512, "height": 128}  # the image is 256 x 256
    truth["categories"][0]["id"] = 7
    for annotation in truth["annotations"]:
        annotation["category_id"] = 7
    path.write_text(json.dumps(truth))
    run(EvaluateConfig(data, out=tmp_path / "new" / "results.json"))
    results = json.loads((tmp_path / "new" / "results.json").read_text())
    assert {entry["category_id"] for entry in results} == {7}
    first = np.array(results[0]["keypoints"]).reshape(-1, 3)[:, :2]
    expected = np.array(truth["annotations"][0]["keypoints"]).reshape(-1, 3)[:, :2] * (2, 0.5)
    np.testing.assert_allclose(first, expected, atol=2e-3)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["results.json"]


@pytest.mark.usefixtures("oracle")
def test_what_is_left_out_is_said_and_the_rest_is_measured(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "images" / "000004.png").unlink()
    run(EvaluateConfig(data))
    output = capsys.readouterr().out
    assert "000004.png: neither in" in output
    assert "5 images" in output
    assert output.splitlines()[-1].startswith("AP 1.000")


@pytest.mark.usefixtures("oracle")
def test_the_gallery_holds_the_worst_and_the_best_once(data: Path, tmp_path: Path) -> None:
    run(EvaluateConfig(data, gallery=tmp_path / "gallery", examples=4))
    names = sorted(path.name for path in (tmp_path / "gallery").iterdir())
    assert [name[:8] for name in names] == ["best-01-", "best-02-", *(f"worst-0{k}" for k in range(1, 5))]
    assert len({name.rsplit("-", 1)[1] for name in names}) == 6
    assert Image.open(tmp_path / "gallery" / names[0]).size == (2 * 256 + 8, 256)


def test_tiny_weights_are_measured_from_the_command_line(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    options = ["--limit", "2", "--flip-test", "--presence-threshold", "0.1", "--out", str(out)]
    assert main(["evaluate", "--data", str(data), "--weights", str(weights), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert LAST_LINE.fullmatch(lines[-1])
    assert "2 images" in lines[0]
    assert "preset movenet" in lines[0]
    assert {entry["image_id"] for entry in json.loads(out.read_text())} <= {1, 2}


def test_onnx_weights_run_in_the_runtime(data: Path, fake_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--data", str(data), "--weights", str(fake_model), "--input-size", "64"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert LAST_LINE.fullmatch(lines[-1])
    assert "preset fake" in lines[0]
    assert "input 64" in lines[0]


def test_options_reach_the_model(weights: Path) -> None:
    assert load_model(weights).input_size == 64
    assert load_model(weights, input_size=96).input_size == 96
    picture = synthetic_dataset(1, 96).samples[0].image
    all_cells, none = (load_model(weights, presence_threshold=t).find(picture) for t in (0.0, 1.0))
    assert len(all_cells) >= len(none) == 0
    assert (np.diff(all_cells.scores) <= 0).all()


def other_skeleton(data: Path) -> dict[str, Any]:
    path = data / "annotations.json"
    truth = json.loads(path.read_text())
    truth["categories"][0]["keypoints"][0] = "snout"
    path.write_text(json.dumps(truth))
    return {}


def no_people(data: Path) -> dict[str, Any]:
    path = data / "annotations.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"annotations": []}))
    return {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_skeleton, "different skeleton"),
        (no_people, "has no labelled keypoints to measure on"),
        (lambda data: {"data": data / "nowhere"}, "not found; a data folder holds"),
        (lambda data: {"weights": data / "nothing.safetensors"}, "no such weights"),
        (lambda data: {"weights": data / "nothing.onnx"}, "no such weights"),
        (lambda data: {"weights": data / "annotations.json"}, "not a readable safetensors file"),
        (lambda data: {"out": data}, "--out should be a json file"),
        (lambda data: {"out": data / "annotations.json" / "x"}, "choose another --out"),
        (lambda data: {"gallery": data / "annotations.json"}, "choose another --gallery"),
        (lambda data: {"input_size": 100}, "multiple of 32"),
        (lambda data: {"limit": 0}, "--limit should be at least 1"),
        (lambda data: {"levels": 0}, "--levels should be at least 1"),
        (lambda data: {"examples": 0}, "--examples should be at least 1"),
        (lambda data: {"presence_threshold": 1.5}, r"in \[0, 1\]"),
    ],
)
def test_mistakes_are_one_line(data: Path, weights: Path, change: Any, message: str) -> None:
    config = EvaluateConfig(data, weights)
    with pytest.raises(VoteposeError, match=message) as error:
        run(replace(config, **change(data)))
    assert "\n" not in str(error.value)


def test_the_bundled_file_has_as_many_parameters_as_its_network() -> None:
    network = load_network(BUNDLED_SAFETENSORS)[0]
    trained = sum(p.numel() for p in network.parameters())
    assert load_model(BUNDLED_ONNX).parameters == trained


def test_foreign_onnx_is_one_line(data: Path, tmp_path: Path) -> None:
    save_fake_model(tmp_path / "foreign.onnx", None)
    with pytest.raises(VoteposeError, match="not from votepose"):
        run(EvaluateConfig(data, tmp_path / "foreign.onnx"))


def test_both_views_average_where_they_agree() -> None:
    sample = synthetic_dataset(1, 256, people=(1, 1)).samples[0]
    truth = true_poses(sample)
    shift = np.float32([2, 0])

    def find(image: np.ndarray) -> Poses:
        straight = np.array_equal(image, sample.image)
        poses = Oracle(LabelledDataset([sample], COCO_17))(image)
        # 2 pixels to the right as the eye sees it, in either view; the mirrored view trusts itself a third as much
        moved = replace(poses, keypoints=poses.keypoints + shift)
        return moved if straight else replace(moved, confidences=moved.confidences / 3, scores=moved.scores / 2)

    found = find_in_both_views(find, sample.image)
    assert len(found) == 1
    np.testing.assert_allclose(found.keypoints, truth.keypoints + 0.75 * shift - 0.25 * shift, atol=1e-3)
    np.testing.assert_allclose(found.scores, 0.75)
    np.testing.assert_allclose(found.confidences, 2 / 3, atol=1e-6)
    np.testing.assert_array_equal(found.seen, truth.seen)


def test_a_person_missed_in_one_view_keeps_half_the_score() -> None:
    sample = synthetic_dataset(1, 256, people=(1, 1)).samples[0]
    truth, nothing = true_poses(sample), Poses.empty(COCO_17, (256, 256))
    found = find_in_both_views(lambda image: truth if np.array_equal(image, sample.image) else nothing, sample.image)
    np.testing.assert_array_equal(found.keypoints, truth.keypoints)
    np.testing.assert_allclose(found.scores, 0.5)
    assert len(find_in_both_views(lambda _: nothing, sample.image)) == 0
