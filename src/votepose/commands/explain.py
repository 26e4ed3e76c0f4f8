"""`votepose explain`: writes an HTML page and a figure that show one image's votes and how they were grouped."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from votepose.commands.model_options import ModelOptions
from votepose.explain import draw_sheet, gather, to_page
from votepose.io.files import prepare_folder, save_picture, save_text


@dataclass(frozen=True)
class ExplainConfig:
    """Show why people were found in an image or missed: its presence heatmap, its votes, and which votes agree."""

    image: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE")]
    """An image file."""
    out: Path = Path("out")
    """Folder for NAME.explain.html, a page to open in a browser, and NAME.explain.jpg. Created if missing."""
    model: ModelOptions = field(default_factory=ModelOptions)


def run(config: ExplainConfig) -> int:
    """Write the page and the figure, and print their paths.

    Raises:
        VoteposeError: if the image, the weights, an option or the output folder cannot be used.
        OSError: if a result cannot be written.
    """
    explanation = gather(config.model.load(), config.image)
    prepare_folder(config.out)
    page, picture = (config.out / f"{config.image.stem}.explain.{suffix}" for suffix in ("html", "jpg"))
    save_picture(draw_sheet(explanation), picture)
    save_text(to_page(explanation), page)
    print(f"{explanation.summary()}\n{page}: open it in a browser\n{picture}")
    return 0
