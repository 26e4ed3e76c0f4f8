"""Many heads at once: each picture's features feed them all, so that they learn from the same pictures in the same
order. A stopped run continues where its last checkpoint was written."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from research.grouping.features import CachedFeatures
from research.grouping.heads import Head
from research.grouping.losses import LOSSES, Labels
from votepose.io.files import replacing

BATCH = 16  # pictures per step
_WARMUP, _AVERAGE, _CLIP, _DECAY = 100, 0.98, 1.0, 1e-4  # steps, per step, norm of a head's gradient, AdamW's
_CHECKPOINT, _REPORT = 100, 50  # steps


@dataclass(frozen=True)
class Run:
    """One head: its method, the seed of its first weights, and its peak learning rate."""

    method: str
    seed: int
    rate: float

    @property
    def name(self) -> str:
        return f"{self.method}-{self.seed}-{self.rate:g}".replace(".", "_")


def train(
    runs: Sequence[Run], cache: CachedFeatures, pictures: int, path: Path, stride: int, channels: int, kappas: Tensor
) -> dict[Run, Head]:
    """The trained heads, their weights averaged over the last steps.

    Args:
        runs: the heads.
        cache: features and labels, gone through again and again in new orders.
        pictures: how many each head learns from, counting repetitions.
        path: of the checkpoint.
        stride, channels: of F. kappas: (K,) of the skeleton.
    """
    steps = pictures // BATCH
    heads = nn.ModuleDict({run.name: _fresh(run, channels) for run in runs})
    average = AveragedModel(heads, multi_avg_fn=get_ema_multi_avg_fn(_AVERAGE))
    groups = [{"params": list(heads[run.name].parameters()), "lr": run.rate} for run in runs]
    optimiser = torch.optim.AdamW(groups, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, steps))
    parts: dict[str, Any] = {"heads": heads, "average": average, "optimiser": optimiser, "schedule": schedule}
    step = _restore(path, parts)
    sums, begun = dict.fromkeys((run.name for run in runs), 0.0), time.process_time()
    while step < steps:
        features, batch = cache.batch(_chosen(step, cache.count))
        labels = Labels.of(batch, stride, kappas, seed=step)
        losses = {method: LOSSES[method](labels) for method in {run.method for run in runs}}
        optimiser.zero_grad()
        for run in runs:
            with torch.autocast("cpu", torch.bfloat16):  # nearly half the time
                output = heads[run.name](features)
            loss = losses[run.method](output.float())
            loss.backward()
            nn.utils.clip_grad_norm_(heads[run.name].parameters(), _CLIP)
            sums[run.name] += float(loss.detach())
        optimiser.step()
        schedule.step()
        average.update_parameters(heads)
        step += 1
        if step % _REPORT == 0:
            _report(step, steps, sums, time.process_time() - begun)
            sums = dict.fromkeys(sums, 0.0)
        if step % _CHECKPOINT == 0 or step == steps:
            with replacing(path) as temporary:
                torch.save({"step": step} | {name: part.state_dict() for name, part in parts.items()}, temporary)
    return {run: average.module[run.name].eval() for run in runs}  # type: ignore[index]


def _fresh(run: Run, channels: int) -> Head:
    torch.manual_seed(run.seed)
    return Head(run.method, channels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _share(step: int, steps: int) -> float:
    """Of the peak learning rate: linear at first, then half a cosine."""
    warmup = min(_WARMUP, steps // 5)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))


def _chosen(step: int, count: int) -> list[int]:
    """The pictures of a step: every pass over them has an order of its own."""
    each = count // BATCH
    order = torch.randperm(count, generator=torch.Generator().manual_seed(step // each))
    first = step % each * BATCH
    return order[first : first + BATCH].tolist()


def _restore(path: Path, parts: dict[str, Any]) -> int:
    """Load a checkpoint, if there is one; the steps that it has seen."""
    if not path.exists():
        return 0
    state = torch.load(path)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"])


def _report(step: int, steps: int, sums: dict[str, float], seconds: float) -> None:
    means = " ".join(f"{name} {total / _REPORT:.3f}" for name, total in sums.items())
    print(f"step {step} of {steps}, {seconds:.0f} s: {means}", flush=True)
