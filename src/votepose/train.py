"""`votepose train`: a preset, pictures and an objective -> weights. The loop is PyTorch Lightning's.

An epoch here is a fixed number of steps, not a pass over the pictures: every epoch ends in a checkpoint, written
atomically, from which `--resume` goes on exactly. Which pictures step n sees, how they are augmented, and every random
number drawn in it depend on the seed and on n alone.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from votepose.network._torchvision import ensure_importable

ensure_importable()  # before Lightning, which imports torchvision

# ruff: noqa: E402
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging, LearningRateMonitor, RichProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from votepose.data.augment import AugmentConfig
from votepose.data.coco import CocoDataset, load_coco
from votepose.data.loader import Batch, Source, TrainingSet, training_loader
from votepose.errors import VoteposeError
from votepose.evaluate import coco_results
from votepose.letterbox import MULTIPLE
from votepose.look_crops import CropObjective, CropStore, crop_loader, cut
from votepose.look_lesson import Lesson, LookObjective
from votepose.metrics import coco_keypoint_metrics
from votepose.network.backbone import Part, freeze
from votepose.network.estimator import PoseEstimator
from votepose.network.posenet import PoseNet
from votepose.objective import Objective
from votepose.presets import Preset, preset
from votepose.prior_objective import PriorObjective
from votepose.skeleton import COCO_17, Skeleton
from votepose.weights_file import BUNDLED_WEIGHTS, fill, save_weights

_PAPER_RATE = 3e-3  # V-B: bounded in [1e-4, 3e-3]


@dataclass(frozen=True)
class TrainConfig:
    """Train a network on COCO-format pictures.

    Attributes:
        data: folders with annotations.json; `DIR:0.2` draws from it a fifth as often, `DIR:0.2:mosaic` only in mosaics.
        val: folder whose AP is measured after every `evaluate_every` epochs.
        out: folder of checkpoints, logs and weights.
        preset: mobile, maxvit, lite or movenet.
        paper: keep to the paper's losses, vectors, grouping and schedule.
        hourglass, transformer: without one, a 1x1 convolution takes its place (paper V-F).
        input_size: side of the square training input, in pixels; the preset's by default.
        weights: votepose weights to start from; `bundled` are the package's.
        backbone_weights: weights of the backbone alone (safetensors).
        pretrained: let timm download the backbone's ImageNet weights.
        freeze: which part of the backbone is not trained: none, stem (its first stages, where most of the time goes),
            trunk (all but its last stages) or all; the preset's by default.
        teach: `votes`, the whole network; `prior`, only what a movenet backbone itself believes of people, from
            which votes start (`learning_rate` is then relative to each weight tensor's size); or `looks`, only the
            second look at each person, over the preset's whole image pyramid.
        crops: with `--teach looks`, a folder to keep the crops of people in: they are cut once, then looked at as often
            as one likes, which on a CPU saves most of the time. `batch_size` then counts people.
        crop_pictures: of how many augmented pictures crops are cut; by default as many as there are pictures.
        steps: optimiser steps in all. batch_size: pictures a step and process.
        steps_per_epoch: steps between checkpoints.
        learning_rate: peak; `backbone_rate` is the backbone's, relative to it.
        warmup: steps of rising rate. clip: greatest norm of a gradient.
        average: decay of the weights' moving average.
        precision: bf16-mixed pays on GPUs and on CPUs with AMX.
        devices, nodes: processes on this machine, and machines (DDP).
        resume: go on from the last checkpoint in `out`.
    """

    data: tuple[str, ...]
    out: Path = Path("runs/train")
    val: Path | None = None
    preset: str = "movenet"
    paper: bool = False
    hourglass: bool = True
    transformer: bool = True
    input_size: int | None = None
    weights: Path | None = None
    backbone_weights: Path | None = None
    pretrained: bool = False
    freeze: Part | None = None
    teach: Literal["votes", "prior", "looks"] = "votes"
    crops: Path | None = None
    crop_pictures: int | None = None
    steps: int = 20_000
    steps_per_epoch: int = 250
    batch_size: int = 8
    learning_rate: float = 6e-4
    backbone_rate: float = 0.1
    weight_decay: float = 1e-5
    warmup: int = 200
    clip: float = 1.0
    average: float = 0.999
    precision: Literal["32-true", "bf16-mixed"] = "bf16-mixed"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = 1
    evaluate_every: int = 4
    evaluate_pictures: int | None = None
    augment: AugmentConfig = AugmentConfig()  # noqa: RUF009 - frozen
    seed: int = 0
    resume: bool = False


class PoseModule(pl.LightningModule):
    """What Lightning needs to know: a step, an optimiser, a schedule and a validation."""

    def __init__(self, config: TrainConfig, chosen: Preset, skeleton: Skeleton, sources: list[Source],
                 val: CocoDataset | None) -> None:  # fmt: skip
        super().__init__()
        self.config, self.chosen, self.skeleton, self.sources, self.val = config, chosen, skeleton, sources, val
        kappas = torch.from_numpy(skeleton.kappas)
        self.network = PoseNet(chosen.network, config.pretrained, config.backbone_weights)
        self.objective = self._objective()
        self.estimator = PoseEstimator(self.network, kappas, chosen.grouping, chosen.levels)
        if config.weights:
            start = BUNDLED_WEIGHTS if config.weights == Path("bundled") else config.weights
            fill(self.network, start, skeleton)
        if config.teach != "votes":
            self.network.requires_grad_(False)
        if self.network.second_look is not None and config.teach == "looks":
            self.network.second_look.requires_grad_(True)
        freeze(self.network.backbone, _frozen(config, chosen))
        _channels_last(self.network)
        self._fit_windows()

    def _objective(self) -> Objective | PriorObjective | LookObjective | CropObjective:
        if self.config.teach == "prior":
            return PriorObjective(torch.from_numpy(self.skeleton.kappas))
        if self.config.crops:
            return CropObjective(self.skeleton)
        if self.config.teach == "looks":
            return LookObjective(self.skeleton, self.chosen.grouping, self.chosen.levels)
        return Objective(self.chosen.objective, self.skeleton)

    def _fit_windows(self) -> None:
        """MaxViT's position tables follow its last input; those of the averaged copy, which never runs, stay so."""
        self.network.backbone.fit_windows(self.chosen.input_size, self.chosen.input_size)

    def train_dataloader(self) -> DataLoader[Any]:
        """The pictures, or the crops, of the epoch that is about to begin."""
        config, trainer = self.config, self.trainer
        pictures = config.batch_size * trainer.world_size  # a step
        # Counted by steps: a resumed trainer asks before it knows its epoch.
        end = min(trainer.global_step + config.steps_per_epoch, config.steps)
        if config.crops:
            store = CropStore(config.crops, self.network.backbone.detailed, len(self.skeleton))
            return crop_loader(store, config.batch_size, config.seed, trainer.global_step, end, trainer.global_rank,
                               trainer.world_size)  # fmt: skip
        data = TrainingSet(self.sources, self.chosen.input_size, config.augment, config.seed, length=pictures * end)
        return training_loader(data, config.batch_size, config.workers, start=pictures * trainer.global_step,
                               rank=trainer.global_rank, world=trainer.world_size)  # fmt: skip

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        torch.manual_seed((self.config.seed << 32) + self.global_step * self.trainer.world_size + self.global_rank)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch.to(device) if isinstance(batch, Batch | Lesson) else batch

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        parts = self.objective(self.network, batch)
        self.log_dict({f"loss/{k}": v.detach() for k, v in parts.items()}, prog_bar=True, batch_size=len(batch))
        return parts["total"]

    def configure_optimizers(self) -> Any:
        config = self.config
        backbone = [p for p in self.network.backbone.parameters() if p.requires_grad]
        ids = {id(p) for p in self.network.backbone.parameters()}
        others = [p for p in self.parameters() if id(p) not in ids and p.requires_grad]
        rate = _PAPER_RATE if config.paper else config.learning_rate
        if config.teach == "prior":
            # MoveNet has no normalisation: its tensors differ a hundredfold in size, so steps are relative to it.
            groups = [{"params": [p], "lr": rate * float(p.detach().square().mean().sqrt())} for p in backbone]
            return self._scheduled(torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0))
        groups = [{"params": others, "lr": rate}]
        if backbone:
            groups.append({"params": backbone, "lr": rate * config.backbone_rate})
        if config.paper:  # V-B: adaptive, from 3e-3 down to 1e-4
            optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=4, min_lr=1e-4)
            # Asked at the last step of an epoch and not after it, when the checkpoint is already written.
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "loss/total",
                    "interval": "step", "frequency": config.steps_per_epoch}}  # fmt: skip
        return self._scheduled(torch.optim.AdamW(groups, weight_decay=config.weight_decay))

    def _scheduled(self, optimizer: torch.optim.Optimizer) -> Any:
        config = self.config
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _cosine(step, config.warmup, config.steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def val_dataloader(self) -> DataLoader[Any]:
        """One item: validation_step is called once, and runs over the pictures itself."""
        return DataLoader(TensorDataset(torch.zeros(1)))

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        if self.val is None or self.val.annotations is None or self.trainer.global_rank:
            return
        limit = self.config.evaluate_pictures
        results = coco_results(self.estimator, self.val, self.chosen.input_size, limit, progress=False)
        self._fit_windows()  # before weights and their averages change places
        metrics = coco_keypoint_metrics(self.val.annotations, results, [s.image_id for s in self.val.samples[:limit]])
        values = {f"val/{name}": getattr(metrics, name) for name in ("ap", "ap50", "ap75", "ap_m", "ap_l")}
        self.log_dict(values, prog_bar=True, rank_zero_only=True)
        self.print(f"epoch {self.current_epoch} step {self.global_step}: {metrics}")


def _channels_last(network: PoseNet) -> None:
    """Lay convolutions out as the CPU's kernels like them: twice as fast there, and no slower elsewhere."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _cosine(step: int, warmup: int, total: int) -> float:
    """Learning rate relative to its peak: up in `warmup` steps, then down a cosine to a fiftieth."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))


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


def parse_source(text: str) -> tuple[Path, float, bool]:
    """`DIR`, `DIR:weight` or `DIR:weight:mosaic` -> folder, weight, only in mosaics."""
    folder, *rest = text.split(":")
    try:
        weight = float(rest[0]) if rest else 1.0
    except ValueError:
        raise VoteposeError(f"--data {text}: {rest[0]!r} is no weight; write DIR, DIR:0.5 or DIR:0.5:mosaic") from None
    if weight <= 0 or rest[1:] not in ([], ["mosaic"]):
        raise VoteposeError(f"--data {text}: write DIR, DIR:0.5 or DIR:0.5:mosaic, with a weight over 0")
    return Path(folder), weight, bool(rest[1:])


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
        hourglass=chosen.network.hourglass and config.hourglass,
        transformer=chosen.network.transformer and config.transformer,
    )
    size = chosen.input_size if config.input_size is None else config.input_size
    if size < MULTIPLE or size % MULTIPLE:
        raise VoteposeError(f"--input-size should be a positive multiple of {MULTIPLE}, but is {size}")
    return replace(chosen, network=network, input_size=size)


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


def _frozen(config: TrainConfig, chosen: Preset) -> Part:
    by_lesson: dict[str, Part] = {"votes": chosen.freeze, "prior": "stem", "looks": "all"}
    return config.freeze or by_lesson[config.teach]


def _require_start(config: TrainConfig, chosen: Preset) -> None:
    """What is frozen must have been trained before, and what is taught must be there."""
    if config.teach == "prior" and not chosen.network.prior:
        raise VoteposeError(f"--teach prior: the {config.preset} network has no prior: use --preset movenet")
    if config.teach == "looks" and (not chosen.network.second_look or config.freeze not in (None, "all")):
        raise VoteposeError("--teach looks: use a preset with a second look (lite or movenet), and no --freeze")
    if config.crops and config.teach != "looks":
        raise VoteposeError("--crops: are what the second look is taught from: add --teach looks")
    if config.crops and config.devices * config.nodes > 1 and not any(config.crops.glob("people-*.npy")):
        raise VoteposeError("--crops: cut them with one process first (--devices 1 --steps 1)")
    start = config.weights or config.backbone_weights or config.pretrained or config.resume
    if _frozen(config, chosen) != "none" and not start:
        raise VoteposeError(
            f"the {config.preset} backbone is frozen and has no weights: start from --weights (`bundled` are the "
            f"package's), from --backbone-weights (see scripts/convert_*.py), or train it too with --freeze none"
        )


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
    cut(config.crops, find, data, network.backbone.detailed, config.workers)
    network.cpu()


def _train(config: TrainConfig, chosen: Preset | None) -> None:
    last = config.out / "last.ckpt"
    if config.resume and not last.is_file():
        raise VoteposeError(f"--resume: {last} does not exist; start without --resume")
    if not config.resume and last.is_file():
        raise VoteposeError(f"{last} exists: go on with --resume, or choose another --out")
    epochs = _epochs(config, last)
    chosen = chosen or preset(config.preset, config.paper)
    _require_start(config, chosen)
    pl.seed_everything(config.seed)
    sources = _sources(config)
    skeleton = sources[0].dataset.skeleton
    adapted = _adapted(chosen, config, skeleton)
    module = PoseModule(config, adapted, skeleton, sources, load_coco(config.val) if config.val else None)
    config.out.mkdir(parents=True, exist_ok=True)
    _cut_crops(config, adapted, module)
    trainer = pl.Trainer(
        accelerator=config.accelerator, devices=config.devices, num_nodes=config.nodes, precision=config.precision,
        # A batch without people leaves the second look without gradient.
        strategy="ddp_find_unused_parameters_true" if config.devices * config.nodes > 1 else "auto",
        max_epochs=epochs,  # not max_steps, with which Lightning repeats a step on resuming
        reload_dataloaders_every_n_epochs=1, check_val_every_n_epoch=config.evaluate_every, num_sanity_val_steps=0,
        gradient_clip_val=config.clip, log_every_n_steps=min(25, config.steps_per_epoch), enable_checkpointing=False,
        use_distributed_sampler=False, enable_model_summary=False, limit_val_batches=1 if config.val else 0,
        logger=[CSVLogger(config.out, "csv", flush_logs_every_n_steps=1), TensorBoardLogger(config.out, "tensorboard")],
        callbacks=[EMAWeightAveraging(decay=config.average), LearningRateMonitor(), RichProgressBar(),
                   Checkpoints(config.out)],
    )  # fmt: skip
    print(f"training {config.preset} on {sum(len(s.dataset.samples) for s in sources)} pictures, {asdict(config)}")
    trainer.fit(module, ckpt_path=str(last) if config.resume else None, weights_only=False)
