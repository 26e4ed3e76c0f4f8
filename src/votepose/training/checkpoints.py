"""Saves a checkpoint to resume from, the last weights, and the weights with the best AP."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from votepose.errors import VoteposeError, one_line
from votepose.io.files import replacing
from votepose.models.checkpoint import save_weights
from votepose.models.posenet import PoseNet
from votepose.training.averaging import averaged_module
from votepose.training.lightning_module import PoseModule


class PlainFiles(TorchCheckpointIO):
    """Writes a checkpoint where it belongs; Lightning's own takes a detour through the system's temporary folder, which
    may be small."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Path | str, storage_options: Any = None) -> None:
        try:
            with open(path, "wb") as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # with a full disk torch raises the second after the first
            reason = next((e.strerror for e in (error, error.__context__) if isinstance(e, OSError)), one_line(error))
            raise VoteposeError(f"{Path(path).parent}: the checkpoint cannot be written ({reason})") from error


class Checkpoints(pl.Callback):
    """Saves last.ckpt, to resume from, and weights.safetensors after every epoch, atomically.

    If AP is measured, best.safetensors holds the weights with the highest AP so far.

    Args:
        folder: folder for these files.
        patience: stop training after this many measurements in a row without a higher AP; None for never.

    Attributes:
        saved: step of last.ckpt; 0 if there is none.
        ap: the last AP measured, if any. best_ap, best_step: the highest AP and its step.
        stale: number of measurements since then.
    """

    def __init__(self, folder: Path, patience: int | None = None) -> None:
        self.last, self.weights, self.best = (
            folder / name for name in ("last.ckpt", "weights.safetensors", "best.safetensors")
        )
        self.patience = patience
        self.saved = 0
        self.ap: float | None = None
        self.best_ap, self.best_step, self.stale = -1.0, 0, 0

    @property
    def exhausted(self) -> bool:
        """Whether `patience` has run out."""
        return self.patience is not None and self.stale >= self.patience

    def state_dict(self) -> dict[str, Any]:
        return {"ap": self.ap, "best_ap": self.best_ap, "best_step": self.best_step, "stale": self.stale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.ap, self.best_ap = state_dict["ap"], state_dict["best_ap"]
        self.best_step, self.stale = state_dict["best_step"], state_dict["stale"]

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.saved = trainer.global_step  # 0, or resumed

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, PoseModule)
        loss = trainer.callback_metrics.get("loss/total", 0.0)  # none if --minutes ended the epoch
        finite = math.isfinite(float(loss))
        if not trainer.strategy.broadcast(finite):
            raise VoteposeError(
                f"the loss at step {trainer.global_step} is not finite, as the training diverged: start a new --out "
                "with a smaller --learning-rate"
            )
        if trainer.is_global_zero:
            improved = self._compare(trainer.global_step, module.metrics.get("ap"))
            with replacing(self.last) as temporary:
                trainer.save_checkpoint(temporary)
                # The checkpoint is renamed last: a run that is killed before that repeats the epoch.
                network = _averaged_network(trainer, module)
                save_weights(self.weights, network, module.metadata)
                if improved:
                    save_weights(self.best, network, module.metadata)
        else:
            trainer.save_checkpoint(self.last)  # all processes must call it, though the first one writes
        self.saved = trainer.global_step
        if self.patience is not None and trainer.strategy.broadcast(self.exhausted):
            trainer.should_stop = True

    def _compare(self, step: int, ap: float | None) -> bool:
        """Record a measurement, if there is one; returns whether it is the highest so far."""
        if ap is None:
            return False
        self.ap = ap
        if ap > self.best_ap:
            self.best_ap, self.best_step, self.stale = ap, step, 0
            return True
        self.stale += 1
        return False


def _averaged_network(trainer: pl.Trainer, module: PoseModule) -> PoseNet:
    averaged = averaged_module(trainer)
    return averaged.network if isinstance(averaged, PoseModule) else module.network
