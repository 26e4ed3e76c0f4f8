"""What other weights of the losses bring, in short runs that are alike in everything else.

    python benchmarks/loss_weights.py looks --crops DIR --val DIR                    # the second look's, by its AP
    python benchmarks/loss_weights.py votes --data DIR ... --weights FILE --val DIR  # those of `mobile`, by its votes
    python benchmarks/loss_weights.py ... --only oks-0 oks-2                         # teach these, measure nothing

Looks are taught from nothing, on crops of `votepose train --teach looks --crops DIR`; votes from `--weights` on, say
those of `--teach features`. What is taught is not taught again. Both tables are kept in benchmarks/loss_weights.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import looks
import torch
from torch import Tensor

from votepose.data.augment import NONE, AugmentConfig
from votepose.data.coco import load_coco
from votepose.data.loader import Batch, Source, TrainingSet, collate
from votepose.models.checkpoint import load_network
from votepose.models.posenet import PoseNet
from votepose.models.presets import preset
from votepose.training.config import TrainConfig
from votepose.training.losses import refiner as look_objective
from votepose.training.losses import votes as objective
from votepose.training.losses.votes import ObjectiveConfig
from votepose.training.targets import choose_cells, paint

ROOT = Path(__file__).parent.parent
SIZE, PICTURES = 192, 64  # of the input, and whose votes are judged
LOOKS: dict[str, Mapping[str, float]] = {
    "as-it-is": {},
    "quality-0.3": {"quality": 0.3},
    "quality-3": {"quality": 3.0},
    "judgement-0": {"joints": 0.0, "seen": 0.0},
    "judgement-3": {"joints": 1.5, "seen": 0.6},
}
AS_IT_IS = preset("mobile").objective
VOTES: dict[str, ObjectiveConfig] = {
    "as-it-is": AS_IT_IS,
    "presence-0.15": replace(AS_IT_IS, presence=0.15),
    "presence-1.5": replace(AS_IT_IS, presence=1.5),
    "oks-0": replace(AS_IT_IS, oks=0.0),
    "oks-2": replace(AS_IT_IS, oks=2.0),
    "paper": objective.PAPER,
}


def main() -> None:
    """Teach what is not yet taught, measure, and write."""
    options = _options()
    teach, measure, names = (_teach_look, _looks, LOOKS) if options.of == "looks" else (_teach_votes, _votes, VOTES)
    for name in names:
        if not options.only or name in options.only:
            teach(name, options.out / options.of / name, options)
    if options.only:
        return
    path = ROOT / "benchmarks" / "loss_weights.json"
    rows = json.loads(path.read_text()) if path.exists() else {}
    rows[options.of] = {"steps": options.steps, "rows": measure(options)}
    path.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows[options.of], indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("of", choices=["looks", "votes"], help="whose losses")
    parser.add_argument("--crops", type=Path, help="of people, for looks")
    parser.add_argument("--data", nargs="+", help="of pictures, for votes; as in `votepose train`")
    parser.add_argument("--weights", type=Path, help="what votes start from")
    parser.add_argument("--val", type=Path, required=True, help="pictures in COCO format to measure on")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "loss-weights", help="where the weights go")
    parser.add_argument("--only", nargs="+", choices=sorted({*LOOKS, *VOTES}), help="teach these, measure nothing")
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    if missing := [
        f"--{x}" for x in (["crops"] if options.of == "looks" else ["data", "weights"]) if not vars(options)[x]
    ]:
        parser.error(f"{options.of} want {' and '.join(missing)}")
    return options


def _teach_look(name: str, folder: Path, options: argparse.Namespace) -> None:
    usual = dict(look_objective.WEIGHTS)
    look_objective.WEIGHTS.update(LOOKS[name])
    try:
        looks.teach(folder, options.crops, looks.knowing_nothing(options.out), options.val, options.steps, people=48)
    finally:
        look_objective.WEIGHTS.update(usual)


def _looks(options: argparse.Namespace) -> list[dict[str, object]]:
    taught = {name: looks.look_of(options.out / "looks" / name) for name in LOOKS}
    metrics = looks.measured(taught, load_coco(options.val))
    return [{"name": name} | asdict(found) for name, found in metrics.items()]


def _teach_votes(name: str, folder: Path, options: argparse.Namespace) -> None:
    looks.train_once(
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
        replace(preset("mobile"), objective=VOTES[name]),
    )


def _votes(options: argparse.Namespace) -> list[dict[str, object]]:
    data = load_coco(options.val, PICTURES)
    pictures = TrainingSet([Source(data)], SIZE, replace(NONE, scale=(1.0, 1.01)), 0, len(data.samples))
    batch, kappas = collate([pictures[i] for i in range(len(pictures))]), torch.from_numpy(data.skeleton.kappas)
    networks = {name: load_network(options.out / "votes" / name / "weights.safetensors")[0] for name in VOTES}
    return [{"name": name, **_judged(network, batch, kappas)} for name, network in networks.items()]


@torch.no_grad()
def _judged(network: PoseNet, batch: Batch, kappas: Tensor) -> dict[str, float]:
    """How far the votes cast on labelled joints are off (median over joints, in sizes of their people), and which share
    of as many cells as there are joints, the likeliest ones, are joints."""
    stride = network.config.stride
    maps = network.eval().encode(batch.images)
    presence = maps.presence[-1].sigmoid()
    keypoints = torch.cat([batch.keypoints[..., :2] / stride, batch.keypoints[..., 2:]], dim=-1)
    sizes = batch.sizes / stride
    shape = (len(presence), presence.shape[1], presence.shape[2])
    targets = paint(keypoints, sizes, batch.image_index, shape, kappas, AS_IT_IS.targets)
    cells, owners = choose_cells(targets, 64, torch.Generator().manual_seed(0))
    votes, chosen = network.ask(maps, cells), owners >= 0
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
