"""Writes a contact sheet of generated images, to inspect before training."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from votepose.data.label_poses import label_poses
from votepose.data.labelled import load_labelled
from votepose.data.sample import Sample
from votepose.io.files import save_picture
from votepose.skeleton import COCO_17
from votepose.visualization.contact_sheet import contact_sheet, tile
from votepose.visualization.draw import draw


def write_sheet(folder: Path, count: int) -> Path:
    """Write sheet.jpg into a COCO-format folder: its first `count` images, each with and without the keypoints drawn.

    Hidden joints are drawn as rings, like the inferred joints of a prediction.
    """
    path = folder / "sheet.jpg"
    save_picture(contact_sheet([_pair(sample) for sample in load_labelled(folder, limit=count).samples]), path)
    return path


def _pair(sample: Sample) -> Image.Image:
    """The image beside a copy with its poses drawn."""
    return tile([Image.fromarray(sample.image), draw(sample.image, label_poses(sample, COCO_17))])
