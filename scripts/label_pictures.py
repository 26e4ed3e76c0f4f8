"""Label pictures with what the network finds in them and in their mirror images, to train on (self-training).

    python scripts/label_pictures.py ../shared/data/openimages-unlabelled data/

writes data/openimages-unlabelled-labelled: an annotations.json of the pictures that the folder's own one lists, and
links to them. Of people whom the network is sure of, the joints that it is sure of are labelled; where others may be,
nothing is known. A stopped run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from votepose.data.coco import load_coco, relabel
from votepose.errors import VoteposeError
from votepose.evaluate import load_model
from votepose.flip import find_in_both_views
from votepose.poses import Pose
from votepose.progress import track
from votepose.provenance import weights_digest
from votepose.skeleton import BODY_SHARE
from votepose.weights_file import BUNDLED_WEIGHTS

MARGIN = 0.08  # by so much of the joints' box a person's box reaches beyond it, on each side
LEAST = 5  # joints of somebody who is labelled


@dataclass(frozen=True)
class Config:
    folder: tyro.conf.Positional[Path]
    """Folder with annotations.json beside images/ or images-*.zip; its labels are not read."""
    out: tyro.conf.Positional[Path]
    """Where the labelled folder goes."""
    weights: Path = BUNDLED_WEIGHTS
    """Of `votepose train` or `votepose export`."""
    input_size: int | None = None
    """Longest side of the network's input, in pixels; 896 sees more than the weights' own size, in twice the time."""
    sure: float = 0.5
    """Score from which a person, and confidence from which a joint, is labelled."""
    perhaps: float = 0.12
    """Score from which nothing is known where a person may be."""
    limit: int | None = None
    """Only so many pictures, drawn at random."""
    bfloat16: bool = False
    """Count in bfloat16, where the processor is good at it."""


def label(person: Pose, image_id: int, image_size: tuple[int, int], config: Config) -> dict[str, Any] | None:
    """The COCO annotation of a person; without keypoints if it is not sure, None if it is nobody."""
    low, high = person.keypoints.min(axis=0), person.keypoints.max(axis=0)
    margin = MARGIN * (high - low) + 1
    low, high = np.clip(low - margin, 0, image_size), np.clip(high + margin, 0, image_size)
    if person.score < config.perhaps or (high <= low).any():
        return None
    inside = (person.keypoints > 0).all(axis=1) & (person.keypoints < image_size).all(axis=1)
    labelled = (person.confidences > config.sure) & inside
    labelled &= person.score >= config.sure and labelled.sum() >= LEAST
    visibility = labelled * (1 + person.seen)
    points = np.concatenate([person.keypoints * labelled[:, None], visibility[:, None]], axis=1)
    box = np.concatenate([low, high - low])
    return {
        "image_id": image_id, "category_id": 1, "iscrowd": 0, "num_keypoints": int(labelled.sum()),
        "bbox": np.round(box, 1).tolist(), "area": round(float(BODY_SHARE * box[2] * box[3]), 1),
        "keypoints": np.round(points, 1).flatten().tolist(),
    }  # fmt: skip


def main(config: Config) -> None:
    dataset, model = load_coco(config.folder), load_model(config.weights, config.input_size)
    assert dataset.annotations is not None
    out = config.out / f"{config.folder.name}-labelled"
    out.mkdir(parents=True, exist_ok=True)
    kept, known = out / "labels.jsonl", known_labels(out / "labels.jsonl", config)
    order = np.random.default_rng(0).permutation(len(dataset.samples))[: config.limit]
    samples = [dataset.samples[i] for i in order]
    find = partial(find_in_both_views, model.find)
    with kept.open("a") as file:
        for sample in track([x for x in samples if x.image_id not in known], "labelling"):
            with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
                people = find(sample.image)
            labels = [label(person, sample.image_id, people.image_size, config) for person in people]
            known[sample.image_id] = [x for x in labels if x]
            file.write(json.dumps([sample.image_id, known[sample.image_id]]) + "\n")
            file.flush()
    listed = {sample.image_id for sample in samples}
    data = json.loads(dataset.annotations.read_text())
    images = [{**image, "persons_complete": False} for image in data["images"] if image["id"] in listed]
    people = [{**person, "id": i} for i, person in enumerate(p for id_ in sorted(listed) for p in known[id_])]
    category = {**model.skeleton.to_coco_category(), "id": 1}
    relabel(config.folder, out, {"images": images, "annotations": people, "categories": [category]})
    sure = sum(person["num_keypoints"] > 0 for person in people)
    print(f"{out}: {len(images)} pictures, {sure} people labelled, {len(people) - sure} not sure of")


def known_labels(path: Path, config: Config) -> dict[int, list[dict[str, Any]]]:
    """The labels of each picture by its id that a run which was stopped has left in `path`, whose first line says how
    they were made; a fresh file if there is none.

    Raises:
        VoteposeError: if they were made otherwise than `config` says.
    """
    made = json.dumps({
        "weights": weights_digest(config.weights), "input_size": config.input_size, "sure": config.sure,
        "perhaps": config.perhaps,
    })  # fmt: skip
    text = path.read_text() if path.is_file() else ""
    first, *lines = text.splitlines() or [made]
    if first != made:
        raise VoteposeError(f"{path}: was made by other weights or settings; name another folder, or remove it")
    if not text.endswith("\n"):
        with path.open("a") as file:  # what was half written must not spoil what comes after it
            file.write("\n" if text else first + "\n")
    return dict(_whole(lines))


def _whole(lines: list[str]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(image id, labels) of each line that is whole."""
    for line in lines:
        try:
            image_id, labels = json.loads(line)
        except ValueError:
            continue
        yield image_id, labels


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except VoteposeError as error:
        raise SystemExit(f"label_pictures: {error}") from None
