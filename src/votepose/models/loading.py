"""Loads an estimator from a weights file."""

from __future__ import annotations

from pathlib import Path

import torch

from votepose.models.checkpoint import Metadata, load_network
from votepose.models.estimator import PoseEstimator


def load_estimator(weights: Path) -> tuple[PoseEstimator, Metadata]:
    """Load the estimator of a weights file, in eval mode, and the file's metadata.

    Raises:
        VoteposeError: if the file is missing, truncated or not from votepose.
    """
    network, metadata = load_network(weights)
    kappas = torch.from_numpy(metadata.skeleton.kappas)
    estimator = PoseEstimator(network, kappas, metadata.grouping, metadata.levels, metadata.calibration)
    return estimator.eval(), metadata
