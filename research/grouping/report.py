"""The plot and the tables of the results, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from research.grouping.regroup import REGROUP, WAYS
from votepose.io.files import save_text

_TITLES = {
    "votes": "votes",
    "votes, assigned": "votes, one joint of a kind",
    "votes, linked": "votes, linked in pairs",
    "tags": "associative embedding",
    "affinity": "part affinity fields",
    "centres": "centre offsets",
}
_METHOD = {way: method for method, ways in WAYS.items() for way in ways}
Cell = dict[str, Any]


def report(result: Cell, out: Path) -> None:
    """Write grouping.png and grouping.md, whose tables are those of docs/grouping.md, to a folder."""
    save_text(_tables(result), out / "grouping.md")
    _plot(result["sets"], out / "grouping.png")


def spread(runs: Sequence[Cell], read: Callable[[Cell], float], scale: float = 100.0, digits: int = 1) -> str:
    """The mean over seeds and the standard deviation, such as 61.2 ± 0.4."""
    values = [scale * read(run) for run in runs]
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


def _tables(result: Cell) -> str:
    sets, speed = result["sets"], result["speed"]
    val = sets["val"]
    lines = ["| | joints with their own person | people split | people merged |", "|---|---|---|---|"]
    for way in REGROUP:
        runs = val[_METHOD[way]]
        shares = [spread(runs, lambda r, way=way, key=key: r["alone"][way][key]) for key in ("own", "split", "merged")]  # type: ignore[misc]
        lines.append(f"| {_TITLES[way]} | {' | '.join(shares)} |")
    lines += ["", "| | AP | AP50 | AP75 | 2 people, ms | 20 | 200 | parameters |", "|---|---|---|---|---|---|---|---|"]
    for method, runs in val.items():
        shares = [spread(runs, lambda r, key=key: r["whole"][key]) for key in ("ap", "ap50", "ap75")]  # type: ignore[misc]
        times = [f"{speed[method][count]:.1f}" for count in ("2", "20", "200")]
        lines.append(
            f"| {_TITLES[method]} | {' | '.join(shares + times)} | {result['heads'][method]['parameters']:,} |"
        )
    for key in ("crowd", "covered", "size"):
        lines += ["", *_by(val, key)]
    crowds = [name for name in sets if name != "val"]
    if crowds:
        lines += ["", f"| generated | {' | '.join(name.removeprefix('crowd-') for name in crowds)} |"]
        lines.append("|---" * (len(crowds) + 1) + "|")
        for way in REGROUP:
            cells = [
                f"{spread(sets[name][_METHOD[way]], lambda r, way=way: r['alone'][way]['own'])}"  # type: ignore[misc]
                + (f" (AP {spread(sets[name][way], lambda r: r['whole']['ap'])})" if way in WAYS else "")
                for name in crowds
            ]
            lines.append(f"| {_TITLES[way]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _by(val: Cell, key: str) -> list[str]:
    """Joints with their own person and, in brackets, AP, by bins of a number that people have."""
    first = val["votes"][0]
    bins = [(row["name"], row["people"]) for row in first["alone"]["votes"]["by"][key]]
    lines = [f"| {key} | {' | '.join(f'{name} ({people})' for name, people in bins)} |"]
    lines.append("|---" * (len(bins) + 1) + "|")
    for way in REGROUP:
        runs = val[_METHOD[way]]
        cells = [spread(runs, lambda r, i=i, way=way: r["alone"][way]["by"][key][i]["own"]) for i in range(len(bins))]  # type: ignore[misc]
        if way in WAYS:
            aps = [_ap(runs, key, name) for name, _ in bins]
            cells = [f"{cell} (AP {value})" for cell, value in zip(cells, aps, strict=True)]
        lines.append(f"| {_TITLES[way]} | {' | '.join(cells)} |")
    return lines


def _ap(runs: Sequence[Cell], key: str, name: str) -> str:
    found = [next((row for row in run["by"][key] if row["name"] == name), None) for run in runs]
    values = [row for row in found if row is not None and row["ap"] is not None]
    return spread(values, lambda row: row["ap"]) if values else "-"


def _plot(sets: Cell, path: Path) -> None:
    """Joints with their own person by overlap, and by people in generated crowds; AP by people in the picture."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.8), constrained_layout=True)
    crowds = [name for name in sets if name != "val"]
    for way in REGROUP:
        runs = sets["val"][_METHOD[way]]
        bins = runs[0]["alone"][way]["by"]["covered"]
        values = [[100 * row["own"] for row in run["alone"][way]["by"]["covered"]] for run in runs]
        dashed = "--" if way not in WAYS else "-"
        _line(left, [row["name"] for row in bins], values, dashed, _TITLES[way])
        if crowds:
            names = [name.removeprefix("crowd-") for name in crowds]
            own = [
                [100 * sets[name][_METHOD[way]][i]["alone"][way]["own"] for name in crowds] for i in range(len(runs))
            ]
            _line(middle, names, own, dashed, _TITLES[way])
        rows = [[row for row in run["by"]["crowd"] if row["ap"] is not None] for run in runs]
        if way in WAYS and all(rows):
            _line(right, [row["name"] for row in rows[0]], [[100 * row["ap"] for row in r] for r in rows], "-", None)
        else:
            right.plot([], [])  # keeps the colours of the methods
    left.set(title="grouping alone, coco-dev", xlabel="share of the box that another covers", ylabel="own person, %")
    middle.set(title="grouping alone, generated crowds", xlabel="people in the picture", ylabel="own person, %")
    right.set(title="the whole, coco-dev", xlabel="people in the picture", ylabel="AP, %", ylim=(0, None))
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
        axes.tick_params(axis="x", labelsize=7)
    left.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def _line(axes: Any, names: list[str], values: Any, style: str, label: str | None) -> None:
    """Values of each seed and name: their mean over seeds, with bars of a standard deviation."""
    deviation = np.std(values, axis=0, ddof=1) if len(values) > 1 else np.zeros(len(names))
    axes.errorbar(names, np.mean(values, axis=0), deviation, fmt=f"o{style}", markersize=3, capsize=2, label=label)
