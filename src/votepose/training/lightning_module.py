"""What Lightning needs to know of a training run: its pictures, a step, an optimiser, a schedule, a validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from votepose.models.backbones._torchvision import ensure_importable

ensure_importable()  # before Lightning, which imports torchvision

# ruff: noqa: E402
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from votepose.data.coco import CocoDataset
from votepose.data.loader import Batch, Source, TrainingSet, training_loader
from votepose.evaluation.coco_metrics import coco_keypoint_metrics
from votepose.evaluation.runner import coco_results
from votepose.models.backbones.build import freeze
from votepose.models.checkpoint import fill, named
from votepose.models.estimator import PoseEstimator
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset
from votepose.skeleton import Skeleton
from votepose.training.config import TrainConfig, frozen_part
from votepose.training.losses.centernet import PriorObjective
from votepose.training.losses.feature_distillation import FeatureObjective
from votepose.training.losses.joint import WholeObjective
from votepose.training.losses.votes import Objective
from votepose.training.refiner_targets import Lesson, LookObjective
from votepose.training.roi_cache import CropObjective, CropStore, crop_loader

_PAPER_RATE = 3e-3  # V-B: bounded in [1e-4, 3e-3]


class PoseModule(pl.LightningModule):
    """What Lightning needs to know: a step, an optimiser, a schedule and a validation.

    Attributes:
        timer: ends the training when its minutes are over; a callback for the trainer.
    """

    def __init__(
        self, config: TrainConfig, chosen: Preset, skeleton: Skeleton, sources: list[Source], val: CocoDataset | None
    ) -> None:
        super().__init__()
        self.config, self.chosen, self.skeleton, self.sources, self.val = config, chosen, skeleton, sources, val
        self.timer = Timer(timedelta(minutes=config.minutes) if config.minutes else None)
        kappas = torch.from_numpy(skeleton.kappas)
        self.network = PoseNet(chosen.network, config.pretrained, config.backbone_weights, config.witness_weights)
        self.objective = self._objective()
        self.estimator = PoseEstimator(self.network, kappas, chosen.grouping, chosen.levels)
        if config.weights:
            fill(self.network, named(config.weights), skeleton)
        if config.teach in ("prior", "looks"):
            self.network.requires_grad_(False)
        if self.network.second_look is not None and config.teach == "looks":
            self.network.second_look.requires_grad_(True)
        if self.network.witness is not None and config.teach == "all":
            self.network.witness.requires_grad_(True)
        freeze(self.network.backbone, frozen_part(config, chosen))
        _channels_last(self.network)
        self._fit_windows()

    def _objective(self) -> nn.Module:
        if self.config.teach == "features":
            return FeatureObjective(self.chosen.network.channels)
        if self.config.teach == "prior":
            return PriorObjective(torch.from_numpy(self.skeleton.kappas))
        if self.config.crops:
            return CropObjective(self.skeleton)
        if self.config.teach == "looks":
            return LookObjective(self.skeleton, self.chosen.grouping, self.chosen.levels)
        if self.config.teach == "all":
            return WholeObjective(self.chosen.objective, self.skeleton, self.chosen.grouping, self.chosen.levels)
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
            store = CropStore(config.crops, self.network.detailed, len(self.skeleton))
            return crop_loader(
                store, config.batch_size, config.seed, trainer.global_step, end, trainer.global_rank, trainer.world_size
            )
        data = TrainingSet(self.sources, self.chosen.input_size, config.augment, config.seed, length=pictures * end)
        return training_loader(
            data,
            config.batch_size,
            config.workers,
            start=pictures * trainer.global_step,
            rank=trainer.global_rank,
            world=trainer.world_size,
        )

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        torch.manual_seed((self.config.seed << 32) + self.global_step * self.trainer.world_size + self.global_rank)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch.to(device) if isinstance(batch, Batch | Lesson) else batch

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        parts = self.objective(self.network, batch)
        self.log_dict({f"loss/{k}": v.detach() for k, v in parts.items()}, prog_bar=True, batch_size=len(batch))
        return parts["total"]

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Where all is taught, each part by itself: beside MoveNet's gradients, which are as large as its activations,
        nothing would be left of the others."""
        for part in self.network.children() if self.config.teach == "all" else [self]:
            torch.nn.utils.clip_grad_norm_(part.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> Any:
        config = self.config
        rate = _PAPER_RATE if config.paper else config.learning_rate
        trunks = [self.network.backbone] + ([self.network.witness] if self.network.witness is not None else [])
        pretrained = [p for trunk in trunks for p in trunk.parameters() if p.requires_grad]
        ids = {id(p) for p in pretrained}
        others = [p for p in self.parameters() if id(p) not in ids and p.requires_grad]
        groups: list[dict[str, Any]] = [{"params": others, "lr": rate}] if others else []
        backbone_rate = rate if config.teach == "prior" else rate * config.backbone_rate
        if config.teach in ("prior", "all"):
            # MoveNet has no normalisation: its tensors differ a hundredfold in size, so steps are relative to it.
            groups += [
                {"params": alike, "lr": backbone_rate * size, "weight_decay": 0.0}
                for size, alike in _by_size(pretrained).items()
            ]
        elif pretrained:
            groups.append({"params": pretrained, "lr": backbone_rate})
        if config.paper:  # V-B: adaptive, from 3e-3 down to 1e-4
            optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=4, min_lr=1e-4)
            # Asked at the last step of an epoch and not after it, when the checkpoint is already written.
            return {
                "optimizer": optimizer,
                "lr_scheduler": {
                    "scheduler": plateau,
                    "monitor": "loss/total",
                    "interval": "step",
                    "frequency": config.steps_per_epoch,
                },
            }
        betas = (0.9, 0.99) if config.teach in ("prior", "all") else (0.9, 0.999)
        return self._scheduled(torch.optim.AdamW(groups, betas=betas, weight_decay=config.weight_decay))

    def _scheduled(self, optimizer: torch.optim.Optimizer) -> Any:
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._relative_rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _relative_rate(self, step: int) -> float:
        """The learning rate over its peak: up in the first steps, then down a cosine that ends with the last step, or
        when the time is up."""
        config = self.config
        if step < config.warmup:
            return (step + 1) / config.warmup
        progress = (step - config.warmup) / max(1, config.steps - config.warmup)
        if config.minutes:
            progress = max(progress, self.timer.time_elapsed() / (60 * config.minutes))
        return _cosine(min(1.0, progress))

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


def _by_size(tensors: Sequence[Tensor]) -> dict[float, list[Tensor]]:
    """Tensors by the root mean square of their numbers, rounded to half octaves: few groups make fast steps."""
    groups: dict[float, list[Tensor]] = {}
    for tensor in tensors:
        size = float(tensor.detach().square().mean().sqrt().clamp(min=1e-12))
        groups.setdefault(2 ** (round(2 * math.log2(size)) / 2), []).append(tensor)
    return groups


def _channels_last(network: PoseNet) -> None:
    """Lay convolutions out as the CPU's kernels like them: twice as fast there, and no slower elsewhere."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _cosine(progress: float) -> float:
    """From 1 down to a fiftieth, as progress goes from 0 to 1."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
