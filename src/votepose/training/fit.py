"""`votepose train`: a preset, pictures and an objective -> weights. The loop is PyTorch Lightning's.

An epoch here is a fixed number of steps, not a pass over the pictures: every epoch ends in a checkpoint, written
atomically, from which `--resume` goes on exactly. Which pictures step n sees, how they are augmented, and every random
number drawn in it depend on the seed and on n alone.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, replace
from pathlib import Path

from votepose.models.backbones._torchvision import ensure_importable

ensure_importable()  # before Lightning, which imports torchvision

# ruff: noqa: E402
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging, LearningRateMonitor, RichProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from votepose.data.coco import load_coco
from votepose.data.loader import Batch, Source, TrainingSet
from votepose.errors import VoteposeError
from votepose.letterbox import require_input_size
from votepose.models.checkpoint import named, read_about, save_weights
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset, preset
from votepose.skeleton import COCO_17, Skeleton
from votepose.training.config import TrainConfig, parse_source, require_parts, require_start
from votepose.training.lightning_module import PoseModule
from votepose.training.refiner_targets import Lesson, LookObjective
from votepose.training.roi_cache import cut


class Checkpoints(pl.Callback):
    """After every epoch: last.ckpt to resume from and weights.safetensors to use, each replaced whole."""

    def __init__(self, folder: Path) -> None:
        self.last, self.weights = folder / "last.ckpt", folder / "weights.safetensors"

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, PoseModule)
        temporary = self.last.with_suffix(".tmp")
        trainer.save_checkpoint(temporary)
        if trainer.is_global_zero:
            averaged = _averaged_network(trainer, module)
            save_weights(self.weights, averaged, module.config.preset, module.chosen.input_size, module.skeleton)
            os.replace(temporary, self.last)  # last, so that who is killed before it does the epoch again


def _averaged_network(trainer: pl.Trainer, module: PoseModule) -> PoseNet:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, EMAWeightAveraging) and callback._average_model is not None:
            averaged = callback._average_model.module
            assert isinstance(averaged, PoseModule)
            return averaged.network
    return module.network


def _sources(config: TrainConfig) -> list[Source]:
    sources = []
    for folder, weight, mosaic in map(parse_source, config.data):
        data = load_coco(folder)
        for line in data.left_out[:5]:
            print(f"{folder}: left out: {line}")
        # Weights are per picture, so that adding a small folder does not drown a large one.
        sources.append(Source(data, weight * len(data.samples), mosaic))
    if len({source.dataset.skeleton for source in sources}) > 1:
        raise VoteposeError("--data: the folders' skeletons differ; train on one kind of body at a time")
    return sources


def _adapted(chosen: Preset, config: TrainConfig, skeleton: Skeleton) -> Preset:
    network = replace(
        chosen.network,
        keypoints=len(skeleton),
        prior=chosen.network.prior and skeleton == COCO_17,  # MoveNet believes nothing of other bodies
        witness=chosen.network.witness and skeleton == COCO_17 and _has_witness(config),
        hourglass=chosen.network.hourglass and config.hourglass,
        transformer=chosen.network.transformer and config.transformer,
    )
    size = chosen.input_size if config.input_size is None else config.input_size
    require_input_size(size)
    return replace(chosen, network=network, input_size=size)


def _has_witness(config: TrainConfig) -> bool:
    """Whether the second look's witness has weights to start from."""
    if config.witness_weights or not config.weights:
        return config.witness_weights is not None
    return bool(read_about(named(config.weights))["network"].get("witness"))


def _epochs(config: TrainConfig, last: Path) -> int:
    """Epochs in all, those before a checkpoint included, which may have been of another length."""
    done = {"epoch": -1, "global_step": 0}
    if config.resume:
        try:
            done = torch.load(last, mmap=True, map_location="cpu", weights_only=False)
        except Exception as error:  # what torch raises depends on where the file is broken
            raise VoteposeError(f"{last}: not a readable checkpoint ({type(error).__name__}); start anew") from error
    left = max(0, config.steps - done["global_step"])
    return done["epoch"] + 1 + math.ceil(left / config.steps_per_epoch)


def run(config: TrainConfig, chosen: Preset | None = None) -> None:
    """Train; see `TrainConfig`. Leaves `out`/weights.safetensors (averaged weights), last.ckpt and logs.

    Args:
        config: what to train on, and how.
        chosen: what to train in place of the preset that `config` names.

    Raises:
        VoteposeError: for data that cannot be used, or `--resume` without a checkpoint.
    """
    torch.set_flush_denormal(True)  # CPUs are many times slower with them
    try:
        _train(config, chosen)
    finally:  # the rest of the process keeps exact arithmetic
        torch.set_flush_denormal(False)


def _cut_crops(config: TrainConfig, chosen: Preset, module: PoseModule) -> None:
    """Fill the folder of crops, where one is asked for and it is not yet full."""
    if not config.crops or config.devices * config.nodes > 1:
        return
    pictures = config.crop_pictures or sum(len(source.dataset.samples) for source in module.sources)
    data = TrainingSet(module.sources, chosen.input_size, config.augment, config.seed, pictures)
    device = torch.device("cuda" if torch.cuda.is_available() and config.accelerator != "cpu" else "cpu")
    network, finder = (
        module.network.to(device),
        LookObjective(module.skeleton, chosen.grouping, chosen.levels).to(device),
    )

    def find(batch: Batch) -> Lesson:
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16-mixed"):
            return finder.lesson(network, batch.to(device)).to("cpu")

    network.eval()
    cut(config.crops, find, data, network.detailed, config.workers)
    network.cpu()


def _train(config: TrainConfig, chosen: Preset | None) -> None:
    last = config.out / "last.ckpt"
    if config.resume and not last.is_file():
        raise VoteposeError(f"--resume: {last} does not exist; start without --resume")
    if not config.resume and last.is_file():
        raise VoteposeError(f"{last} exists: go on with --resume, or choose another --out")
    if config.minutes is not None and not 0 < config.minutes < math.inf:
        raise VoteposeError(f"--minutes should be over 0, but is {config.minutes}")
    epochs = _epochs(config, last)
    chosen = chosen or preset(config.preset, config.paper)
    require_start(config, chosen)
    pl.seed_everything(config.seed)
    sources = _sources(config)
    skeleton = sources[0].dataset.skeleton
    adapted = _adapted(chosen, config, skeleton)
    require_parts(config, adapted.network)
    module = PoseModule(config, adapted, skeleton, sources, load_coco(config.val) if config.val else None)
    config.out.mkdir(parents=True, exist_ok=True)
    _cut_crops(config, adapted, module)
    trainer = pl.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.nodes,
        precision=config.precision,
        # A batch without people leaves the second look without gradient.
        strategy="ddp_find_unused_parameters_true" if config.devices * config.nodes > 1 else "auto",
        max_epochs=epochs,  # not max_steps, with which Lightning repeats a step on resuming
        reload_dataloaders_every_n_epochs=1,
        check_val_every_n_epoch=config.evaluate_every,
        num_sanity_val_steps=0,
        gradient_clip_val=config.clip,
        log_every_n_steps=min(25, config.steps_per_epoch),
        enable_checkpointing=False,
        use_distributed_sampler=False,
        enable_model_summary=False,
        limit_val_batches=1 if config.val else 0,
        logger=[CSVLogger(config.out, "csv", flush_logs_every_n_steps=1), TensorBoardLogger(config.out, "tensorboard")],
        callbacks=[
            EMAWeightAveraging(decay=config.average),
            LearningRateMonitor(),
            RichProgressBar(),
            module.timer,
            Checkpoints(config.out),
        ],
    )
    print(f"training {config.preset} on {sum(len(s.dataset.samples) for s in sources)} pictures, {asdict(config)}")
    trainer.fit(module, ckpt_path=str(last) if config.resume else None, weights_only=False)
