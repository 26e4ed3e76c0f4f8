"""`votepose train`: see `training.fit`."""

from __future__ import annotations

from votepose.training.config import TrainConfig
from votepose.training.fit import fit

__all__ = ["TrainConfig", "run"]


def run(config: TrainConfig) -> None:
    """Train; see `TrainConfig`."""
    fit(config)
