"""Runs a network in PyTorch over labelled images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from votepose.data.labelled import LabelledDataset
from votepose.data.sample import Sample
from votepose.evaluation.runner import Model, find_all
from votepose.inference.graph_outputs import PEOPLE, people_rows, to_poses
from votepose.letterbox import Letterbox, require_input_size
from votepose.models.estimator import PoseEstimator
from votepose.models.loading import load_estimator
from votepose.poses import Poses
from votepose.skeleton import Skeleton


def network_model(weights: Path, input_size: int | None, presence_threshold: float | None, levels: int | None) -> Model:
    """The model in a safetensors file; None means the weights' own setting.

    Raises:
        VoteposeError: if the weights cannot be read or an option is out of range.
    """
    estimator, metadata = load_estimator(weights)
    estimator.levels = estimator.levels if levels is None else levels
    estimator.to("cuda" if torch.cuda.is_available() else "cpu")
    size = metadata.input_size if input_size is None else input_size
    require_input_size(size)
    threshold = estimator.config.presence_threshold if presence_threshold is None else presence_threshold
    find = partial(estimate, estimator, size=size, threshold=threshold, skeleton=metadata.skeleton)
    return Model(find, metadata.skeleton, metadata.preset, size, estimator.network.parameter_count)


def estimate(estimator: PoseEstimator, image: np.ndarray, size: int, threshold: float, skeleton: Skeleton) -> Poses:
    """Find the people in an image (height, width, 3) uint8, in image pixels, best first.

    Args:
        size: longest side of the network input, in pixels.
        threshold: minimum presence of a candidate cell, in [0, 1].
    """
    outputs, box = run_estimator(estimator, image, size, threshold)
    return to_poses(outputs, people_rows(outputs, 0, skeleton.kappas), box, skeleton)


def run_estimator(
    estimator: PoseEstimator, image: np.ndarray, size: int, threshold: float
) -> tuple[dict[str, np.ndarray], Letterbox]:
    """The outputs `PEOPLE` for an image, as from the exported graph, and its letterbox; arguments as for `estimate`."""
    box, device = Letterbox.fit(image.shape[1], image.shape[0], size), estimator.kappas.device
    pixels = torch.from_numpy(box.apply(image))[None].to(device)
    with torch.inference_mode():
        people = estimator(pixels, torch.tensor(threshold, device=device))
    values = {name: getattr(people, name).cpu() for name in PEOPLE}
    # NumPy has no bfloat16, which autocast may leave.
    return {name: (x.float() if x.is_floating_point() else x).numpy() for name, x in values.items()}, box


def find_people(
    estimator: PoseEstimator, dataset: LabelledDataset, size: int, progress: bool = True
) -> Iterator[tuple[Sample, Poses]]:
    """Yield each image of a dataset with the people found in it, letterboxed to `size` pixels."""
    threshold = float(estimator.config.presence_threshold)
    find = partial(estimate, estimator, size=size, threshold=threshold, skeleton=dataset.skeleton)
    return find_all(find, dataset.samples, progress)
