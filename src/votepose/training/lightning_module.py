"""The Lightning module: data, training step, optimiser, schedule and validation."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from votepose.models.backbones._torchvision import ensure_importable

ensure_importable()  # before Lightning, which imports torchvision

# ruff: noqa: E402
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from votepose.data.labelled import LabelledDataset
from votepose.data.loader import Batch
from votepose.data.planned_batch import PlannedBatch
from votepose.data.resident import ResidentPictures
from votepose.errors import VoteposeError
from votepose.evaluation.coco_metrics import metrics_of
from votepose.evaluation.network import find_people
from votepose.inference.weights import resolve_weights
from votepose.models.checkpoint import Metadata, read_metadata
from votepose.models.estimator import PoseEstimator
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset
from votepose.models.transfer import start_from
from votepose.skeleton import Skeleton
from votepose.training.config import TrainConfig
from votepose.training.kernels.accelerate import accelerate
from votepose.training.pictures import Pictures, training_device
from votepose.training.recipes import Recipe
from votepose.training.refiner_targets import RefinerBatch
from votepose.training.stages import build_stage
from votepose.training.stages.base import Epoch
from votepose.training.stages.refiner import RefinerStage

_PAPER_LEAST = 1e-4  # minimum learning rate with --paper; V-B: bounded in [1e-4, 3e-3]
_FIXED = ("preset", "paper", "stage", "backbone_rate", "weight_decay")


class PoseModule(pl.LightningModule):
    """A network with its training stage and validation.

    Args:
        config: the options.
        preset: preset of the network, adapted to data and options.
        recipe: the training recipe.
        skeleton: skeleton of the people.
        pictures: images to train on.
        val: images to measure AP on, if any.

    Attributes:
        metadata: metadata for the weights file.
        metrics: AP and AR by name, if they were measured after this epoch; otherwise empty.
        timer: callback that ends the training after --minutes.
        fixed_settings: options that cannot change on --resume.
    """

    def __init__(
        self,
        config: TrainConfig,
        preset: Preset,
        recipe: Recipe,
        skeleton: Skeleton,
        pictures: Pictures,
        val: LabelledDataset | None,
    ) -> None:
        super().__init__()
        self.config, self.pictures, self.val, self.input_size = config, pictures, val, preset.input_size
        self.metadata = Metadata.of(config.preset, preset, skeleton)
        self.metrics: dict[str, float] = {}
        self.fixed_settings = {name: getattr(config, name) for name in _FIXED} | {"learning_rate": config.peak_rate}
        self._parameter_groups: list[list[str]] = []  # names, in the optimiser's order
        self.recorded = False  # whether recording CUDA graphs has been tried
        self.timer = Timer(timedelta(minutes=config.minutes) if config.minutes else None)
        self.network = PoseNet(preset.network, config.pretrained, config.backbone_weights, config.aux_weights)
        self.stage = build_stage(config, preset, recipe, skeleton)
        kappas = torch.from_numpy(skeleton.kappas)
        self.estimator = PoseEstimator(self.network, kappas, preset.grouping, preset.levels)
        if config.weights:
            self._start_from(resolve_weights(config.weights, ".safetensors"), skeleton)
        self.stage.select(self.network)
        self._clip_groups = self.stage.clip_groups(self.network)  # computed once, as it takes milliseconds
        _channels_last(self.network)
        if training_device(config).type == "cuda" and find_spec("triton"):
            accelerate(self.network)
        self._fit_windows()

    def _start_from(self, weights: Path, skeleton: Skeleton) -> None:
        remark = start_from(self.network, weights, skeleton)
        same = read_metadata(weights).skeleton.names == skeleton.names
        if isinstance(self.stage, RefinerStage) and not same:
            raise VoteposeError(
                f"--stage refiner: {weights} has another skeleton, so its votes must be trained first: use "
                "--stage votes"
            )
        if remark:
            print(remark)

    def _fit_windows(self) -> None:
        """Fit MaxViT's position tables to the input size, also in the averaged copy, which never runs."""
        self.network.backbone.fit_windows(self.input_size, self.input_size)

    def train_dataloader(self) -> DataLoader[Any]:
        """The batches of the next epoch."""
        config, trainer = self.config, self.trainer
        start = trainer.global_step  # by step, as a resumed trainer calls this before its epoch is set
        epoch = Epoch(
            self.pictures,
            self.input_size,
            config.augment,
            config.seed,
            config.batch_size,
            start,
            min(start + config.steps_per_epoch, config.steps),
            config.workers,
            trainer.global_rank,
            trainer.world_size,
        )
        return self.stage.loader(self.network, epoch)

    def on_train_epoch_start(self) -> None:
        self.metrics = {}
        self._losses: list[Tensor] = []

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        torch.manual_seed((self.config.seed << 32) + self.global_step * self.trainer.world_size + self.global_rank)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        if isinstance(batch, PlannedBatch):
            assert isinstance(self.pictures, ResidentPictures)
            return batch.to(device).render(self.pictures.canvases)
        return batch.to(device) if isinstance(batch, Batch | RefinerBatch) else batch

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        if not self.recorded:
            self.recorded = True
            if self.device.type == "cuda" and self.trainer.world_size == 1 and self.config.cuda_graphs:
                self.stage.record(self.network, batch)  # not with DDP, whose hooks cannot be recorded
        parts: dict[str, Tensor] = self.stage(self.network, batch)
        # Not at every step, as it takes a millisecond, but always at the last step of an epoch.
        if (self.global_step + 1) % self.config.log_every == 0 or self.trainer.is_last_batch:
            self.log_dict({f"loss/{k}": v.detach() for k, v in parts.items()}, batch_size=len(batch))
        if self.config.paper:
            self._log_epoch_loss(parts["total"].detach())
        return parts["total"]

    def _log_epoch_loss(self, loss: Tensor) -> None:
        """Log the mean loss of the epoch at its last step: the loss of a single batch is too noisy to show a plateau.

        It is the mean over all processes, whose learning rates would otherwise differ.
        """
        self._losses.append(loss)
        if self.trainer.is_last_batch:
            self.log("mean_loss", torch.stack(self._losses).mean(), sync_dist=True, batch_size=1)

    def on_train_batch_end(self, *_: Any) -> None:
        """Measure AP in the last epoch too, whatever --evaluate-every; the timer has been asked before."""
        if self.trainer.should_stop or self.trainer.current_epoch + 1 == self.trainer.max_epochs:
            self.trainer.check_val_every_n_epoch = 1

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        norms = [torch.nn.utils.clip_grad_norm_(group, gradient_clip_val) for group in self._clip_groups]
        finite = torch.stack(norms).isfinite().all()
        if finite.is_cuda:  # fused AdamW skips a step that is not finite, without synchronising
            optimizer.found_inf = (~finite).float()
        elif not finite:
            optimizer.zero_grad()  # AdamW skips parameters without gradient

    def configure_optimizers(self) -> Any:
        config = self.config
        groups = self._grouped(self.stage.parameter_groups(self.network, config.peak_rate, config.backbone_rate))
        fused = self.device.type == "cuda"
        optimizer = torch.optim.AdamW(groups, betas=self.stage.betas, weight_decay=config.weight_decay, fused=fused)
        if config.paper:  # V-B: adaptive
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=4, min_lr=_PAPER_LEAST)
            # Monitored at the last step of an epoch, since the checkpoint is written before the end of the epoch.
            schedule = {"scheduler": plateau, "monitor": "mean_loss", "interval": "step"}
            return {"optimizer": optimizer, "lr_scheduler": {**schedule, "frequency": config.steps_per_epoch}}
        cosine = torch.optim.lr_scheduler.LambdaLR(optimizer, self._relative_rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

    def _grouped(self, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The optimiser's groups or, on resuming, those of the checkpoint, which also has their rates: groups may
        depend on the size of the weights."""
        parameters = dict(self.named_parameters())
        if not self._parameter_groups:
            names = {id(parameter): name for name, parameter in parameters.items()}
            self._parameter_groups = [[names[id(parameter)] for parameter in group["params"]] for group in groups]
            return groups
        return [{"params": [parameters[name] for name in names]} for names in self._parameter_groups]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["fixed_settings"], checkpoint["parameter_groups"] = self.fixed_settings, self._parameter_groups

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._parameter_groups = checkpoint.get("parameter_groups", [])

    def _relative_rate(self, step: int) -> float:
        """The learning rate relative to its peak: linear warmup, then a cosine until the last step or minute."""
        config = self.config
        if step < config.warmup:
            return (step + 1) / config.warmup
        progress = (step - config.warmup) / max(1, config.steps - config.warmup)
        if config.minutes:
            progress = max(progress, self.timer.time_elapsed() / (60 * config.minutes))
        return _cosine(min(1.0, progress))

    def val_dataloader(self) -> DataLoader[Any]:
        """One dummy item: validation_step is called once and loops over the images itself."""
        return DataLoader(TensorDataset(torch.zeros(1)))

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        if self.val is None or self.val.labels is None or self.trainer.global_rank:
            return
        metrics = metrics_of(self.val.labels, find_people(self.estimator, self.val, self.input_size))
        self._fit_windows()  # before the weights are swapped with their averages
        self.metrics = asdict(metrics)
        self.log_dict({f"val/{name}": value for name, value in self.metrics.items()}, rank_zero_only=True)


def _channels_last(network: PoseNet) -> None:
    """Use channels-last memory for convolutions: twice as fast on CPUs, and no slower elsewhere."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _cosine(progress: float) -> float:
    """Falls from 1 to 1/50 as progress goes from 0 to 1."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
