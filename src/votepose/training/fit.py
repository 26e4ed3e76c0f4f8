"""Runs a training with PyTorch Lightning.

An epoch is a fixed number of steps, not a pass over the images. It ends with a checkpoint, written atomically, from
which `--resume` continues exactly where it stopped. The images of step n, their augmentation, and all random numbers
depend only on the seed and on n.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from votepose.models.backbones._torchvision import ensure_importable

ensure_importable()  # before Lightning, which imports torchvision

# ruff: noqa: E402
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from votepose.data.coco import CocoDataset, load_coco
from votepose.data.loader import Batch, TrainingSet
from votepose.errors import VoteposeError
from votepose.evaluation.checks import print_left_out, require_positive
from votepose.inference.weights import resolve_weights
from votepose.letterbox import require_input_size
from votepose.models import presets
from votepose.models.checkpoint import read_metadata
from votepose.models.presets import Preset
from votepose.skeleton import COCO_17, Skeleton
from votepose.training import recipes
from votepose.training.averaging import EmaWeights
from votepose.training.checkpoints import Checkpoints
from votepose.training.config import TrainConfig
from votepose.training.lightning_module import PoseModule
from votepose.training.pictures import count_pictures, load_pictures, open_sources, training_device
from votepose.training.progress import Progress
from votepose.training.quiet import quiet_lightning
from votepose.training.recipes import Recipe
from votepose.training.refiner_targets import RefinerBatch
from votepose.training.report import closing, opening, stopped
from votepose.training.roi_cache import fill_cache
from votepose.training.stages import require_options, require_parts
from votepose.training.stages.refiner import CachedRefinerStage
from votepose.utils.signals import stop_like_ctrl_c


def fit(config: TrainConfig, preset: Preset | None = None, recipe: Recipe | None = None) -> None:
    """Train; see `TrainConfig`. Writes weights.safetensors (averaged weights), last.ckpt and logs to `out`.

    With `val`, also best.safetensors, the weights with the highest AP.

    Args:
        config: the options.
        preset, recipe: used instead of those that `config` names.

    Raises:
        VoteposeError: if the data cannot be used, options do not go together, there is no checkpoint to resume from, or
            the GPU runs out of memory.
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, with a message about what is kept.
    """
    torch.set_flush_denormal(True)  # denormals make CPUs many times slower
    try:
        with quiet_lightning(), _stoppable(config):
            module, epochs = _prepare(config, preset, recipe)
            _run(config, module, epochs)
    except torch.OutOfMemoryError as error:
        smaller = max(1, config.batch_size // 2)
        raise VoteposeError(
            f"the GPU ran out of memory with --batch-size {config.batch_size}: try --batch-size {smaller}, or let the "
            "images use less memory with --canvas or --from-disk"
        ) from error
    finally:  # restore exact arithmetic for the rest of the process
        torch.set_flush_denormal(False)


def _stoppable(config: TrainConfig) -> contextlib.AbstractContextManager[None]:
    """Let SIGTERM end a run like Ctrl-C; with several processes, Lightning handles it."""
    return stop_like_ctrl_c() if config.devices * config.nodes == 1 else contextlib.nullcontext()


def _prepare(config: TrainConfig, preset: Preset | None, recipe: Recipe | None) -> tuple[PoseModule, int]:
    """The module to train, and the number of epochs."""
    last = config.out / "last.ckpt"
    if config.resume and not last.is_file():
        raise VoteposeError(f"--resume: {last} does not exist; start without --resume")
    if not config.resume and last.is_file():
        raise VoteposeError(f"{last} exists: continue it with --resume, or choose another --out")
    if config.minutes is not None and not 0 < config.minutes < math.inf:
        raise VoteposeError(f"--minutes should be above 0, but is {config.minutes}")
    require_positive("patience", config.patience)
    if config.patience is not None and config.val is None:
        raise VoteposeError("--patience needs --val, the data to measure AP on")
    begun: dict[str, Any] = {"epoch": -1, "global_step": 0}
    checkpoint = _read_checkpoint(last) if config.resume else begun
    preset = preset or presets.preset(config.preset, config.paper)
    recipe = recipe or recipes.recipe(config.preset, config.paper)
    require_options(config, preset, recipe)
    pl.seed_everything(config.seed)
    sources = open_sources(config)
    skeleton = sources[0].folder.labels.skeleton
    preset = _adapted(preset, config, skeleton)
    require_parts(config, preset.network)
    pictures = load_pictures(config, sources, preset.input_size)
    val = _validation(config.val, skeleton) if config.val else None
    module = PoseModule(config, preset, recipe, skeleton, pictures, val)
    if config.resume and checkpoint["state_dict"].keys() != module.state_dict().keys():
        raise VoteposeError(
            f"{last}: cannot be resumed, as it is from another preset, stage or version of votepose; start a new --out "
            f"with --weights {config.out / 'weights.safetensors'}"
        )
    config.out.mkdir(parents=True, exist_ok=True)
    if isinstance(module.stage, CachedRefinerStage) and config.devices * config.nodes == 1 and not config.resume:
        _fill_cache(config, module, module.stage)
    left = max(0, config.steps - checkpoint["global_step"])
    # The total number of epochs includes those before the checkpoint, which may have had another length.
    return module, checkpoint["epoch"] + 1 + math.ceil(left / config.steps_per_epoch)


def _run(config: TrainConfig, module: PoseModule, epochs: int) -> None:
    checkpoints = Checkpoints(config.out, config.patience)
    trainer = _trainer(config, module, epochs, checkpoints)
    options = json.loads(json.dumps(asdict(config), default=str))  # paths and tuples in YAML types
    for logger in trainer.loggers:
        logger.log_hyperparams(options)
    if trainer.is_global_zero:
        print(opening(config, module))
    at_ctrl_c = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, ckpt_path=str(checkpoints.last) if config.resume else None, weights_only=False)
    except SystemExit as end:  # Lightning turns Ctrl-C into SystemExit, and ignores it from then on
        if not isinstance(end.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, at_ctrl_c or signal.SIG_DFL)
        raise KeyboardInterrupt(stopped(trainer.global_step, checkpoints)) from None
    if trainer.is_global_zero:
        print(closing(module.stage, checkpoints))


def _trainer(config: TrainConfig, module: PoseModule, epochs: int, checkpoints: Checkpoints) -> pl.Trainer:
    processes = config.devices * config.nodes
    return pl.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.nodes,
        precision=_precision(config),
        # Without people in a batch, the refiner has no gradient.
        strategy="ddp_find_unused_parameters_true" if processes > 1 else "auto",
        max_epochs=epochs,  # not max_steps, with which Lightning repeats a step on resuming
        reload_dataloaders_every_n_epochs=1,
        check_val_every_n_epoch=config.evaluate_every,
        num_sanity_val_steps=0,
        gradient_clip_val=config.clip,
        log_every_n_steps=config.log_every,
        enable_checkpointing=False,
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        limit_val_batches=1 if config.val else 0,
        logger=[
            CSVLogger(config.out, "csv", flush_logs_every_n_steps=1),
            TensorBoardLogger(config.out, "tensorboard", default_hp_metric=False),
        ],
        callbacks=[
            EmaWeights(config.average),
            LearningRateMonitor(),
            module.timer,
            Progress(config.batch_size * processes, None if config.minutes else config.steps, config.val is not None),
            checkpoints,
        ],
    )


def _precision(config: TrainConfig) -> Literal["32-true", "bf16-mixed"]:
    """The precision of training; CPUs without instructions for bf16 emulate it."""
    if config.precision is not None:
        return config.precision
    computes_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # older versions of torch lack it
    return "bf16-mixed" if training_device(config).type != "cpu" or computes_bf16() else "32-true"


def _validation(folder: Path, skeleton: Skeleton) -> CocoDataset:
    """The images to measure AP on."""
    data = load_coco(folder, split="val")
    print_left_out(data, folder)
    if data.skeleton.names != skeleton.names:
        raise VoteposeError(f"--val {folder}: has a different skeleton from --data")
    return data


def _adapted(preset: Preset, config: TrainConfig, skeleton: Skeleton) -> Preset:
    """The preset, reduced to the parts that options, data and initial weights support."""
    network = replace(
        preset.network,
        keypoints=len(skeleton),
        proposals=preset.network.proposals and skeleton.names == COCO_17.names,  # MoveNet only proposes COCO's skeleton
        aux_backbone=preset.network.aux_backbone and skeleton.names == COCO_17.names and _has_aux_weights(config),
        hourglass=preset.network.hourglass and config.hourglass,
        transformer=preset.network.transformer and config.transformer,
    )
    size = preset.input_size if config.input_size is None else config.input_size
    require_input_size(size)
    return replace(preset, network=network, input_size=size)


def _has_aux_weights(config: TrainConfig) -> bool:
    """Whether there are initial weights for the auxiliary backbone."""
    if config.aux_weights or not config.weights:
        return config.aux_weights is not None
    return read_metadata(resolve_weights(config.weights, ".safetensors")).network.aux_backbone


def _read_checkpoint(last: Path) -> dict[str, Any]:
    try:
        checkpoint: dict[str, Any] = torch.load(last, mmap=True, map_location="cpu", weights_only=False)
        return {name: checkpoint[name] for name in ("epoch", "global_step", "state_dict")}
    except Exception as error:  # torch's exception depends on where the file is broken
        raise VoteposeError(f"{last}: not a readable checkpoint ({type(error).__name__}); start a new run") from error


def _fill_cache(config: TrainConfig, module: PoseModule, stage: CachedRefinerStage) -> None:
    """Cut the regions that are missing in the cache."""
    assert isinstance(module.pictures, list)
    count = config.crop_pictures or count_pictures(module.pictures)
    data = TrainingSet(module.pictures, module.input_size, config.augment, config.seed, count)
    device = training_device(config)
    network, stage = module.network.to(device), stage.to(device)

    def find(batch: Batch) -> RefinerBatch:
        with torch.autocast(device.type, torch.bfloat16, enabled=_precision(config) == "bf16-mixed"):
            return stage.refiner_batch(network, batch.to(device)).to("cpu")

    network.eval()
    fill_cache(stage.cache, find, data, network, config.data, config.workers)
    module.cpu()
