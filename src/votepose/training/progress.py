"""Shows the progress of a training: a bar in a terminal, and a table row per epoch."""

from __future__ import annotations

import math
import time
from typing import Any

import pytorch_lightning as pl
import torch

from votepose.training.lightning_module import PoseModule
from votepose.training.table import epoch_cells, row
from votepose.utils.progress import Bar


class Progress(pl.Callback):
    """Shows the steps as a bar and, after each epoch, the speed, AP if measured, and the losses.

    It does not synchronise with the GPU within an epoch.

    Args:
        per_step: images or people per step, over all processes. unit: which of them.
        total: total number of steps; None if --minutes ends the training.
        measured: whether AP is measured.
    """

    def __init__(self, per_step: int, unit: str, total: int | None, measured: bool) -> None:
        self.per_step, self.unit, self.total, self.measured = per_step, unit, total, measured
        self._bar = Bar("training", shown=False)
        self._headed = False  # whether the table's header has been printed
        self._begun = 0.0
        self._seconds = math.inf  # from `_begun` to the epoch's last step
        self._first = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._bar = Bar("training", self.total, trainer.global_step, shown=trainer.is_global_zero)
        self._bar.__enter__()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._begun, self._seconds, self._first = time.perf_counter(), math.inf, trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        self._bar.advance()
        if trainer.is_last_batch or trainer.should_stop:  # exclude the checkpoint and the validation
            if module.device.type == "cuda":
                torch.cuda.synchronize()
            self._seconds = time.perf_counter() - self._begun

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, PoseModule)
        rate = (trainer.global_step - self._first) * self.per_step / self._seconds
        logged = trainer.callback_metrics.items()
        losses = {name.removeprefix("loss/"): float(value) for name, value in logged if name.startswith("loss/")}
        metrics = module.metrics if self.measured else None
        cells = epoch_cells(trainer.current_epoch, trainer.global_step, rate, self.unit, losses, metrics)
        self._bar.hide()
        if not self._headed:
            module.print(row({name: name for name in cells}))
            self._headed = True
        module.print(row(cells))

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        self._bar.hide()
