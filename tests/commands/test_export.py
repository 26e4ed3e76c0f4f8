"""Exported files: the same people as PyTorch at any batch and size; grouping in the graph equals NumPy's; errors."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from helpers import tiny
from helpers.bodies import KAPPAS, people_apart
from test_grouping import cast
from votepose.commands.export import ExportConfig, run
from votepose.errors import VoteposeError
from votepose.export.backends import (
    OPENVINO_OPTIONS,
    Answer,
    Run,
    check_same,
    run_onnx,
    run_torch,
    write_openvino,
    write_torch,
)
from votepose.export.onnx_graph import noise, trace
from votepose.grouping import PAPER, GroupingConfig, Groups, group
from votepose.inference.graph_outputs import OUTPUTS
from votepose.inference.runtime import import_openvino
from votepose.models.backbones.build import build_backbone
from votepose.models.estimator import PoseEstimator
from votepose.models.loading import load_estimator
from votepose.models.posenet import PoseNet
from votepose.predictor import load


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a network that finds people even in the smallest of noise.

    All its cells vote: which of two with the same presence is the last of the candidates hangs on rounding.
    """
    return tiny.write_weights(tmp_path_factory.mktemp("weights") / "weights.safetensors", 1, GroupingConfig())


@pytest.fixture(scope="module")
def estimator(weights: Path) -> PoseEstimator:
    return load_estimator(weights)[0]


@pytest.fixture(scope="module", autouse=True)
def _traced_once() -> Iterator[None]:
    """Each file of these weights is of the same trace and is compared with the same outputs: both take seconds."""
    traced: list[onnx.ModelProto] = []
    answers: dict[tuple[object, ...], Answer] = {}

    def remembered(estimator: PoseEstimator) -> Run:
        def answer(images: np.ndarray, threshold: float) -> Answer:
            asked = (*images.shape, threshold)
            if asked not in answers:
                answers[asked] = run_torch(estimator)(images, threshold)
            return answers[asked]

        return answer

    def again(estimator: PoseEstimator, path: Path) -> onnx.ModelProto:
        if not traced:
            traced.append(trace(estimator, path))
        model = onnx.ModelProto()
        model.CopyFrom(traced[0])  # packing and halving change it
        return model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("votepose.export.write.trace", again)
        patch.setattr("votepose.export.write.run_torch", remembered)
        tiny.export_on_small_pictures(patch)
        tiny.refine_small_regions(patch)
        yield


@pytest.fixture(scope="module")
def graph(weights: Path) -> Path:
    """The exported ONNX file, in float32."""
    out = weights.with_name("tiny.onnx")
    run(ExportConfig(weights, out, precision="float32"))
    return out


@pytest.fixture(scope="module")
def exact(graph: Path) -> Run:
    """That file, opened once."""
    return run_onnx(graph)


@pytest.fixture(scope="module")
def eighth(weights: Path) -> Path:
    """The same in int8."""
    out = weights.with_name("eighth.onnx")
    run(ExportConfig(weights, out, precision="int8"))
    return out


def in_order(answer: Answer) -> Answer:
    """Rows in an order that does not hang on the last digits of presence, by which candidates are ranked."""
    people = np.lexsort((answer["keypoints"][:, 0, 0], answer["image_index"]))
    votes = np.lexsort((*answer["vote_cells"].T, answer["vote_image"]))
    rank = np.append(np.argsort(people), -1)  # the last stands for no person
    answer = {**answer, "vote_person": rank[answer["vote_person"]]}
    orders = {name: votes if name.startswith("vote_") else people for name in OUTPUTS if name != "presence"}
    return {name: value[orders[name]] if name in orders else value for name, value in answer.items()}


def assert_same(found: Answer, wanted: Answer, tolerance: float = 1e-2) -> None:
    """The same people, votes and presence."""
    found, wanted = in_order(found), in_order(wanted)
    assert set(found) == set(wanted) == set(OUTPUTS)
    for name in OUTPUTS:
        assert found[name].shape == wanted[name].shape, name
        assert found[name].dtype == wanted[name].dtype, name
        gaps = np.abs(found[name].astype(float) - wanted[name].astype(float))
        assert gaps.max(initial=0) < 1, name  # a vote may stand right at the threshold of agreement ...
        assert (gaps > tolerance).mean() < 0.05 if gaps.size else True, name  # ... and move its person by a hair


@pytest.mark.parametrize(("batch", "width", "height"), [(1, 128, 96), (1, 64, 96), (3, 96, 64), (2, 32, 32)])
def test_onnx_equals_pytorch_at_any_batch_and_size(
    exact: Run, estimator: PoseEstimator, batch: int, width: int, height: int
) -> None:
    images = noise(width, height, batch).numpy()
    found, wanted = exact(images, 0.0), run_torch(estimator)(images, 0.0)
    assert len(wanted["scores"])
    assert found["presence"].shape == (batch, height // 4, width // 4)
    assert_same(found, wanted)


def test_an_empty_picture_is_empty_in_the_graph_too(exact: Run) -> None:
    found = exact(noise(64, 96, 2).numpy(), 2.0)
    assert found["keypoints"].shape == (0, 17, 2)
    assert found["vote_poses"].shape == (0, 17, 2)


def test_the_predictor_runs_what_was_exported(graph: Path) -> None:
    predictor = load(graph, score_threshold=0.0)
    assert predictor.metadata["precision"] == "float32"
    assert predictor.input_size == 64
    assert predictor(noise(100, 80)[0].numpy()).image_size == (100, 80)


def test_float16_is_half_the_file_and_the_same_people(graph: Path, exact: Run, weights: Path) -> None:
    out = weights.with_name("half.onnx")
    run(ExportConfig(weights, out))
    assert out.stat().st_size < 0.6 * graph.stat().st_size
    images = noise(96, 64).numpy()  # the weights file is in fp16 itself: nothing is rounded twice
    assert_same(run_onnx(out)(images, 0.0), exact(images, 0.0))


def test_int8_is_a_smaller_file_and_nearly_the_same_presence(graph: Path, exact: Run, eighth: Path) -> None:
    assert eighth.stat().st_size < 0.4 * graph.stat().st_size
    answer = run_onnx(eighth)
    for shape in ((96, 64, 1), (64, 64, 2)):
        images = noise(*shape).numpy()
        found, wanted = answer(images, 0.0), exact(images, 0.0)
        np.testing.assert_allclose(found["presence"], wanted["presence"], atol=0.1)
        assert len(answer(images, 2.0)["scores"]) == 0


class Grouping(nn.Module):
    def __init__(self, config: GroupingConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, *votes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        groups = group(*votes, torch.from_numpy(KAPPAS), self.config)
        return tuple(getattr(groups, field.name) for field in fields(Groups))


@pytest.mark.parametrize("config", [GroupingConfig(), PAPER])
@pytest.mark.filterwarnings("ignore")
def test_grouping_in_onnx_equals_numpys(config: GroupingConfig, tmp_path: Path) -> None:
    names, path = ["poses", "log_scales", "cells", "presence"], tmp_path / "grouping.onnx"
    rng = np.random.default_rng(0)
    images = [cast(people_apart(8, rng), 4, rng, noise=0.1) for _ in range(3)]
    votes = [np.stack(x) for x in zip(*images, strict=True)]
    torch.onnx.export(
        Grouping(config),
        tuple(torch.from_numpy(x[:1]) for x in votes),
        str(path),
        opset_version=17,
        dynamo=False,
        input_names=names,
        dynamic_axes={name: {0: "batch"} for name in names},
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (votes, [x[:2] for x in votes]):
        ours = group(*batch, KAPPAS, config)
        for field, theirs in zip(fields(Groups), session.run(None, dict(zip(names, batch, strict=True))), strict=True):
            mine = getattr(ours, field.name)
            assert mine.shape == theirs.shape
            np.testing.assert_allclose(mine.astype(float), theirs.astype(float), atol=1e-3, err_msg=field.name)


def test_openvino_equals_pytorch(weights: Path, estimator: PoseEstimator, tmp_path: Path) -> None:
    if not importlib.util.find_spec("openvino"):
        pytest.skip("needs the extra [openvino]")
    openvino = import_openvino()
    out = tmp_path / "tiny.xml"
    run(ExportConfig(weights, out, format="openvino", precision="float32"))
    model = openvino.Core().read_model(out)
    assert json.loads(model.get_rt_info(["votepose"]).astype(str))["preset"] == "movenet"
    assert model.get_rt_info(["runtime_options", "INFERENCE_PRECISION_HINT"]).astype(str) == "f32"
    compiled = openvino.Core().compile_model(model, "CPU", OPENVINO_OPTIONS)
    images = noise(64, 96, 2).numpy()
    found = compiled({"images": images, "presence_threshold": np.array(0.0, np.float32)})
    assert_same({name: np.asarray(found[name]) for name in OUTPUTS}, run_torch(estimator)(images, 0.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.bin", "tiny.xml"]


class Trunk(nn.Module):
    """The three maps that the refiner needs, at once: torch.export takes half a minute over a real trunk."""

    channels, strides = (8, 12, 16), (4, 8, 16)

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Conv2d(3, channels, 1) for channels in self.channels)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        maps = zip(self.maps, self.strides, strict=True)
        return [layer(nn.functional.avg_pool2d(image, stride)) for layer, stride in maps]


def test_torch_export_equals_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    backbone = build_backbone("movenet")
    backbone.trunk, backbone.channels, backbone.strides = Trunk(), Trunk.channels, Trunk.strides
    monkeypatch.setattr("votepose.models.posenet.build_backbone", lambda *_: backbone)
    network = PoseNet(replace(tiny.NETWORK, proposals=False, hourglass=False))
    assert network.refiner is not None
    for layers in (*network.refiner.descent, *network.refiner.ascent, network.refiner.joint_attention):
        del layers[1:]  # one of each kind is enough: they are exported one by one
    estimator = PoseEstimator(network, torch.from_numpy(KAPPAS), GroupingConfig(candidates=16)).eval()
    loaded = write_torch(estimator, tmp_path / "tiny.pt2", {"preset": "movenet"})  # as it was read from the file
    check_same(loaded, run_torch(estimator), tmp_path / "tiny.pt2")
    images = noise(64, 96, 3).numpy()
    assert_same(loaded(images, 0.0), run_torch(estimator)(images, 0.0))


def complaint(config: ExportConfig) -> str:
    with pytest.raises(VoteposeError) as caught:
        run(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_mistakes_are_one_line(weights: Path, tmp_path: Path) -> None:
    onnx_file = tmp_path / "a.onnx"
    assert ".xml" in complaint(ExportConfig(weights, onnx_file, format="openvino"))
    assert "float32 only" in complaint(ExportConfig(weights, tmp_path / "a.pt2", format="torch", precision="int8"))
    assert "nncf" in complaint(ExportConfig(weights, tmp_path / "a.xml", format="openvino", precision="int8"))
    assert "[0, 1]" in complaint(ExportConfig(weights, onnx_file, presence_threshold=2.0))
    assert "no such weights" in complaint(ExportConfig(tmp_path / "missing.safetensors", onnx_file))
    assert not list(tmp_path.iterdir())  # nothing half-written


def test_a_file_that_answers_otherwise_is_refused(estimator: PoseEstimator, tmp_path: Path) -> None:
    answers: dict[object, Answer] = {}

    def right(images: np.ndarray, threshold: float) -> Answer:
        asked = (*images.shape, threshold)
        if asked not in answers:
            answers[asked] = run_torch(estimator)(images, threshold)
        return answers[asked]

    def wrong(name: str, change: float) -> str:
        def answer(images: np.ndarray, threshold: float) -> Answer:
            found = right(images, threshold)
            return {**found, name: found[name] + np.float32(change)}

        with pytest.raises(VoteposeError, match="was not kept") as caught:
            check_same(answer, right, tmp_path / "a.onnx")
        return str(caught.value)

    check_same(right, right, tmp_path / "a.onnx")
    check_same(right, right, tmp_path / "a.onnx", quantized=True)
    assert "presence" in wrong("presence", 0.1)
    assert "people" in wrong("keypoints", 5.0)


def test_openvino_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(VoteposeError, match=r'needs openvino, .*pip install "\.\[openvino\]"'):
        write_openvino(tmp_path / "a.onnx", tmp_path / "a.xml", {}, half=True)
