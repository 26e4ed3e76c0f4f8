"""How far a training is: a bar in a terminal, and a line per epoch."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch

from votepose.utils.progress import Bar


class Progress(pl.Callback):
    """Shows the steps of an epoch as a bar, and afterwards its losses and pictures per second.

    The GPU is not waited for between two epochs.

    Args:
        per_step: pictures per step, of all processes.
    """

    def __init__(self, per_step: int) -> None:
        self.per_step = per_step
        self._bar: Bar | None = None
        self._begun = 0.0
        self._seconds = 0.0
        self._first = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        steps = int(trainer.num_training_batches)
        self._bar = Bar(f"epoch {trainer.current_epoch}", steps, shown=trainer.is_global_zero)
        self._bar.__enter__()
        self._begun, self._seconds, self._first = time.perf_counter(), 0.0, trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        assert self._bar is not None
        self._bar.advance()
        if trainer.is_last_batch:  # before the checkpoint and the validation
            if module.device.type == "cuda":
                torch.cuda.synchronize()
            self._seconds = time.perf_counter() - self._begun

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert self._bar is not None
        self._bar.__exit__()
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("loss/")}
        seconds = self._seconds or time.perf_counter() - self._begun  # an epoch that --minutes ended has no last batch
        rate = (trainer.global_step - self._first) * self.per_step / seconds
        shown = " ".join(f"{name.removeprefix('loss/')} {value:.3f}" for name, value in losses.items())
        module.print(f"epoch {trainer.current_epoch} step {trainer.global_step}: {rate:.1f} pictures/s {shown}")
