"""`votepose explain`: why these people? A picture and a page of the votes of one image, and of what grouped them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from votepose.commands.model_options import ModelOptions
from votepose.explain.collect import gather
from votepose.explain.evidence import Evidence, Group
from votepose.explain.page import to_page
from votepose.explain.sheet import draw_sheet
from votepose.io.files import prepare_folder, save_picture, save_text

__all__ = ["Evidence", "ExplainConfig", "Group", "draw_sheet", "gather", "run", "to_page"]


@dataclass(frozen=True)
class ExplainConfig:
    """Show why people were found in an image, or were not: its presence, its votes, and which of them agreed."""

    image: Annotated[Path, tyro.conf.Positional]
    """An image file."""
    out: Path = Path("out")
    """Folder for NAME.explain.html, a page to open in a browser, and NAME.explain.jpg; made if missing."""
    model: ModelOptions = field(default_factory=ModelOptions)


def run(config: ExplainConfig) -> int:
    """Write the page and the picture, and print where they are.

    Raises:
        VoteposeError: if the image, the weights, an option or the output folder will not do.
        OSError: if a result cannot be written.
    """
    evidence = gather(config.model.load(), config.image)
    prepare_folder(config.out)
    page, picture = (config.out / f"{config.image.stem}.explain.{suffix}" for suffix in ("html", "jpg"))
    save_picture(draw_sheet(evidence), picture)
    save_text(to_page(evidence), page)
    print(f"{evidence.summary()}\n{page}: open it in a browser\n{picture}")
    return 0
