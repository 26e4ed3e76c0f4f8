"""How far a training is: one bar in a terminal, and a row of a table per epoch."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch

from votepose.training.lightning_module import PoseModule
from votepose.utils.progress import Bar

_AP = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "ap_m": "APM", "ap_l": "APL", "ar": "AR"}  # metric -> its column
_WIDTHS = {"step": 7, "loss": 7}  # characters, where not those of the name or 5


class Progress(pl.Callback):
    """Shows the steps of a training as a bar, and after each epoch its speed, AP where it was measured, and losses.

    The GPU is not waited for between two epochs.

    Args:
        per_step: pictures per step, of all processes.
        total: steps in all; None where the clock ends the training.
        measured: whether AP is measured now and then.
    """

    def __init__(self, per_step: int, total: int | None, measured: bool) -> None:
        self.per_step, self.total, self.measured = per_step, total, measured
        self._bar = Bar("training", shown=False)
        self._headed = False  # whether the names of the columns are printed
        self._begun = 0.0
        self._seconds = 0.0
        self._first = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._bar = Bar("training", self.total, trainer.global_step, shown=trainer.is_global_zero)
        self._bar.__enter__()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._begun, self._seconds, self._first = time.perf_counter(), 0.0, trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        self._bar.advance()
        if trainer.is_last_batch:  # before the checkpoint and the validation
            if module.device.type == "cuda":
                torch.cuda.synchronize()
            self._seconds = time.perf_counter() - self._begun

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, PoseModule)
        seconds = self._seconds or time.perf_counter() - self._begun  # an epoch that --minutes ended has no last batch
        rate = (trainer.global_step - self._first) * self.per_step / seconds
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("loss/")}
        cells = {"epoch": f"{trainer.current_epoch}", "step": f"{trainer.global_step}", "pictures/s": f"{rate:.1f}"}
        if self.measured:
            cells |= {name: _number(module.metrics, key) for key, name in _AP.items()}
        cells |= {"loss": _number(losses, "loss/total")}
        cells |= {name.removeprefix("loss/"): f"{v:.3f}" for name, v in losses.items() if name != "loss/total"}
        self._bar.hide()
        if not self._headed:
            module.print(_row({name: name for name in cells}))
            self._headed = True
        module.print(_row(cells))

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        self._bar.hide()


def _row(cells: Mapping[str, str]) -> str:
    """Texts right-aligned below the names of their columns, as many as a terminal is wide; the logs have the rest."""
    row = "  ".join(f"{text:>{_WIDTHS.get(name, max(5, len(name)))}}" for name, text in cells.items())
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else len(row)
    return row if len(row) <= most else row[: most + 1].rpartition("  ")[0]


def _number(values: Mapping[str, float], key: str) -> str:
    return f"{values[key]:.3f}" if key in values else "-"
