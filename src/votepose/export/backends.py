"""Writes the graph for other runtimes, and runs each as a `Run` to compare its output with PyTorch's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from votepose.errors import VoteposeError, installing
from votepose.export.onnx_graph import Graph, noise
from votepose.inference.graph_outputs import INPUTS, OUTPUTS
from votepose.inference.runtime import import_onnxruntime, import_openvino
from votepose.models.estimator import PoseEstimator

# Without it, OpenVINO computes in bf16 on processors that support it, which shifts joints by up to 16 pixels.
OPENVINO_OPTIONS = {"INFERENCE_PRECISION_HINT": "f32"}

Answer = dict[str, np.ndarray]  # by output name
Run = Callable[[np.ndarray, float], Answer]  # (images (B, H, W, 3) uint8, presence threshold) -> outputs

_SAME_PRESENCE, _NEAR_PRESENCE = 0.01, 0.15  # maximum difference in presence
_SAME_POSE = 1.0  # maximum distance, in input pixels


def run_torch(estimator: PoseEstimator) -> Run:
    """Run PyTorch, the reference for the others."""
    return _torch_run(Graph(estimator))


def run_onnx(path: Path) -> Run:
    """Run the ONNX file with onnxruntime on the CPU."""
    session = import_onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray, threshold: float) -> Answer:
        feeds = dict(zip(INPUTS, (images, np.array(threshold, np.float32)), strict=True))
        return dict(zip(OUTPUTS, session.run(OUTPUTS, feeds), strict=True))

    return run


def write_openvino(source: Path, path: Path, metadata: dict[str, Any], half: bool) -> Run:
    """Convert an ONNX file to OpenVINO: `path` (.xml), and its weights beside it (.bin), in fp16 if `half`.

    Raises:
        VoteposeError: if the `openvino` package is not installed.
    """
    try:
        openvino = import_openvino()
    except ImportError:
        message = f"--format openvino needs openvino, which is not installed: {installing('openvino')}"
        raise VoteposeError(message) from None
    core = openvino.Core()
    try:
        model = core.read_model(source)
        model.set_rt_info(json.dumps(metadata), ["votepose"])
        # Informational: OpenVINO 2026.4 takes the hint from the caller only.
        model.set_rt_info("f32", ["runtime_options", "INFERENCE_PRECISION_HINT"])
        openvino.save_model(model, path, compress_to_fp16=half)
        compiled = core.compile_model(path, "CPU", OPENVINO_OPTIONS)
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
        raise VoteposeError(f"OpenVINO {openvino.__version__} cannot convert this graph: {reason}") from None

    def run(images: np.ndarray, threshold: float) -> Answer:
        found = compiled(dict(zip(INPUTS, (images, np.array(threshold, np.float32)), strict=True)))
        return {name: np.asarray(found[name]) for name in OUTPUTS}

    return run


def write_torch(estimator: PoseEstimator, path: Path, metadata: dict[str, Any]) -> Run:
    """Write a `torch.export` program to `path` (.pt2): `torch.export.load(path).module()(images, presence_threshold)`
    returns the outputs in the order of `OUTPUTS`.

    Raises:
        VoteposeError: for MaxViT.
    """
    if estimator.network.config.backbone == "maxvit":
        raise VoteposeError("--format torch does not support maxvit, whose windows vary with the image; use onnx")
    auto = torch.export.Dim.AUTO
    # Two images, because a batch of one would become a constant.
    example = noise(256, 192, batch=2), torch.tensor(0.0)
    with torch.no_grad():
        program = torch.export.export(Graph(estimator), example, dynamic_shapes=({0: auto, 1: auto, 2: auto}, {}))
    with path.open("wb") as file:  # torch accepts only paths that end in .pt2
        torch.export.save(program, file, extra_files={"votepose.json": json.dumps(metadata)})
    with path.open("rb") as file:
        return _torch_run(torch.export.load(file).module())


def check_same(run: Run, wanted: Run, path: Path, batch: int = 3, quantized: bool = False) -> None:
    """Check that the file finds the same people as PyTorch on shapes, and in a `batch`, that it was not traced with.

    For a `quantized` file only presence is compared, since the people found in noise depend on its last digits.

    Raises:
        VoteposeError: if they differ.
    """
    bound = _NEAR_PRESENCE if quantized else _SAME_PRESENCE
    for images in (noise(320, 256), noise(96, 160, batch)):
        for threshold in (0.0, 2.0):
            theirs, ours = run(images.numpy(), threshold), wanted(images.numpy(), threshold)
            gap = _largest_gap(theirs["presence"], ours["presence"])
            if not gap <= bound:
                raise VoteposeError(f"{path}: was not kept: its presence differs from PyTorch's by {gap:.3f}")
            count, most = abs(len(theirs["scores"]) - len(ours["scores"])), len(ours["scores"])
            # In noise a person's score may lie at a threshold; all others must agree.
            off = float(np.median(_nearest(theirs, ours))) if most and not quantized else 0.0
            if off > _SAME_POSE or count > (most if quantized else 1 + 0.1 * most):
                raise VoteposeError(
                    f"{path}: was not kept: its people differ from PyTorch's: {len(theirs['scores'])} instead of "
                    f"{most} at {images.shape[2]} x {images.shape[1]}, with keypoints off by {off:.1f} pixels"
                )


def _torch_run(module: torch.nn.Module) -> Run:
    def run(images: np.ndarray, threshold: float) -> Answer:
        with torch.no_grad():
            found = module(torch.from_numpy(images), torch.tensor(threshold))
        return {name: value.numpy() for name, value in zip(OUTPUTS, found, strict=True)}

    return run


def _largest_gap(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max()) if one.shape == other.shape else float("inf")


def _nearest(found: Answer, wanted: Answer) -> np.ndarray:
    """(P,) mean joint distance of each wanted person to the nearest person found in the same image."""
    if not len(wanted["scores"]) or not len(found["scores"]):
        return np.full(len(wanted["scores"]), np.inf)
    gaps = np.linalg.norm(wanted["keypoints"][:, None] - found["keypoints"][None], axis=-1).mean(axis=-1)
    return np.where(wanted["image_index"][:, None] == found["image_index"][None], gaps, np.inf).min(axis=1)
