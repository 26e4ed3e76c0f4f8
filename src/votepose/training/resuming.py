"""Checks whether a checkpoint can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from votepose.errors import VoteposeError
from votepose.io.settings import require_same_settings
from votepose.training.config import TrainConfig
from votepose.training.lightning_module import PoseModule

_NEEDED = ("epoch", "global_step", "current_model_state")


def read_checkpoint(last: Path) -> dict[str, Any]:
    """Read a checkpoint; its tensors stay on disk until they are used.

    Raises:
        VoteposeError: if it is missing or broken.
    """
    if not last.is_file():
        raise VoteposeError(f"--resume: {last} does not exist; start without --resume")
    try:
        checkpoint: dict[str, Any] = torch.load(last, mmap=True, map_location="cpu", weights_only=False)
        return {name: checkpoint[name] for name in _NEEDED} | checkpoint
    except Exception as error:  # torch's exception depends on where the file is broken
        raise VoteposeError(f"{last}: not a readable checkpoint ({type(error).__name__}); start a new run") from error


def require_resumable(checkpoint: Mapping[str, Any], module: PoseModule, config: TrainConfig, last: Path) -> None:
    """Check that a run with these options can continue from a checkpoint.

    Raises:
        VoteposeError: if an option that must not change has changed, or other tensors are trained.
    """
    otherwise = f"start a new --out with --weights {config.out / 'weights.safetensors'}"
    fixed = module.fixed_settings
    require_same_settings(
        checkpoint.get("fixed_settings", fixed), fixed, f"{last}: cannot be resumed, as it was", otherwise
    )
    trained = sorted(name for name, parameter in module.named_parameters() if parameter.requires_grad)
    before = sorted(name for group in checkpoint.get("parameter_groups", [trained]) for name in group)
    if trained != before or _shapes(checkpoint["current_model_state"]) != _shapes(module.state_dict()):
        raise VoteposeError(
            f"{last}: cannot be resumed, as it is of another network, skeleton, frozen part or version of votepose; "
            f"{otherwise}"
        )


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}
