"""`votepose predict`: images in; drawn pictures and a file of poses out."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from votepose.draw import Style, draw
from votepose.errors import VoteposeError
from votepose.predictor import SCORE_THRESHOLD, Predictor, load
from votepose.sources import find_images, read_image
from votepose.writers import Format, open_writer, picture_paths, prepare_folder, save_picture


@dataclass(frozen=True)
class PredictConfig:
    """Find every person's pose in images; write drawn pictures and a file of poses."""

    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES...")]
    """Image files, folders, or globs (quoted)."""
    out: Path = Path("out")
    """Folder for the results; made if missing. Results of the same name are replaced, inputs never."""
    format: Format = "records"
    """records: poses.jsonl, a JSON record an image. coco: results.json, COCO keypoint results, and images.json."""
    no_draw: bool = False
    """Write no drawn pictures."""
    scores: bool = False
    """Write each person's score in the drawing."""
    weights: Path | None = None
    """An ONNX file of `votepose export`; by default the model in the package."""
    input_size: int | None = None
    """Longest side of the network input in pixels, a multiple of 32; larger finds smaller people, slower."""
    presence_threshold: float | None = None
    """How sure a cell must be that a keypoint lies on it, in [0, 1]; by default the model's own."""
    score_threshold: float = SCORE_THRESHOLD
    """People whose score is below it are left out, in [0, 1]."""
    recursive: bool = False
    """Look into the folders of folders."""
    fail_fast: bool = False
    """Stop at the first image that cannot be read."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or another that the installed onnxruntime has."""
    threads: int | None = None
    """CPU threads of the network; by default onnxruntime chooses."""


@dataclass
class _Tally:
    """What a run has done so far."""

    pictures: int = 0
    people: int = 0
    failures: list[str] = field(default_factory=list)


def run(config: PredictConfig) -> int:
    """Do what `config` says; progress and failures go to stderr, one summary line to stdout.

    Returns:
        0, or 1 if an image could not be read.

    Raises:
        VoteposeError: if there are no images, or the weights, an option or the output folder will not do.
        OSError: if a result cannot be written.
    """
    paths = find_images(config.images, config.recursive, config.out)
    predictor = load(
        config.weights,
        input_size=config.input_size,
        presence_threshold=config.presence_threshold,
        score_threshold=config.score_threshold,
        device=config.device,
        threads=config.threads,
    )
    prepare_folder(config.out)
    tally, started = _Tally(), time.perf_counter()
    try:
        _predict(config, paths, predictor, tally)
    finally:  # a run that is stopped says what it did, too
        _report(config, tally, len(paths), time.perf_counter() - started)
    return 1 if tally.failures else 0


def _predict(config: PredictConfig, paths: list[Path], predictor: Predictor, tally: _Tally) -> None:
    style = Style(scores=config.scores)
    with open_writer(config.format, config.out, paths, predictor.skeleton) as writer, _progress() as progress:
        task = progress.add_task("predict", total=len(paths), rate="")
        started = time.perf_counter()
        for done, (path, picture) in enumerate(zip(paths, picture_paths(paths, config.out), strict=True), start=1):
            try:
                pixels = read_image(path)
            except VoteposeError as error:
                tally.failures.append(str(error))
                if config.fail_fast:
                    break
            else:
                poses = replace(predictor(pixels), source=str(path))
                if not config.no_draw:
                    save_picture(draw(pixels, poses, style), picture)
                writer.write(path, poses)
                tally.pictures += 1
                tally.people += len(poses)
            progress.update(task, advance=1, rate=f"{done / (time.perf_counter() - started):.1f}/s")


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "{task.fields[rate]}", TimeRemainingColumn())
    shown = (TextColumn(column) if isinstance(column, str) else column for column in columns)
    return Progress(*shown, console=console, disable=not console.is_terminal)


def _report(config: PredictConfig, tally: _Tally, total: int, seconds: float) -> None:
    for failure in tally.failures:
        print(f"votepose: {failure}", file=sys.stderr)
    left = total - tally.pictures - len(tally.failures)
    people = "1 person" if tally.people == 1 else f"{tally.people} people"
    counts = [f"{tally.pictures} picture{'s' * (tally.pictures != 1)}", people]
    counts += [f"{len(tally.failures)} failed"] if tally.failures else []
    counts += [f"{left} not done"] if left else []
    counts += [f"{1000 * seconds / tally.pictures:.0f} ms/picture"] if tally.pictures else []
    print(f"{', '.join(counts)}; results in {config.out}")
