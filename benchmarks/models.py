"""Compares both bundled models with the one at an earlier commit: processor time, start-up, memory, crowds.

    python benchmarks/models.py [--rounds 5] [--against a316c03] [--out FILE]

Each runs in its own process, and they take turns image by image. On a shared machine, compare processor times: `bound`
is the rate that they allow on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
PICTURES = sorted((HERE.parent / "examples").glob("*.jpg"))
THREADS, CORES = 2, 2
_CANVAS, _TILE, _GREY = (640, 480), (64, 96), (114, 114, 114)
_PERSON = (140, 190, 450, 650)  # in balance.jpg
_CROWDS = {"two": (0, 1), "two apart": (0, 49), "fifty": range(50)}  # tiles of the canvas, row by row


def measure(rounds: int, against: str, threads: int = THREADS) -> dict[str, Any]:
    """Results of each model by name; for the commit `against`, the model bundled then, run with that code."""
    with tempfile.TemporaryDirectory() as folder:
        crowds = {name: _crowd(places, Path(folder, f"{name}.png")) for name, places in _CROWDS.items()}
        old = _checked_out(against, Path(folder, "old"))
        new = HERE.parent / "src"
        sources = {against: ("bundled", old), "accurate": ("accurate", new), "fast": ("fast", new)}
        with_threads = {name: _Child(model, source, threads) for name, (model, source) in sources.items()}
        alone = {name: _Child(model, source, 1) for name, (model, source) in sources.items()}
        for _ in range(rounds):
            for picture in [*PICTURES, *crowds.values()]:
                for child in (*with_threads.values(), *alone.values()):
                    child.run(picture)
        found = {name: _figures(with_threads[name], alone[name], crowds) for name in sources}
        for child in (*with_threads.values(), *alone.values()):
            child.close()
    base = found[against]
    ratios = {
        name: {key: round(one[key] / base[key], 3) for key in ("cpu_ms", "start_cpu_s", "memory_mb")}
        for name, one in found.items()
    }
    return {
        "cpu": _processor(),
        "threads": threads,
        "cores": CORES,
        "rounds": rounds,
        "models": found,
        f"relative to {against}": ratios,
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


class _Child:
    """A process that runs one model; it is idle between calls."""

    def __init__(self, model: str, source: Path, threads: int) -> None:
        command = [sys.executable, HERE / "one_model.py", model, str(threads), PICTURES[0]]
        environment = {**os.environ, "PYTHONPATH": str(source)}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.start = self._answer()
        self.spent: dict[Path, list[float]] = {}
        self.people: dict[Path, int] = {}
        self.memory = 0.0

    def run(self, picture: Path) -> None:
        assert self.process.stdin is not None
        print(json.dumps([str(picture)]), file=self.process.stdin, flush=True)
        found = self._answer()
        self.spent.setdefault(picture, []).extend(found["cpu_ms"])
        self.people[picture], self.memory = found["people"][0], found["memory_mb"]

    def median(self, pictures: Sequence[Path]) -> float:
        """Processor milliseconds per image: the mean of the images' medians."""
        return float(np.mean([np.median(self.spent[picture]) for picture in pictures]))

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args}: ended with status {self.process.wait()}")
        values: dict[str, Any] = json.loads(line)
        return values


def _figures(threaded: _Child, alone: _Child, crowds: dict[str, Path]) -> dict[str, Any]:
    in_crowds = {name: threaded.median([path]) for name, path in crowds.items()}
    one_thread = alone.median(PICTURES)
    return {
        "cpu_ms": round(threaded.median(PICTURES), 1),
        "cpu_ms_of_one_thread": round(one_thread, 1),
        "bound_images_per_second": round(1000 * CORES / one_thread, 1),
        "start_s": round(threaded.start["start_s"], 2),
        "start_cpu_s": round(threaded.start["start_cpu_s"], 2),
        "memory_mb": round(threaded.memory),
        "crowds_cpu_ms": {name: round(spent) for name, spent in in_crowds.items()},
        "crowds_people": {name: threaded.people[path] for name, path in crowds.items()},
        "fifty_over_two": round(in_crowds["fifty"] / in_crowds["two"], 2),
        "fifty_over_two_apart": round(in_crowds["fifty"] / in_crowds["two apart"], 2),
    }


def _crowd(places: Iterable[int], path: Path) -> Path:
    """An image with a person, from a shrunk example, on each of these tiles."""
    canvas = Image.new("RGB", _CANVAS, _GREY)
    person = Image.open(HERE.parent / "examples" / "balance.jpg").convert("RGB").resize(_TILE, box=_PERSON)
    columns = _CANVAS[0] // _TILE[0]
    for k in places:
        canvas.paste(person, (k % columns * _TILE[0], k // columns * _TILE[1]))
    canvas.save(path)
    return path


def _checked_out(commit: str, folder: Path) -> Path:
    """Check out the folder `src` of a commit."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=HERE.parent, stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder / "src"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each image; medians are reported")
    parser.add_argument("--against", default="a316c03", metavar="COMMIT", help="earlier build to compare with")
    parser.add_argument("--out", type=Path, help="also write the result as JSON")
    options = parser.parse_args()
    text = json.dumps(measure(options.rounds, options.against), indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
