"""`votepose check`: reports whether a dataset can be trained or measured on, and draws its labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image

from votepose.data.label_poses import label_poses
from votepose.data.labelled import LabelledFolder
from votepose.data.remarks import Remark, RemarkCount, count_remarks
from votepose.data.sample import Sample
from votepose.errors import VoteposeError
from votepose.evaluation.checks import require_positive
from votepose.io.files import prepare_folder, save_picture
from votepose.skeleton import Skeleton
from votepose.utils.machine import usable_cpus
from votepose.utils.parallel import ordered_map
from votepose.utils.progress import track
from votepose.utils.wording import counted
from votepose.visualization.contact_sheet import contact_sheet, tile
from votepose.visualization.draw import draw


@dataclass(frozen=True)
class CheckConfig:
    """Check labelled data before training: count its images, people and joints, and draw a sheet of labels."""

    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """COCO folder (annotations.json beside images/ or images-*.zip), YOLO data.yaml (`train`), or folder of images."""
    out: Path = Path("out")
    """Folder for NAME.labels.jpg, a contact sheet of images with their labels. Created if missing."""
    examples: int = 24
    """Number of images on the sheet, spread evenly over those with people; 0 for no sheet."""
    limit: int | None = None
    """Check only the first N images."""


def run(config: CheckConfig) -> int:
    """Print a summary of the folder and write the sheet.

    Returns:
        1 if an image, person, box or joint is left out, otherwise 0. Labels that are clipped, scaled or merged do not
        count.

    Raises:
        VoteposeError: if the json is missing or unreadable, no image can be used, or an option is out of range.
    """
    require_positive("limit", config.limit)
    if config.examples < 0:
        raise VoteposeError(f"--examples should be at least 0, but is {config.examples}")
    folder = LabelledFolder.open(config.data, config.limit)
    if config.examples:
        prepare_folder(config.out)
    joints: list[np.ndarray] = []  # visibility flags (N, K) of the people in each usable image
    remarks: list[Remark] = []
    tiles: list[Image.Image] = []
    for sample, its_remarks, drawn in _read(folder, config.examples):
        remarks += its_remarks
        if sample is not None:
            joints.append(sample.keypoints[..., 2])
            tiles += [_drawn(sample, folder.labels.skeleton)] if drawn else []
    left_out = folder.left_out(remarks)
    folder.require_some(len(joints), left_out)
    kinds = count_remarks(left_out)
    print("\n".join(_report(folder, joints, kinds)))
    if tiles:
        path = config.out / f"{config.data.resolve().name}.labels.jpg"
        save_picture(contact_sheet(tiles), path)
        print(f"{path}: the labels of {counted(len(tiles), 'image')}; hidden joints are drawn as rings")
    return int(any(not kind.first.adjusted for kind in kinds))


def _read(folder: LabelledFolder, examples: int) -> Iterator[tuple[Sample | None, list[Remark], bool]]:
    """Each image, the remarks on it, and whether to draw it on the sheet."""
    count = len(folder.pictures)
    peopled = [place for place in range(count) if any(a.is_person for a in folder.pictures[place].annotations)]
    shown = {peopled[int(k)] for k in np.linspace(0, len(peopled) - 1, min(examples, len(peopled)))}
    read = ordered_map(folder.read, folder.pictures, usable_cpus())
    for place, (sample, remarks) in enumerate(track(read, f"reading {folder.path.name}", count)):
        yield sample, remarks, place in shown


def _drawn(sample: Sample, skeleton: Skeleton) -> Image.Image:
    return tile([draw(sample.image, label_poses(sample, skeleton))])


def _report(folder: LabelledFolder, joints: Sequence[np.ndarray], kinds: Sequence[RemarkCount]) -> Iterator[str]:
    skeleton = folder.labels.skeleton
    people = np.concatenate(joints)
    peopled = sum(len(v) > 0 for v in joints)
    each = f"{(people > 0).sum() / len(people):.1f}" if len(people) else "no"
    yield f"{folder.path}: {len(joints)} of {folder.listed} images can be used, {peopled} of them with people"
    yield f"{counted(len(people), 'person', 'people')}, with {each} labelled joints of {len(skeleton)} each"
    if skeleton.side_remark:
        yield skeleton.side_remark
    if len(people):
        yield ""
        width = max(map(len, ("joint", *skeleton.names)))
        yield f"{'joint':<{width}}  labelled  hidden"
        for name, v in zip(skeleton.names, people.T, strict=True):
            yield f"{name:<{width}}  {(v > 0).mean():>8.0%}  {(v == 1).mean():>6.0%}"
        yield ""
    for title, adjusted in (("left out", False), ("used after adjustment", True)):
        chosen = [kind for kind in kinds if kind.first.adjusted == adjusted]
        yield f"{title}: {sum(kind.count for kind in chosen) or 'nothing'}"
        yield from (f"  {kind}" for kind in chosen)
