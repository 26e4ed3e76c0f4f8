"""`votepose export`: weights -> one ONNX file that holds network, grouping and second look: image in, people out."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from votepose import __version__
from votepose.errors import VoteposeError
from votepose.network.estimator import People, PoseEstimator
from votepose.presets import preset
from votepose.skeleton import Skeleton
from votepose.weights_file import load_network

OPSET = 17


@dataclass(frozen=True)
class ExportConfig:
    """What to write.

    Attributes:
        weights: safetensors written by `votepose train`.
        out: the ONNX file.
        half: store the weights in fp16; the graph computes in fp32 either way, and the file is half as large.
        presence_threshold: default of the file; the preset's if not given.
    """

    weights: Path
    out: Path = Path("votepose.onnx")
    half: bool = True
    presence_threshold: float | None = None


def load_estimator(weights: Path) -> tuple[PoseEstimator, Skeleton, dict[str, Any]]:
    """The estimator that a weights file describes, in eval mode, its skeleton, and the file's configuration."""
    network, about = load_network(weights)
    skeleton = Skeleton.from_coco_category(about["skeleton"])
    grouping = preset(about["preset"], paper=network.config.vectors == "absolute").grouping
    estimator = PoseEstimator(network, torch.from_numpy(skeleton.kappas), grouping)
    return estimator.eval(), skeleton, about


def run(config: ExportConfig) -> None:
    """Write `config.out`; it appears whole or not at all.

    Raises:
        VoteposeError: if the weights cannot be read.
    """
    estimator, skeleton, about = load_estimator(config.weights)
    if config.presence_threshold is not None:
        estimator.config = replace(estimator.config, presence_threshold=config.presence_threshold)
    metadata = {
        "preset": about["preset"], "input_size": about["input_size"], "stride": estimator.network.config.stride,
        "presence_threshold": estimator.config.presence_threshold, "skeleton": skeleton.to_coco_category(),
        "version": __version__,
    }  # fmt: skip
    config.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = config.out.with_suffix(".tmp")
    _write(estimator, temporary)
    model = onnx.load(temporary)
    if config.half:
        _halve(model)
    _shorten(model)
    helper.set_model_props(model, {"votepose": json.dumps(metadata)})
    onnx.save(model, temporary)
    _check(temporary, estimator)
    os.replace(temporary, config.out)
    print(
        f"{config.out}: {config.out.stat().st_size / 1e6:.1f} MB, preset {about['preset']}, input {about['input_size']}"
    )


def _write(estimator: PoseEstimator, path: Path) -> None:
    images, threshold = _picture(256, 192), torch.tensor(0.0)  # finds people: the tracer cannot follow nobody
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's remarks on shapes that are constant on purpose
        torch.onnx.export(
            estimator, (images, threshold), str(path), opset_version=OPSET,
            dynamo=False, input_names=["images", "presence_threshold"], output_names=list(People._fields),
            dynamic_axes={"images": {0: "batch", 1: "height", 2: "width"},
                          "presence": {0: "batch", 1: "rows", 2: "columns"},
                          **{name: {0: "people"} for name in People._fields[:-1]}},
        )  # fmt: skip


def _picture(width: int, height: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8))


def _halve(model: onnx.ModelProto) -> None:
    """Store large fp32 constants in fp16 behind a Cast, which the runtime folds away when it loads the file."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= 64:
            name = tensor.name
            half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name + "_fp16")
            tensor.CopyFrom(half)
            casts.append(helper.make_node("Cast", [name + "_fp16"], [name], name + "_cast", to=TensorProto.FLOAT))
    for i, node in enumerate(casts):
        model.graph.node.insert(i, node)


def _shorten(model: onnx.ModelProto) -> None:
    """Replace the tracer's long names of inner values: with 4,000 nodes they weigh half a megabyte."""
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    short: dict[str, str] = {name: name for name in ("", *kept)}
    for tensor in model.graph.initializer:
        tensor.name = short.setdefault(tensor.name, f"w{len(short)}")
    for node in model.graph.node:
        node.ClearField("name")
        node.ClearField("doc_string")
        for names in (node.input, node.output):
            names[:] = [short.setdefault(name, f"v{len(short)}") for name in names]


def _check(path: Path, estimator: PoseEstimator) -> None:
    """The file finds what the module finds, on a shape that it was not traced with: the same people, and nobody.

    Raises:
        VoteposeError: if it does not.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = _picture(320, 256)
    for threshold in (0.0, 2.0):
        values = session.run(None, {"images": images.numpy(), "presence_threshold": np.array(threshold, np.float32)})
        found = People(*(torch.from_numpy(value) for value in values))
        with torch.no_grad():
            wanted = estimator(images, torch.tensor(threshold))
        if found.presence.shape != wanted.presence.shape or (found.presence - wanted.presence).abs().max() > 0.05:
            raise VoteposeError(f"the exported graph's presence differs from the network's: {path} was not kept")
        if not len(wanted.scores) and not len(found.scores):
            continue
        # A threshold may fall the other way for somebody; the others stand where they should.
        apart = torch.cdist(wanted.keypoints.flatten(1), found.keypoints.flatten(1)).amin(dim=1)
        if abs(len(found.scores) - len(wanted.scores)) > 1 + 0.1 * len(wanted.scores) or apart.median() > 2:
            raise VoteposeError(f"the exported graph finds other people than the network: {path} was not kept")
