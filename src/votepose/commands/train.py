"""`votepose train`: a preset, pictures and an objective -> weights."""

from __future__ import annotations

from votepose.training.config import TrainConfig
from votepose.training.fit import run

__all__ = ["TrainConfig", "run"]
