"""The moving average of the weights, which is used for measuring and saving."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor, nn


class EmaWeights(WeightAveraging):
    """Averages parameters and buffers with an exponential decay; counters are copied.

    Lightning's own callback updates each tensor separately and synchronises with the GPU at each step.
    """

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self._floats: tuple[list[Tensor], list[Tensor]] = [], []  # averages and their sources
        self._counters: tuple[list[Tensor], list[Tensor]] = [], []

    def averaged(self) -> nn.Module | None:
        """The module with averaged weights; None before training starts."""
        return None if self._average_model is None else self._average_model.module

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        averaged = self.averaged()
        assert averaged is not None
        pairs = list(zip(_tensors(averaged), _tensors(module), strict=True))
        for target, floats in ((self._floats, True), (self._counters, False)):
            target[0][:] = [average for average, _ in pairs if average.is_floating_point() == floats]
            target[1][:] = [value for average, value in pairs if average.is_floating_point() == floats]

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step <= self._latest_update_step:
            return
        share = 1.0 if self._latest_update_step == 0 else 1 - self.decay  # starts with the first step
        with torch.no_grad():
            torch._foreach_lerp_(self._floats[0], self._floats[1], share)
            if self._counters[0]:
                torch._foreach_copy_(self._counters[0], self._counters[1])
        self._latest_update_step = trainer.global_step

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Do nothing: averages are updated by step."""


def averaged_module(trainer: pl.Trainer) -> nn.Module | None:
    """The module with averaged weights, for a trainer with an `EmaWeights`."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback.averaged() for callback in callbacks if isinstance(callback, EmaWeights)), None)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [tensor.detach() for tensor in chain(module.parameters(), module.buffers())]
