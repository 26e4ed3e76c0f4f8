#!/usr/bin/env bash
# Lightning: a checkpoint from an epoch's end, resumed with max_steps, trains on one batch more than the epoch has.
#
# Printed on 2026-11-27, Python 3.11, 2 CPU cores:
#     pytorch-lightning 2.6.6, torch 2.13.0+cpu
#     an epoch has 4 batches; steps are (epoch, batch index, sample)
#     epoch 0 resumed with {'max_epochs': 2}: steps [(1, 0, 0), (1, 1, 1), (1, 2, 2), (1, 3, 3)], ends of epochs [1]
#     epoch 0 resumed with {'max_steps': 8}: steps [(0, 4, 0), (1, 0, 0), (1, 1, 1), (1, 2, 2)], ends of epochs [0, 1]
#     expected: both train on epoch 1: batches 0 to 3, each sample once
#     seen:     max_steps runs a fifth batch of epoch 0 first, uses sample 0 twice and sample 3 never
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
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


class Recorder(pl.LightningModule):
    """Notes (epoch, batch index, sample) of each step, and each epoch's end."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.steps, self.ends = [], []

    def training_step(self, batch, index):
        self.steps.append((self.current_epoch, index, batch.item()))
        return self.weight.square().sum()

    def on_train_epoch_end(self):
        self.ends.append(self.current_epoch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(checkpoint=None, save=None, **length):
    model = Recorder()
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[save] if save else [], enable_checkpointing=save is not None, **length,
    )
    trainer.fit(model, DataLoader(torch.arange(4)), ckpt_path=checkpoint)
    return model


print(f"pytorch-lightning {pl.__version__}, torch {torch.__version__}")
print("an epoch has 4 batches; steps are (epoch, batch index, sample)")
save = ModelCheckpoint(dirpath=".", filename="first")
fit(save=save, max_epochs=1)
resumed = {}
for length in ({"max_epochs": 2}, {"max_steps": 8}):
    model = fit(save.best_model_path, **length)
    resumed[next(iter(length))] = model
    print(f"epoch 0 resumed with {length}: steps {model.steps}, ends of epochs {model.ends}")
print("expected: both train on epoch 1: batches 0 to 3, each sample once")
good = [(1, index, index) for index in range(4)]
seen = resumed["max_epochs"].steps == good and resumed["max_steps"].steps == [(0, 4, 0), *good[:3]]
print("seen:     max_steps runs a fifth batch of epoch 0 first, uses sample 0 twice and sample 3 never" if seen else "changed")
sys.exit(not seen)
PY
