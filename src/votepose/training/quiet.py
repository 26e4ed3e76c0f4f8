"""Hides the messages of PyTorch Lightning that are of no use to the user; all others are shown."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

_LOGGERS = (
    "lightning_fabric.utilities.distributed",
    "lightning_fabric.utilities.rank_zero",
    "lightning_fabric.utilities.seed",
    "pytorch_lightning.accelerators.cuda",
    "pytorch_lightning.trainer.connectors.checkpoint_connector",
    "pytorch_lightning.trainer.connectors.signal_connector",
    "pytorch_lightning.utilities.rank_zero",
)
_LINES = (  # parts of the hidden lines
    "Seed set to",
    "GPU available:",
    "TPU available:",
    "HPU available:",
    "💡 Tip:",
    "Using bfloat16 Automatic Mixed Precision",
    "LOCAL_RANK:",
    "You are using a CUDA device",
    "`Trainer(limit_val_batches=1)`",
    "`Trainer.fit` stopped:",
    "`weights_only` was not set",
    "Restoring states from",
    "Restored all states",
    "Initializing distributed:",
    "distributed_backend=",
    "Found current_model_state",
    "Time limit reached.",
    "Detected KeyboardInterrupt",
    "Received SIGTERM",
)
_WARNINGS = (  # regular expressions, matched from the beginning
    r".*does not have many workers",
    r".*isinstance\(treespec, LeafSpec\)",
    r".*`weights_only",
    r"Found \d+ module\(s\) in eval mode",  # frozen parts
    r"It is recommended to use .*sync_dist=True",  # AP, which the first process measures
    r"Grad strides do not match bucket view strides",
    r".*number of training batches \(\d+\) is smaller than the logging interval",
    r"Total length of `\w+` across ranks is zero",  # a finished run is resumed
)


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Within the block, hide Lightning's tips, device lists and irrelevant warnings."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(_is_news)
    try:
        with warnings.catch_warnings():
            for message in _WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(line in message for line in _LINES)
