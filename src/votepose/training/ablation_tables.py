"""The rows of the ablation tables, and their output as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from votepose.evaluation.coco_metrics import KeypointMetrics, in_percent
from votepose.grouping import PAPER
from votepose.models.presets import Preset, preset, votes_only
from votepose.training.recipes import Recipe, recipe

# AP in percent: with both, without both, without hourglass, without transformer (paper, Table 2)
_PAPER_AP = {"mobile": (48.9, 11.4, 43.1, 56.0), "maxvit": (68.8, 17.1, 57.7, 61.2)}
_WHOLE, _AS_IT_IS = "with both", "as it is"


@dataclass(frozen=True)
class Cell:
    """A row of a table.

    Attributes:
        name: the option that is switched off.
        preset: name of the preset.
        chosen: the preset with the option switched off.
        recipe: the training recipe.
        key: name of the measurement.
        run: name of the training run; rows that differ only in grouping share it.
        paper: AP in the paper, in percent.
    """

    name: str
    preset: str
    chosen: Preset
    recipe: Recipe
    key: str
    run: str
    paper: float | None = None


@dataclass(frozen=True)
class Measured:
    """The result of a cell."""

    parameters: int
    metrics: KeypointMetrics


def table_2(name: str, paper: bool) -> list[Cell]:
    """The paper's rows for one preset (V-F): 1x1 heads instead of the hourglass, the transformer, or both.

    They measure votes: a pose refiner, which the paper does not have, would hide differences between them.
    """
    chosen, how = preset(name, paper), recipe(name, paper)
    rows = (
        (_WHOLE, True, True),
        ("w/o both (only 1x1 conv head)", False, False),
        ("w/o hourglass for heatmap", False, True),
        ("w/o transformer in grouping", True, False),
    )
    cells = []
    for i, (title, hourglass, transformer) in enumerate(rows):
        network = replace(votes_only(chosen.network), hourglass=hourglass, transformer=transformer)
        key = _slug(name, title, "paper" if paper else "")
        known = _PAPER_AP[name][i] if name in _PAPER_AP else None
        cells.append(Cell(title, name, replace(chosen, network=network), how, key, key, known))
    return cells


def own_options(name: str) -> list[Cell]:
    """Rows that switch off our additions to the paper, one at a time."""
    chosen, how = preset(name), recipe(name)
    network, grouping = chosen.network, chosen.grouping
    # with proposals, votes start from their poses in either case
    absolute = "absolute vectors, no proposals" if network.proposals else "absolute vectors"
    trained = {
        "no proposals": replace(network, proposals=False),
        absolute: replace(network, vectors="absolute", proposals=False),
        "positions added to the tokens": replace(network, relative=False),
        "no scales": replace(network, scales=False),
        "no pose refiner": replace(network, refiner=0, aux_backbone=False),
    }
    grouped = {
        "mean pooling": replace(grouping, pooling="mean"),
        "Euclidean rule, fixed threshold": replace(grouping, rule="euclidean", threshold=PAPER.threshold),
        "the paper's grouping (0.8, Euclidean, mean)": PAPER,
    }
    runs = {cell.chosen.network: cell.run for cell in table_2(name, paper=False)}  # one run for each network
    whole = runs.get(network, _slug(name, _AS_IT_IS))
    cells = [Cell(_AS_IT_IS, name, chosen, how, _slug(name, _AS_IT_IS), whole)]
    for title, changed in trained.items():
        if changed != network:
            key = _slug(name, title)
            cells.append(Cell(title, name, replace(chosen, network=changed), how, key, runs.get(changed, key)))
    for title, rule in grouped.items():
        cells.append(Cell(title, name, replace(chosen, grouping=rule), how, _slug(name, title), whole))
    return cells


def document(head: Sequence[str], tables: Mapping[str, Sequence[Cell]], measured: Mapping[str, Measured]) -> str:
    """Markdown of the lines `head`, each table with the results so far (by key), and a line about each change."""
    lines = ["# Ablation", "", *head]
    for title, cells in tables.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| Configuration | Backbone | Parameters (M) | AP, paper | AP, here | AP50 | AP75 | AP-M | AP-L |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        lines += [_row(cell, measured.get(cell.key)) for cell in cells]
        lines += ["", *_changes(cells, measured)]
    return "\n".join(lines) + "\n"


def _row(cell: Cell, result: Measured | None) -> str:
    paper = "-" if cell.paper is None else f"{cell.paper:.1f}"
    if result is None:
        return f"| {cell.name} | {cell.preset} | | {paper} | not yet | | | | |"
    m = result.metrics
    values = " | ".join(map(in_percent, (m.ap, m.ap50, m.ap75, m.ap_m, m.ap_l)))
    return f"| {cell.name} | {cell.preset} | {result.parameters / 1e6:.2f} | {paper} | {values} |"


def _changes(cells: Sequence[Cell], measured: Mapping[str, Measured]) -> list[str]:
    """A line for each changed cell, with the change in AP here and in the paper, or the reason why there is none."""
    wholes = {cell.preset: cell for cell in cells if cell.name in (_WHOLE, _AS_IT_IS)}
    lines = []
    for cell in cells:
        whole = wholes[cell.preset]
        if cell is whole and cell.key in measured and not measured[cell.key].metrics.ap:
            lines.append(f"- {cell.preset}: `{whole.name}` has an AP of 0: train for longer")
        if cell is whole or not {cell.key, whole.key} <= measured.keys():
            continue
        change = 100 * (measured[cell.key].metrics.ap - measured[whole.key].metrics.ap)
        line = f"- {cell.preset}, {cell.name}: {change:+.1f} AP against `{whole.name}`"
        if cell.paper is not None and whole.paper is not None:
            theirs = cell.paper - whole.paper
            line += f"; in the paper {theirs:+.1f}"
            if theirs > 0:
                line += ", although its text says that removing a part hurts"
        lines.append(line)
    return lines


def _slug(*words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
