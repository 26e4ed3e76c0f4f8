#!/usr/bin/env bash
# Lightning's EMAWeightAveraging(update_starting_at_epoch=2) averages from the first step of epoch 0.
#
# Printed on 2026-11-27, Python 3.11, 2 CPU cores:
#     pytorch-lightning 2.6.6, torch 2.13.0+cpu
#     3 epochs of 3 steps; updates of the average as (epoch, steps taken)
#     update_starting_at_step=6: [(2, 7), (2, 8), (2, 9)]
#     update_starting_at_epoch=2: [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5), (1, 6), (2, 7), (2, 8), (2, 9), (2, 9)]
#     expected: [(2, 7), (2, 8), (2, 9)] from both: step 6 is the first of epoch 2
#     seen:     the epoch delays nothing; it adds a second update at the end of epoch 2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile \
  torch==2.13.0 pytorch-lightning==2.6.6 numpy==2.4.6 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
import logging
import sys

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch.utils.data import DataLoader

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


class Counter(pl.LightningModule):
    # Its only weight is the number of optimizer steps taken.
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, index):
        return -self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


class Average(EMAWeightAveraging):
    # Notes (epoch, weight) of each update of the average.
    def setup(self, trainer, module, stage):
        super().setup(trainer, module, stage)
        self.updates, update = [], self._average_model.update_parameters

        def noted(model):
            self.updates.append((trainer.current_epoch, int(model.weight.item())))
            update(model)

        self._average_model.update_parameters = noted


def updates(**start):
    average = Average(decay=0.5, **start)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=3, callbacks=[average], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(Counter(), DataLoader(torch.arange(3)))
    return average.updates


print(f"pytorch-lightning {pl.__version__}, torch {torch.__version__}")
print("3 epochs of 3 steps; updates of the average as (epoch, steps taken)")
found = {}
for option, first in (("update_starting_at_step", 6), ("update_starting_at_epoch", 2)):
    found[option] = updates(**{option: first})
    print(f"{option}={first}: {found[option]}")
late = [(2, 7), (2, 8), (2, 9)]
print(f"expected: {late} from both: step 6 is the first of epoch 2")
early = [(step // 3, step + 1) for step in range(9)]
seen = found["update_starting_at_step"] == late and found["update_starting_at_epoch"] == [*early, (2, 9)]
print("seen:     the epoch delays nothing; it adds a second update at the end of epoch 2" if seen else "changed")
sys.exit(not seen)
PY
