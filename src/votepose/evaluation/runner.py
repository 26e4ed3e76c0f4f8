"""Runs a model over labelled images: people found, and COCO results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from votepose.data.sample import Sample
from votepose.inference.flip_tta import Finder
from votepose.poses import Poses
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
        parameters: number of parameters; 0 if an exported file does not say it.
    """

    find: Finder
    skeleton: Skeleton
    preset: str
    input_size: int
    parameters: int


def find_all(find: Finder, samples: Sequence[Sample], progress: bool = True) -> Iterator[tuple[Sample, Poses]]:
    """Yield each sample with the people found in it; progress goes to stderr."""
    for sample in track(samples, "evaluating", shown=progress):
        yield sample, find(sample.image)


def picture_results(poses: Poses, sample: Sample, category_id: int | str) -> list[dict[str, Any]]:
    """COCO results in the json's pixels, which may differ from the image's."""
    keypoints = poses.keypoints / np.array(sample.scale, np.float32)
    return replace(poses, keypoints=keypoints).to_coco(sample.image_id, category_id)
