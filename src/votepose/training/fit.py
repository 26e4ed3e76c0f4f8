"""Runs a training with PyTorch Lightning.

An epoch is a fixed number of steps, not a pass over the images. It ends with a checkpoint, written atomically, from
which `--resume` continues exactly where it stopped. The images of step n, their augmentation, and all random numbers
depend only on the seed and on n.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from votepose.models.backbones._torchvision import ensure_importable

ensure_importable()  # before Lightning, which imports torchvision

# ruff: noqa: E402
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LambdaCallback, LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from votepose.data.labelled import LabelledDataset, load_labelled
from votepose.data.loader import Batch, TrainingSet
from votepose.errors import VoteposeError
from votepose.evaluation.checks import print_left_out, require_labelled
from votepose.inference.weights import resolve_weights
from votepose.io.files import prepare_folder
from votepose.letterbox import require_input_size
from votepose.models import presets
from votepose.models.checkpoint import read_metadata
from votepose.models.presets import Preset
from votepose.skeleton import COCO_17, Skeleton
from votepose.training import recipes
from votepose.training.averaging import EmaWeights
from votepose.training.checkpoints import Checkpoints, PlainFiles
from votepose.training.config import TrainConfig
from votepose.training.lightning_module import PoseModule
from votepose.training.pictures import count_pictures, load_pictures, open_sources, training_device
from votepose.training.progress import Progress
from votepose.training.quiet import quiet_lightning
from votepose.training.recipes import Recipe
from votepose.training.refiner_targets import RefinerBatch
from votepose.training.report import closing, opening, stopped
from votepose.training.resuming import read_checkpoint, require_resumable
from votepose.training.roi_cache import fill_cache
from votepose.training.stages import require_options, require_parts
from votepose.training.stages.refiner import CachedRefinerStage
from votepose.utils.signals import stop_like_ctrl_c

_SINGLE_VALUE = "more than 1 value per channel"  # in the message of PyTorch's BatchNorm


def fit(config: TrainConfig, preset: Preset | None = None, recipe: Recipe | None = None) -> None:
    """Train; see `TrainConfig`. Writes weights.safetensors (averaged weights), last.ckpt and logs to `out`.

    With `val`, also best.safetensors, the weights with the highest AP.

    Args:
        config: the options.
        preset, recipe: used instead of those that `config` names.

    Raises:
        VoteposeError: if the data cannot be used, options do not go together, there is no checkpoint to resume from,
            the GPU runs out of memory, or batch and images are too small for the network.
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP, with a message about what is kept.
    """
    torch.set_flush_denormal(True)  # denormals make CPUs many times slower
    try:
        with quiet_lightning(), _printing_once(), stop_like_ctrl_c():
            module, epochs = _prepare(config, preset, recipe)
            _run(config, module, epochs)
    except torch.OutOfMemoryError as error:
        smaller = max(1, config.batch_size // 2)
        raise VoteposeError(
            f"the GPU ran out of memory with --batch-size {config.batch_size}: try --batch-size {smaller}, or let the "
            "images use less memory with --canvas or --from-disk"
        ) from error
    except ValueError as error:
        if _SINGLE_VALUE not in str(error):
            raise
        raise VoteposeError(
            f"a norm of the {config.preset} network saw a single value, which it cannot normalise: use a larger "
            f"--batch-size than {config.batch_size}, or a larger --input-size"
        ) from error
    finally:  # restore exact arithmetic for the rest of the process
        torch.set_flush_denormal(False)


@contextlib.contextmanager
def _printing_once() -> Iterator[None]:
    """Of several processes, let only the first one print."""
    if not getattr(rank_zero_only, "rank", 0):
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _keep_signals() -> pl.Callback:
    """A callback that restores SIGTERM's handler in place of Lightning's, which waits forever for other processes."""
    handler = signal.getsignal(signal.SIGTERM)

    def restore(*_: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)

    return LambdaCallback(on_train_start=restore)


def _prepare(config: TrainConfig, preset: Preset | None, recipe: Recipe | None) -> tuple[PoseModule, int]:
    """The module to train, and the number of epochs."""
    config.check()
    _require_devices(config)
    last = config.out / "last.ckpt"
    if not config.resume and last.is_file():
        raise VoteposeError(f"{last} exists: continue it with --resume, or choose another --out")
    begun: dict[str, Any] = {"epoch": -1, "global_step": 0}
    checkpoint = read_checkpoint(last) if config.resume else begun
    preset = preset or presets.preset(config.preset, config.paper)
    recipe = recipe or recipes.recipe(config.preset, config.paper)
    require_options(config, preset, recipe)
    pl.seed_everything(config.seed)
    sources = open_sources(config)
    skeleton = sources[0].folder.labels.skeleton
    preset = _adapted(preset, config, skeleton)
    require_parts(config, preset.network)
    prepare_folder(config.out)
    pictures = load_pictures(config, sources, preset.input_size)
    val = _validation(config.val, config.evaluate_images, skeleton) if config.val else None
    module = PoseModule(config, preset, recipe, skeleton, pictures, val)
    if config.resume:
        require_resumable(checkpoint, module, config, last)
    if isinstance(module.stage, CachedRefinerStage):
        if config.resume:
            module.load_state_dict(checkpoint["current_model_state"])  # the weights that the regions were cut with
        _fill_cache(config, module, module.stage)
    left = max(0, config.steps - checkpoint["global_step"])
    # The total number of epochs includes those before the checkpoint, which may have had another length.
    return module, checkpoint["epoch"] + 1 + math.ceil(left / config.steps_per_epoch)


def _require_devices(config: TrainConfig) -> None:
    """Raise VoteposeError unless the machine has the GPUs that the options ask for."""
    count = torch.cuda.device_count() if config.accelerator != "cpu" else 0
    if config.accelerator == "gpu" and not count:
        raise VoteposeError("--accelerator gpu: torch finds no CUDA GPU on this machine")
    if 0 < count < config.devices:
        raise VoteposeError(f"--devices {config.devices}: this machine has only {count}")


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
        if not trainer.is_global_zero:
            raise
        raise KeyboardInterrupt(stopped(trainer.global_step, checkpoints)) from None
    if trainer.is_global_zero:
        print(closing(module.stage, checkpoints))


def _trainer(config: TrainConfig, module: PoseModule, epochs: int, checkpoints: Checkpoints) -> pl.Trainer:
    processes = config.devices * config.nodes
    return pl.Trainer(
        accelerator=training_device(config).type,
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
        plugins=[PlainFiles()],
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
            Progress(
                config.batch_size * processes,
                module.stage.unit,
                None if config.minutes else config.steps,
                config.val is not None,
            ),
            checkpoints,
            _keep_signals(),
        ],
    )


def _precision(config: TrainConfig) -> Literal["32-true", "bf16-mixed"]:
    """The precision of training; CPUs without instructions for bf16 emulate it."""
    if config.precision is not None:
        return config.precision
    computes_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # older versions of torch lack it
    return "bf16-mixed" if training_device(config).type != "cpu" or computes_bf16() else "32-true"


def _validation(folder: Path, limit: int | None, skeleton: Skeleton) -> LabelledDataset:
    """The images to measure AP on."""
    data = load_labelled(folder, limit, "val")
    print_left_out(data, folder)
    require_labelled(data)
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


def _fill_cache(config: TrainConfig, module: PoseModule, stage: CachedRefinerStage) -> None:
    """Check that the regions in the cache are from this network, and cut those that are missing."""
    assert isinstance(module.pictures, list)
    count = config.crop_images or count_pictures(module.pictures)
    data = TrainingSet(module.pictures, module.input_size, config.augment, config.seed, count)
    device = training_device(config)
    network, stage = module.network.to(device), stage.to(device)

    def find(batch: Batch) -> RefinerBatch:
        with torch.autocast(device.type, torch.bfloat16, enabled=_precision(config) == "bf16-mixed"):
            return stage.refiner_batch(network, batch.to(device)).to("cpu")

    network.eval()
    fill_cache(stage.cache, find, data, network, config.data, config.workers, config.devices * config.nodes)
    module.cpu()
