"""Saves a checkpoint to resume from, the last weights, and the weights with the best AP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from votepose.io.files import replacing
from votepose.models.checkpoint import save_weights
from votepose.models.posenet import PoseNet
from votepose.training.averaging import averaged_module
from votepose.training.lightning_module import PoseModule


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
