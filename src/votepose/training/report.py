"""The lines that a training prints at its start and end."""

from __future__ import annotations

import shlex

from votepose.training.checkpoints import Checkpoints
from votepose.training.config import TrainConfig
from votepose.training.lightning_module import PoseModule
from votepose.training.pictures import count_people, count_pictures
from votepose.training.stages.base import Stage
from votepose.utils.wording import counted


def opening(config: TrainConfig, module: PoseModule) -> str:
    """The stage, the data, and the command to watch the run."""
    people = f" with {counted(count_people(module.pictures), 'person', 'people')}" if module.stage.reads_labels else ""
    val = f", AP on {config.val}" if config.val else ""
    limit = f"{config.minutes:g} minutes or {config.steps} steps" if config.minutes else f"{config.steps} steps"
    batch = config.batch_size * config.devices * config.nodes
    images = counted(count_pictures(module.pictures), "image")
    return (
        f"training {config.preset} (stage {config.stage}) on {images}{people}{val}: "
        f"{limit} of {batch} {module.stage.unit} at {module.input_size} pixels\n"
        f"curves: tensorboard --logdir {shlex.quote(str(config.out / 'tensorboard'))}"
    )


def closing(stage: Stage, checkpoints: Checkpoints) -> str:
    """The final AP, the path of the weights, and the next command."""
    lines = [f"AP has not risen in {checkpoints.stale} measurements: stopped early"] if checkpoints.exhausted else []
    if checkpoints.ap is not None:
        best = f", best {checkpoints.best_ap:.3f} at step {checkpoints.best_step}"
        lines += [f"AP {checkpoints.ap:.3f}{best}"]
    better = checkpoints.ap is not None and checkpoints.ap < checkpoints.best_ap
    chosen = checkpoints.best if better else checkpoints.weights
    lines += [f"weights: {checkpoints.weights}" + (f"; with the best AP: {checkpoints.best}" if better else "")]
    path = shlex.quote(str(chosen))
    if not stage.trains_votes:
        return "\n".join([*lines, f"next: votepose train --stage votes --weights {path} ..."])
    target = shlex.quote(str(chosen.with_suffix(".onnx")))
    return "\n".join([*lines, f"next: votepose export --weights {path} --out {target}"])


def stopped(step: int, checkpoints: Checkpoints) -> str:
    """One line about what is kept of a run stopped by Ctrl-C."""
    if not checkpoints.saved:
        return f"stopped at step {step}, before the first checkpoint; start again without --resume"
    return f"stopped at step {step}; --resume continues from step {checkpoints.saved} ({checkpoints.last})"
