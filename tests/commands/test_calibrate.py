"""`votepose calibrate`: which people are judged, weights that come out calibrated, mistakes in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from helpers import tiny
from votepose.commands import calibrate, export
from votepose.commands.calibrate import CalibrateConfig, run
from votepose.commands.export import ExportConfig
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.data.sample import Sample
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.evaluation.calibration.fit import fit
from votepose.evaluation.calibration.samples import collect_samples
from votepose.export.backends import run_onnx, run_torch
from votepose.export.onnx_graph import noise
from votepose.grouping import GroupingConfig
from votepose.models.calibration import Calibration, Curve
from votepose.models.checkpoint import load_network, read_metadata, save_weights
from votepose.models.estimator import PoseEstimator
from votepose.models.loading import load_estimator
from votepose.models.outputs import PoseOutputs
from votepose.models.posenet import PoseNet
from votepose.predictor import load
from votepose.skeleton import COCO_17, Skeleton

KAPPAS = COCO_17.kappas
SIZE = 256


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tiny.write_weights(tmp_path / "weights.safetensors")


@pytest.fixture
def dataset() -> LabelledDataset:
    return synthetic_dataset(8, SIZE, people=(1, 2))


@pytest.fixture
def data(dataset: LabelledDataset, tmp_path: Path) -> Path:
    write_coco(dataset, tmp_path / "drawn")
    return tmp_path / "drawn"


class Oracle(PoseEstimator):
    """Finds all people in known images, off by `noise` pixels, and one false detection in each."""

    def __init__(self, samples: list[Sample], noise: float = 0.0) -> None:
        super().__init__(PoseNet(tiny.NETWORK), torch.from_numpy(KAPPAS), GroupingConfig())
        self.known = {sample.image.tobytes(): sample for sample in samples}
        self.rng, self.noise = np.random.default_rng(0), noise

    def forward(self, images: Tensor, presence_threshold: Tensor) -> PoseOutputs:
        sample = self.known[images[0].numpy().tobytes()]
        v = np.concatenate([sample.keypoints[..., 2], np.ones((1, 17))])
        points = np.concatenate([sample.keypoints[..., :2], np.full((1, 17, 2), 1e4)])
        points = torch.from_numpy(points + self.rng.normal(0, 1, points.shape) * self.noise).float()
        count = len(points)
        scores = torch.tensor([0.9] * (count - 1) + [0.4])
        visible = torch.from_numpy(v).float() * 2 + torch.rand(count, 17)
        return PoseOutputs(
            torch.zeros(count, dtype=torch.int64),
            points,
            self.calibration.of_joints(torch.rand(count, 17)),
            self.calibration.is_seen(visible),
            self.calibration.of_people(scores),
            torch.zeros(1, 64, 64),
        )


@pytest.fixture
def oracle(data: Path, monkeypatch: pytest.MonkeyPatch) -> Oracle:
    """`calibrate` with weights that find all people."""
    estimator = Oracle(load_labelled(data).samples, noise=3.0)
    monkeypatch.setattr(
        calibrate, "load_estimator", lambda path: (estimator, replace(read_metadata(path), input_size=SIZE))
    )
    return estimator


def test_people_are_judged_against_their_own_truth(dataset: LabelledDataset) -> None:
    oracle = Oracle(dataset.samples)
    oracle.calibration = Calibration(people=Curve(2.0), seen=0.5)
    judged = collect_samples(oracle, dataset.samples, SIZE, COCO_17)
    people = sum(len(sample.keypoints) for sample in dataset.samples)
    assert len(judged.scores) == people + len(dataset.samples)
    real = judged.oks > 0
    assert real.sum() == people
    np.testing.assert_allclose(judged.oks[real], 1, atol=1e-4)
    np.testing.assert_allclose(judged.scores[real], 0.9)  # uncalibrated
    assert oracle.calibration.seen == 0.5  # as before
    v = np.concatenate([sample.keypoints[..., 2] for sample in dataset.samples])
    assert judged.labelled.sum() == (v > 0).sum()
    assert judged.visible.sum() == (v == 2).sum()
    np.testing.assert_allclose(judged.kept[judged.labelled], 1, atol=1e-4)
    assert judged.picture.max() == len(dataset.samples) - 1


def test_kept_falls_with_the_distance_as_oks_does(dataset: LabelledDataset) -> None:
    judged = collect_samples(Oracle(dataset.samples, noise=4.0), dataset.samples, SIZE, COCO_17)
    for kept, labelled, oks in zip(judged.kept, judged.labelled, judged.oks, strict=True):
        if labelled.any():
            assert kept[labelled].mean() == pytest.approx(oks, abs=1e-4)


def test_possibly_unlabelled_people_are_left_out(dataset: LabelledDataset) -> None:
    sample = dataset.samples[0]
    for changed in (replace(sample, complete=False), replace(sample, ignore=np.float32([[5000, 5000, 9000, 9000]]))):
        judged = collect_samples(Oracle([changed]), [changed], SIZE, COCO_17)
        assert len(judged.scores) == len(sample.keypoints)
        assert (judged.oks > 0.9).all()


def test_weights_come_out_the_same_but_calibrated(
    oracle: Oracle, data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "new" / "calibrated.safetensors", tmp_path / "report"
    run(CalibrateConfig((data,), weights, out, report=report))
    samples = load_labelled(data).samples
    metadata = read_metadata(out)
    assert len(metadata.calibration.joints) == 17
    assert replace(metadata, calibration=Calibration()) == replace(read_metadata(weights), input_size=SIZE)
    for name, value in load_network(out)[0].state_dict().items():
        assert value.shape == oracle.network.state_dict()[name].shape
    text = capsys.readouterr().out
    assert f"{len(samples)} images" in text
    assert "| current: predicted | ECE | calibrated: predicted | ECE |" in text
    assert len([line for line in text.splitlines() if line.startswith("| left_")]) == 8
    assert (report / "report.md").read_text().count("| people |") == 1
    assert Image.open(report / "reliability.png").size[0] > 500
    assert [p.name for p in out.parent.iterdir()] == [out.name]


@pytest.mark.usefixtures("oracle")
def test_without_out_it_only_measures(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    run(CalibrateConfig((data, data), weights, limit=2))
    text = capsys.readouterr().out
    assert text.startswith("4 images")
    assert "current" in text
    assert "calibrated" not in text
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.usefixtures("oracle")
def test_unusable_data_are_reported(data: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = load_labelled(data).samples[0].name
    (data / "images" / name).write_bytes(b"no image")
    run(CalibrateConfig((data,), weights))
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{data}: {name}: ")
    assert rest[0].startswith("7 images")


def test_calibrated_weights_are_loaded_so(weights: Path, tmp_path: Path, dataset: LabelledDataset) -> None:
    calibration = fit(collect_samples(Oracle(dataset.samples, noise=3.0), dataset.samples, SIZE, COCO_17))
    network, metadata = load_network(weights)
    save_weights(tmp_path / "c.safetensors", network, replace(metadata, calibration=calibration))
    estimator = load_estimator(tmp_path / "c.safetensors")[0]
    assert estimator.calibration == calibration
    assert load_estimator(weights)[0].calibration == Calibration()


def complaint(config: CalibrateConfig) -> str:
    with pytest.raises(VoteposeError) as caught:
        run(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_mistakes_are_one_line(data: Path, weights: Path, tmp_path: Path) -> None:
    good = CalibrateConfig((data,), weights, tmp_path / "out.safetensors")
    assert "no such weights file" in complaint(replace(good, weights=tmp_path / "missing.safetensors"))
    assert "not found" in complaint(replace(good, data=(tmp_path / "missing",)))
    assert "--limit should be at least 1" in complaint(replace(good, limit=0))
    assert "needs at least one folder" in complaint(replace(good, data=()))
    assert "should end in .safetensors" in complaint(replace(good, out=tmp_path / "out.onnx"))
    (tmp_path / "file").touch()
    assert "--report" in complaint(replace(good, report=tmp_path / "file"))
    assert "finds none of the labelled people" in complaint(replace(good, limit=1))  # it has learnt nothing
    write_coco(synthetic_dataset(2, 64, people=(0, 0)), tmp_path / "empty")
    assert "has no labelled keypoints" in complaint(replace(good, data=(tmp_path / "empty",)))
    paws = Skeleton(tuple(f"paw{k}" for k in range(17)), (), (0.1,) * 17, "cat")
    write_coco(replace(synthetic_dataset(2, 64), skeleton=paws), tmp_path / "cats")
    assert "different skeleton" in complaint(replace(good, data=(tmp_path / "cats",)))
    assert not good.out.exists()


def test_the_exported_graph_is_calibrated_as_pytorch_is(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.export_on_small_pictures(monkeypatch)
    tiny.refine_small_regions(monkeypatch)
    network, metadata = load_network(weights)
    bent = Calibration(tuple(Curve(0.5 + k / 20, 1.2, -1.5) for k in range(17)), Curve(0.5, 0.9, 0.4), 0.01)
    save_weights(tmp_path / "c.safetensors", network, replace(metadata, calibration=bent))
    export.run(ExportConfig(tmp_path / "c.safetensors", tmp_path / "c.onnx"))
    assert Calibration.from_dict(load(tmp_path / "c.onnx").metadata["calibration"], 17) == bent
    images = noise(96, 64, 2).numpy()
    wanted = run_torch(load_estimator(tmp_path / "c.safetensors")[0])(images, 0.0)
    plain = run_torch(load_estimator(weights)[0])(images, 0.0)
    found = run_onnx(tmp_path / "c.onnx")(images, 0.0)
    assert len(found["scores"]) > 1
    for name in ("scores", "confidences"):
        np.testing.assert_allclose(np.sort(found[name], axis=0), np.sort(wanted[name], axis=0), atol=0.01)
        assert abs(np.sort(found[name], axis=0) - np.sort(plain[name], axis=0)).max() > 0.05
    assert abs(found["seen"].mean() - wanted["seen"].mean()) < 0.05
