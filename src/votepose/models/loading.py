"""From a weights file to an estimator that is ready to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from votepose.models.calibration import Calibration
from votepose.models.checkpoint import load_network
from votepose.models.estimator import PoseEstimator
from votepose.models.presets import preset
from votepose.skeleton import Skeleton


def load_estimator(weights: Path) -> tuple[PoseEstimator, Skeleton, dict[str, Any]]:
    """The estimator that a weights file describes, in eval mode, its skeleton, and the file's configuration."""
    network, about = load_network(weights)
    skeleton = Skeleton.from_coco_category(about["skeleton"])
    chosen = preset(about["preset"], paper=network.config.vectors == "absolute")
    calibration = Calibration.from_dict(about.get("calibration"), len(skeleton))
    kappas = torch.from_numpy(skeleton.kappas)
    estimator = PoseEstimator(network, kappas, chosen.grouping, chosen.levels, calibration)
    return estimator.eval(), skeleton, about
