"""`votepose ablate`: trains and measures the cells of the paper's Table 2, at a scale that suits the machine.

All cells use the same images in the same order and the same seed. Finished cells are kept: the same command resumes a
stopped run, and `table.md` holds the results so far.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import torch

from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, LabelledFolder, load_labelled
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.evaluation.checks import print_left_out, require_labelled, require_positive
from votepose.evaluation.coco_metrics import KeypointMetrics, metrics_of
from votepose.evaluation.network import find_people
from votepose.io.files import prepare_folder, replacing, save_text
from votepose.io.settings import read_note, require_same_settings
from votepose.letterbox import require_input_size
from votepose.models.backbones.build import Part
from votepose.models.checkpoint import load_network
from votepose.models.estimator import PoseEstimator
from votepose.training.ablation_tables import Cell, Measured, document, own_options, table_2
from votepose.training.config import TrainConfig, parse_source
from votepose.training.fit import fit
from votepose.training.stages import require_options

_ELSE = "choose another --out"
_DRAWN = {"train": 400, "val": 100}  # images, where no data is given
GROUPS = {  # of the options in --help
    "table": ("presets", "ours", "paper"),
    "training": (
        "steps",
        "batch_size",
        "input_size",
        "learning_rate",
        "backbone_weights",
        "pretrained",
        "freeze",
        "seed",
    ),
    "hardware": ("precision", "accelerator", "workers"),
}


@dataclass(frozen=True)
class AblateConfig:
    """Train and measure the cells of the paper's Table 2, and the effect of our own options. Resumes a stopped run."""

    data: tuple[str, ...] = ()
    """Folders to train on, as for `votepose train`. By default, generated stick figures are used."""
    val: Path | None = None
    """Folder to measure AP on. Required with --data."""
    presets: tuple[str, ...] = ("mobile", "maxvit")
    """Presets to include in Table 2; an empty list skips the table."""
    ours: tuple[str, ...] = ()
    """Presets whose options that are not in the paper are switched off one at a time."""
    paper: bool = False
    """Use the paper's losses, vectors, grouping and schedule for Table 2."""
    steps: int = 2000
    """Optimiser steps per cell."""
    batch_size: int = TrainConfig.batch_size
    """Images per step."""
    input_size: int = 256
    """Side of the input in pixels, a multiple of 32."""
    learning_rate: float | None = None
    """Peak learning rate. Default: that of `votepose train`."""
    backbone_weights: tuple[str, ...] = ()
    """Pretrained weights of the backbones, each as PRESET=FILE: of the backbone alone, or votepose weights."""
    pretrained: bool = False
    """Download the backbones' ImageNet weights with timm."""
    freeze: Part | None = None
    """Part of the backbone to freeze. Default: the preset's."""
    limit: int | None = None
    """Measure AP on the first N images only. Default: all."""
    precision: Literal["32-true", "bf16-mixed"] | None = None
    """Precision of the computation. Default: bf16-mixed, which is faster, or 32-true on CPUs without bf16 instructions,
    where bf16 is many times slower."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Hardware to train on: cpu, gpu, or auto, which uses a GPU if there is one."""
    workers: int = 1
    """Processes that load images."""
    seed: int = 0
    """Random seed."""
    out: Path = Path("runs/ablate")
    """Folder for the runs, the measurements and table.md."""


def run(config: AblateConfig) -> None:
    """Train and measure the cells that are missing; write and print `out`/table.md.

    Raises:
        VoteposeError: if the data cannot be used, a preset is unknown, or `out` holds a run with other settings.
    """
    tables = {"Table 2 of the paper": [cell for name in config.presets for cell in table_2(name, config.paper)]}
    tables |= {f"Our own options: {name}": own_options(name) for name in config.ours}
    tables = {title: cells for title, cells in tables.items() if cells}
    every = [cell for cells in tables.values() for cell in cells]
    _check(config, every)
    data, val = _data(config)
    head = _head(config, data, val)
    measured: dict[str, Measured] = {}
    for cell in every:
        measured[cell.key] = _measured(config, cell, data, val)
        save_text(document(head, tables, measured), config.out / "table.md")
    print((config.out / "table.md").read_text(encoding="utf-8"))


def _check(config: AblateConfig, cells: Sequence[Cell]) -> None:
    """Check the options, and that `out` is new or holds a run with the same settings, before any slow work."""
    if bool(config.data) != (config.val is not None):
        raise VoteposeError("--data and --val go together: give both, or neither to use generated stick figures")
    for name, value in (("steps", config.steps), ("batch-size", config.batch_size), ("limit", config.limit)):
        require_positive(name, value)
    require_input_size(config.input_size)
    for pair in config.backbone_weights:
        name, _, file = pair.partition("=")
        if not file:
            raise VoteposeError("--backbone-weights: write PRESET=FILE, such as mobile=mobile.safetensors")
        if name not in (*config.presets, *config.ours):
            raise VoteposeError(f"--backbone-weights {pair}: {name} is not among the presets of this run")
        if not Path(file).is_file():
            raise VoteposeError(f"--backbone-weights {pair}: no such file")
    for cell in cells:
        require_options(_settings(config, cell, config.data), cell.chosen, cell.recipe)
    prepare_folder(config.out)
    # All cells must use the same settings, whenever they are run.
    settings = {k: v for k, v in asdict(config).items() if k not in ("presets", "ours", "paper", "out", "workers")}
    note = config.out / "settings.json"
    if any(config.out.glob("*/weights.safetensors")) and note.is_file():
        before = read_note(note.read_bytes(), note, _ELSE)
        require_same_settings(before, settings, f"{config.out}: holds an ablation", _ELSE)
    save_text(json.dumps(settings, default=str, indent=1), note)


def _data(config: AblateConfig) -> tuple[tuple[str, ...], LabelledDataset]:
    """Folders to train on and the images to measure on; generated stick figures if the configuration gives none."""
    folders = {part: config.out / f"drawn-{part}-{config.input_size}" for part in _DRAWN}
    if not config.data:
        for seed, (part, count) in enumerate(_DRAWN.items()):
            if not folders[part].is_dir():
                with replacing(folders[part]) as temporary:
                    write_coco(synthetic_dataset(count, config.input_size, seed=seed), temporary)
    data = config.data or (str(folders["train"]),)
    val = load_labelled(config.val or folders["val"], config.limit, "val")
    print_left_out(val, config.val or folders["val"])
    require_labelled(val)
    skeletons = {load_labelled(parse_source(source)[0], limit=1).skeleton.joints for source in data}
    if skeletons != {val.skeleton.joints}:
        raise VoteposeError(f"--val {config.val}: has a different skeleton from --data")
    return data, val


def _head(config: AblateConfig, data: tuple[str, ...], val: LabelledDataset) -> list[str]:
    """Header of the report: the command, the data, and how to read the tables."""
    people = sum(len(sample.keypoints) for sample in val.samples)
    assert val.annotations is not None
    return [
        "```sh",
        _command(config),
        "```",
        "",
        f"Trained on {', '.join(_pictures(source) for source in data)}: {config.steps} steps of {config.batch_size} "
        f"images at {config.input_size} pixels, all cells with the same seed. Measured on {len(val.samples)} "
        f"images with {people} people of {val.annotations.parent}: COCO keypoint AP in percent.",
        "Each cell is a single run, so small differences are noise. The paper trained on 57 k images for much "
        "longer, so compare differences, not absolute values.",
    ]


def _pictures(source: str) -> str:
    folder = parse_source(source)[0]
    count = LabelledFolder.open(folder).listed
    return f"{source} ({count} images)"


def _command(config: AblateConfig) -> str:
    """The command line that gives this configuration."""
    words = ["votepose", "ablate"]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.default is MISSING or value != field.default:
            values = value if isinstance(value, tuple) else () if value is True else (value,)
            words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def _measured(config: AblateConfig, cell: Cell, data: tuple[str, ...], val: LabelledDataset) -> Measured:
    """The cell's measurement, from its file if it has been run before."""
    file = config.out / f"{cell.key}.json"
    if not file.is_file():
        _train(config, cell, data)
        result = _measure(config, cell, val)
        save_text(json.dumps({"parameters": result.parameters, "metrics": result.metrics.to_dict()}, indent=1), file)
    values = json.loads(file.read_bytes())
    return Measured(values["parameters"], KeypointMetrics.from_dict(values["metrics"]))


def _train(config: AblateConfig, cell: Cell, data: tuple[str, ...]) -> None:
    folder = config.out / cell.run
    if (folder / "trained").is_file():
        return
    print(f"{cell.preset}, {cell.name}: training in {folder}")
    try:
        fit(_settings(config, cell, data), cell.chosen, cell.recipe)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command continues from the last checkpoint") from None
    (folder / "trained").touch()
    (folder / "last.ckpt").unlink(missing_ok=True)  # four times the size of the weights


def _settings(config: AblateConfig, cell: Cell, data: tuple[str, ...]) -> TrainConfig:
    """The options of `votepose train` for a cell."""
    folder = config.out / cell.run
    weights = dict(pair.split("=", 1) for pair in config.backbone_weights)
    return TrainConfig(
        data,
        folder,
        preset=cell.preset,
        paper=cell.recipe.losses.form == "paper",
        input_size=config.input_size,
        pretrained=config.pretrained,
        freeze=config.freeze,
        steps=config.steps,
        backbone_weights=Path(weights[cell.preset]) if cell.preset in weights else None,
        steps_per_epoch=min(250, config.steps),
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup=min(200, config.steps // 10),
        average=max(0.0, min(0.999, 1 - 10 / config.steps)),  # short runs need a shorter memory
        precision=config.precision,
        accelerator=config.accelerator,
        workers=config.workers,
        seed=config.seed,
        resume=(folder / "last.ckpt").is_file(),
    )


def _measure(config: AblateConfig, cell: Cell, val: LabelledDataset) -> Measured:
    assert val.labels is not None
    network, _ = load_network(config.out / cell.run / "weights.safetensors")
    estimator = PoseEstimator(
        network, torch.from_numpy(val.skeleton.kappas), cell.chosen.grouping, cell.chosen.levels
    ).eval()
    estimator.to("cuda" if torch.cuda.is_available() and config.accelerator != "cpu" else "cpu")
    metrics = metrics_of(val.labels, find_people(estimator, val, config.input_size))
    print(f"{cell.preset}, {cell.name}: {metrics}")
    return Measured(network.parameter_count, metrics)
