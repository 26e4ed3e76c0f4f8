"""Running a network in PyTorch gives what the exported graph would."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch

from helpers import tiny
from votepose.evaluation.network import estimate, run_estimator
from votepose.inference.graph_outputs import PEOPLE
from votepose.models.estimator import PoseEstimator
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17

IMAGE = np.random.default_rng(0).integers(0, 256, (96, 64, 3), np.uint8)


def estimator() -> PoseEstimator:
    torch.manual_seed(4)
    return PoseEstimator(PoseNet(tiny.NETWORK), torch.from_numpy(COCO_17.kappas), tiny.GROUPING).eval()


def test_outputs_are_numpy_arrays_also_under_autocast() -> None:
    model = estimator()
    with torch.autocast("cpu", torch.bfloat16):
        outputs, box = run_estimator(model, IMAGE, 64, 0.01)
    assert tuple(outputs) == PEOPLE
    assert (box.width, box.height) == (64, 96)
    kinds = {name: value.dtype for name, value in outputs.items()}
    assert kinds["keypoints"] == kinds["confidences"] == kinds["scores"] == np.float32


def test_bfloat16_becomes_float32() -> None:
    class Rounded(torch.nn.Module):
        kappas = torch.from_numpy(COCO_17.kappas)

        def forward(self, images: torch.Tensor, threshold: torch.Tensor) -> object:
            people = estimator()(images, threshold)
            return people._replace(scores=people.scores.bfloat16(), keypoints=people.keypoints.bfloat16())

    outputs, _ = run_estimator(cast(PoseEstimator, Rounded()), IMAGE, 64, 0.01)
    assert outputs["scores"].dtype == outputs["keypoints"].dtype == np.float32


def test_people_are_best_first_and_in_the_images_pixels() -> None:
    poses = estimate(estimator(), IMAGE, 64, 0.01, COCO_17)
    assert len(poses)
    assert (np.diff(poses.scores) <= 0).all()
    assert poses.image_size == (64, 96)
