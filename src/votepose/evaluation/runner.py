"""Runs a safetensors or ONNX file on labelled images, and converts the detections to COCO results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from votepose.data.coco import CocoDataset
from votepose.data.sample import Sample
from votepose.errors import VoteposeError
from votepose.inference.flip_tta import Finder
from votepose.letterbox import Letterbox, require_input_size
from votepose.models.estimator import PoseEstimator
from votepose.models.loading import load_estimator
from votepose.poses import Poses
from votepose.predictor import load
from votepose.skeleton import Skeleton
from votepose.utils.progress import track


@dataclass(frozen=True)
class Model:
    """A model to evaluate.

    Attributes:
        find: image -> `Poses`, without a score threshold.
        skeleton: skeleton of the poses.
        preset: name of the preset.
        input_size: longest side of the network input, in pixels.
        parameters: number of parameters.
    """

    find: Finder
    skeleton: Skeleton
    preset: str
    input_size: int
    parameters: int


def load_model(
    weights: Path, input_size: int | None = None, presence_threshold: float | None = None, levels: int | None = None
) -> Model:
    """Load a model: safetensors run with PyTorch, ONNX files with the runtime. None uses the weights' own setting.

    Raises:
        VoteposeError: if the weights cannot be read or an option is out of range.
    """
    if weights.suffix == ".onnx":
        if levels is not None:
            raise VoteposeError("--levels: is fixed in an exported file; use safetensors as --weights")
        predictor = load(weights, input_size=input_size, presence_threshold=presence_threshold, score_threshold=0.0)
        preset = str(predictor.metadata.get("preset", "?"))
        return Model(predictor, predictor.skeleton, preset, predictor.input_size, _onnx_parameters(weights))
    estimator, metadata = load_estimator(weights)
    estimator.levels = estimator.levels if levels is None else levels
    estimator.to("cuda" if torch.cuda.is_available() else "cpu")
    size = metadata.input_size if input_size is None else input_size
    require_input_size(size)
    threshold = estimator.config.presence_threshold if presence_threshold is None else presence_threshold
    find = partial(estimate, estimator, size=size, threshold=threshold, skeleton=metadata.skeleton)
    return Model(find, metadata.skeleton, metadata.preset, size, sum(p.numel() for p in estimator.parameters()))


def _onnx_parameters(weights: Path) -> int:
    """Number of values in the graph's constants: all parameters except the smallest tensors.

    Scales of 8-bit weights, vectors with several dimensions, are not counted.
    """
    import onnx

    constants = (t for t in onnx.load(weights).graph.initializer if t.data_type != onnx.TensorProto.INT64)
    shapes = [tuple(tensor.dims) for tensor in constants]
    return sum(math.prod(shape) for shape in shapes if len(shape) == 1 or math.prod(shape) > max(shape, default=1))


def estimate(estimator: PoseEstimator, image: np.ndarray, size: int, threshold: float, skeleton: Skeleton) -> Poses:
    """Find the people in an image (height, width, 3) uint8, in image pixels, best first.

    Args:
        size: longest side of the network input, in pixels.
        threshold: minimum presence of a candidate cell, in [0, 1].
    """
    height, width = image.shape[:2]
    box = Letterbox.fit(width, height, size)
    device = estimator.kappas.device
    pixels = torch.from_numpy(box.apply(image))[None].to(device)
    with torch.inference_mode():
        people = estimator(pixels, torch.tensor(threshold, device=device))
    keypoints = box.to_image(people.keypoints.float().cpu().numpy(), 1)
    poses = Poses(
        keypoints,
        people.confidences.float().cpu().numpy(),
        people.seen.cpu().numpy(),
        people.scores.float().cpu().numpy(),
        skeleton,
        (width, height),
    )
    return poses[np.argsort(-poses.scores, kind="stable")]


def find_all(find: Finder, samples: Sequence[Sample], progress: bool = True) -> Iterator[tuple[Sample, Poses]]:
    """Yield each sample with the people found in it; progress goes to stderr."""
    for sample in track(samples, "evaluating", shown=progress):
        yield sample, find(sample.image)


def coco_results(
    estimator: PoseEstimator, dataset: CocoDataset, size: int, limit: int | None = None, progress: bool = True
) -> list[dict[str, Any]]:
    """COCO results for a dataset's first `limit` images."""
    threshold = float(estimator.config.presence_threshold)
    find = partial(estimate, estimator, size=size, threshold=threshold, skeleton=dataset.skeleton)
    found = find_all(find, dataset.samples[:limit], progress)
    return [entry for sample, poses in found for entry in picture_results(poses, sample, dataset.category_id)]


def picture_results(poses: Poses, sample: Sample, category_id: int | str) -> list[dict[str, Any]]:
    """COCO results in the json's pixels, which may differ from the image's."""
    keypoints = poses.keypoints / np.array(sample.scale, np.float32)
    return replace(poses, keypoints=keypoints).to_coco(sample.image_id, category_id)
