"""Compares loss weights in short runs that are otherwise equal.

    python research/loss_weights.py refiner --crops DIR --val DIR                   # the pose refiner's, by its AP
    python research/loss_weights.py votes --data DIR ... --weights FILE --val DIR   # those of `mobile`, by its votes
    python research/loss_weights.py ... --only oks-0 oks-2                          # train these, measure nothing

Refiners start untrained, on crops of `votepose train --stage refiner --crops DIR`; votes start from `--weights`, for
example those of `--stage distill`. Finished runs are not repeated. Both tables go to research/loss_weights.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import refiner_runs
import torch
from torch import Tensor

from votepose.data.augment_config import NONE, AugmentConfig
from votepose.data.labelled import load_labelled
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.models.checkpoint import load_network
from votepose.models.posenet import PoseNet
from votepose.training.config import TrainConfig
from votepose.training.losses import refiner as refiner_loss
from votepose.training.losses.votes import PAPER, VoteLossConfig
from votepose.training.recipes import recipe
from votepose.training.targets import choose_cells, paint

HERE = Path(__file__).parent
ROOT = HERE.parent
SIZE, PICTURES = 192, 64  # input size in pixels; number of images to measure the votes on
REFINERS: dict[str, Mapping[str, float]] = {
    "as-it-is": {},
    "quality-0.3": {"quality": 0.3},
    "quality-3": {"quality": 3.0},
    "confidence-0": {"joints": 0.0, "seen": 0.0},
    "confidence-3": {"joints": 1.5, "seen": 0.6},
}
RECIPE = recipe("mobile")
AS_IT_IS = RECIPE.losses
VOTES: dict[str, VoteLossConfig] = {
    "as-it-is": AS_IT_IS,
    "presence-0.15": replace(AS_IT_IS, presence=0.15),
    "presence-1.5": replace(AS_IT_IS, presence=1.5),
    "oks-0": replace(AS_IT_IS, oks=0.0),
    "oks-2": replace(AS_IT_IS, oks=2.0),
    "paper": PAPER,
}


def main() -> None:
    """Train what is missing, measure, and write."""
    options = _options()
    refiner = options.of == "refiner"
    train, measure, names = (_train_refiner, _refiners, REFINERS) if refiner else (_train_votes, _votes, VOTES)
    for name in names:
        if not options.only or name in options.only:
            train(name, options.out / options.of / name, options)
    if options.only:
        return
    path = HERE / "loss_weights.json"
    rows = json.loads(path.read_bytes()) if path.exists() else {}
    rows[options.of] = {"steps": options.steps, "rows": measure(options)}
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(rows[options.of], indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("of", choices=["refiner", "votes"], help="which losses")
    parser.add_argument("--crops", type=Path, help="folder of crops, for `refiner`")
    parser.add_argument("--data", nargs="+", help="folders of images, for `votes`; as in `votepose train`")
    parser.add_argument("--weights", type=Path, help="initial weights for `votes`")
    parser.add_argument("--val", type=Path, required=True, help="images in COCO format to measure on")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "loss-weights", help="folder for the weights")
    parser.add_argument("--only", nargs="+", choices=sorted({*REFINERS, *VOTES}), help="train these, measure nothing")
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    if missing := [
        f"--{x}" for x in (["crops"] if options.of == "refiner" else ["data", "weights"]) if not vars(options)[x]
    ]:
        parser.error(f"{options.of} needs {' and '.join(missing)}")
    return options


def _train_refiner(name: str, folder: Path, options: argparse.Namespace) -> None:
    usual = dict(refiner_loss.WEIGHTS)
    refiner_loss.WEIGHTS.update(REFINERS[name])
    try:
        start = refiner_runs.untrained_weights(options.out)
        refiner_runs.train_refiner(folder, options.crops, start, options.val, options.steps, people=48)
    finally:
        refiner_loss.WEIGHTS.update(usual)


def _refiners(options: argparse.Namespace) -> list[dict[str, object]]:
    trained = {name: refiner_runs.refiner_of(options.out / "refiner" / name) for name in REFINERS}
    metrics = refiner_runs.measured(trained, load_labelled(options.val))
    return [{"name": name} | asdict(found) for name, found in metrics.items()]


def _train_votes(name: str, folder: Path, options: argparse.Namespace) -> None:
    refiner_runs.train_once(
        TrainConfig(
            tuple(options.data),
            folder,
            preset="mobile",
            weights=options.weights,
            input_size=SIZE,
            batch_size=32,
            learning_rate=1e-3,
            backbone_rate=1.0,
            weight_decay=0.02,
            warmup=50,
            average=0.95,
            steps=options.steps,
            steps_per_epoch=options.steps,
            augment=AugmentConfig(scale=(0.8, 2.2), mosaic=0.0),
        ),
        replace(RECIPE, losses=VOTES[name]),
    )


def _votes(options: argparse.Namespace) -> list[dict[str, object]]:
    data = load_labelled(options.val, PICTURES)
    pictures = TrainingSet([Source(data)], SIZE, replace(NONE, scale=(1.0, 1.01)), 0, len(data.samples))
    batch, kappas = collate([pictures[i] for i in range(len(pictures))]), torch.from_numpy(data.skeleton.kappas)
    networks = {name: load_network(options.out / "votes" / name / "weights.safetensors")[0] for name in VOTES}
    return [{"name": name, **_vote_errors(network, batch, kappas)} for name, network in networks.items()]


@torch.no_grad()
def _vote_errors(network: PoseNet, batch: Batch, kappas: Tensor) -> dict[str, float]:
    """Errors of the votes of one batch.

    Returns:
        `off`, the median distance between a vote's joints and the labelled ones, in units of the person's size, over
        votes on labelled joints; and `joints`, the precision of the N most likely cells, where N is the number of cells
        with a joint.
    """
    stride = network.config.stride
    maps = network.eval().encode(batch.images)
    presence = maps.presence[-1].sigmoid()
    keypoints = torch.cat([batch.keypoints[..., :2] / stride, batch.keypoints[..., 2:]], dim=-1)
    sizes = batch.sizes / stride
    shape = (len(presence), presence.shape[1], presence.shape[2])
    targets = paint(keypoints, sizes, batch.image_index, shape, kappas, AS_IT_IS.targets)
    cells, owners = choose_cells(targets, 64, torch.Generator().manual_seed(0))
    votes, chosen = network.predict_votes(maps, cells), owners >= 0
    truth, size = keypoints[owners[chosen]], sizes[owners[chosen]]
    off = (votes.poses[chosen] - truth[..., :2]).norm(dim=-1) / size[:, None]
    known = ~batch.ignored(presence.shape[1:]) | (targets.owner >= 0)
    return {
        "off": round(float(off[truth[..., 2] > 0].median()), 3),
        "joints": _share_found(presence * known, targets.presence),
    }


def _share_found(presence: Tensor, joints: Tensor) -> float:
    count = int(joints.sum())
    return round(float(joints.flatten()[presence.flatten().topk(count).indices].mean()), 3)


if __name__ == "__main__":
    main()
