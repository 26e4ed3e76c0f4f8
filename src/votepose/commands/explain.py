"""`votepose explain`: why these people? A picture and a page of the votes of one image, and of what grouped them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from votepose.explain.collect import gather
from votepose.explain.evidence import Evidence, Group
from votepose.explain.page import to_page
from votepose.explain.sheet import draw_sheet
from votepose.inference.defaults import SCORE_THRESHOLD
from votepose.io.files import prepare_folder, save_picture, save_text
from votepose.predictor import load

__all__ = ["Evidence", "ExplainConfig", "Group", "draw_sheet", "gather", "run", "to_page"]


@dataclass(frozen=True)
class ExplainConfig:
    """Show why people were found in an image, or were not: its presence, its votes, and which of them agreed."""

    image: Annotated[Path, tyro.conf.Positional]
    """An image file."""
    out: Path = Path("out")
    """Folder for NAME.explain.html, a page to open in a browser, and NAME.explain.jpg; made if missing."""
    weights: Path | None = None
    """An ONNX file of `votepose export`; by default the model in the package."""
    input_size: int | None = None
    """Longest side of the network input in pixels, a multiple of 32; larger finds smaller people, slower."""
    presence_threshold: float | None = None
    """How sure a cell must be that a keypoint lies on it, in [0, 1]; by default the model's own."""
    score_threshold: float = SCORE_THRESHOLD
    """People whose score is below it are shown as left out, in [0, 1]."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or another that the installed onnxruntime has."""
    threads: int | None = None
    """CPU threads of the network; by default onnxruntime chooses."""


def run(config: ExplainConfig) -> int:
    """Write the page and the picture, and print where they are.

    Raises:
        VoteposeError: if the image, the weights, an option or the output folder will not do.
        OSError: if a result cannot be written.
    """
    predictor = load(
        config.weights,
        input_size=config.input_size,
        presence_threshold=config.presence_threshold,
        score_threshold=config.score_threshold,
        device=config.device,
        threads=config.threads,
    )
    evidence = gather(predictor, config.image)
    prepare_folder(config.out)
    page, picture = (config.out / f"{config.image.stem}.explain.{suffix}" for suffix in ("html", "jpg"))
    save_picture(draw_sheet(evidence), picture)
    save_text(to_page(evidence), page)
    print(f"{evidence.summary()}\n{page}: open it in a browser\n{picture}")
    return 0
