"""Label images with the network's own predictions on them and their mirror images, for self-training.

    python scripts/label_pictures.py ../shared/data/openimages-unlabelled data/

writes data/openimages-unlabelled-labelled: an annotations.json for the images listed in the folder's own, and links to
them. Confident joints of confident people are labelled; less certain people become ignore regions. A stopped run
continues where it stopped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from votepose.data.coco_json.labels import read_coco_json
from votepose.data.labelled import load_labelled, relabel
from votepose.errors import VoteposeError
from votepose.evaluation.loading import load_model
from votepose.inference.flip_tta import find_in_both_views
from votepose.inference.provenance import weights_digest
from votepose.inference.weights import BUNDLED_SAFETENSORS
from votepose.io.appendable import GrowingFile
from votepose.io.settings import require_same_settings
from votepose.poses import Pose
from votepose.skeleton import BODY_SHARE
from votepose.utils.progress import track

MARGIN = 0.08  # margin of a person's box around its joints on each side, relative to the joints' box
MIN_JOINTS = 5  # minimum number of joints of a labelled person


@dataclass(frozen=True)
class Config:
    folder: tyro.conf.Positional[Path]
    """Folder with annotations.json beside images/ or images-*.zip; its labels are ignored."""
    out: tyro.conf.Positional[Path]
    """Parent of the new folder."""
    weights: Path = BUNDLED_SAFETENSORS
    """Weights from `votepose train` or `votepose export`."""
    input_size: int | None = None
    """Longest side of the network's input, in pixels; 896 finds more than the default but takes twice as long."""
    sure: float = 0.5
    """Minimum score of a labelled person, and minimum confidence of a labelled joint."""
    perhaps: float = 0.12
    """Minimum score of a person that becomes an ignore region."""
    limit: int | None = None
    """Label only N random images."""
    bfloat16: bool = False
    """Compute in bfloat16, which is faster on CPUs with AMX or AVX-512 BF16."""


def label(person: Pose, image_id: int, image_size: tuple[int, int], config: Config) -> dict[str, Any] | None:
    """The COCO annotation of a person; without keypoints if it is uncertain, None if it is background."""
    low, high = person.keypoints.min(axis=0), person.keypoints.max(axis=0)
    margin = MARGIN * (high - low) + 1
    low, high = np.clip(low - margin, 0, image_size), np.clip(high + margin, 0, image_size)
    if person.score < config.perhaps or (high <= low).any():
        return None
    inside = (person.keypoints > 0).all(axis=1) & (person.keypoints < image_size).all(axis=1)
    labelled = (person.confidences > config.sure) & inside
    labelled &= person.score >= config.sure and labelled.sum() >= MIN_JOINTS
    visibility = labelled * (1 + person.seen)
    points = np.concatenate([person.keypoints * labelled[:, None], visibility[:, None]], axis=1)
    box = np.concatenate([low, high - low])
    return {
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": int(labelled.sum()),
        "bbox": np.round(box, 1).tolist(),
        "area": round(float(BODY_SHARE * box[2] * box[3]), 1),
        "keypoints": np.round(points, 1).flatten().tolist(),
    }


def main(config: Config) -> None:
    dataset, model = load_labelled(config.folder), load_model(config.weights, config.input_size)
    assert dataset.annotations is not None
    out = config.out / f"{config.folder.name}-labelled"
    out.mkdir(parents=True, exist_ok=True)
    file, known = labels_so_far(out / "labels.jsonl", config)
    order = np.random.default_rng(0).permutation(len(dataset.samples))[: config.limit]
    samples = [dataset.samples[i] for i in order]
    find = partial(find_in_both_views, model.find)
    for sample in track([x for x in samples if x.image_id not in known], "labelling"):
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            people = find(sample.image)
        labels = [label(person, sample.image_id, people.image_size, config) for person in people]
        known[sample.image_id] = [x for x in labels if x]
        file.append(json.dumps({"image_id": sample.image_id, "people": known[sample.image_id]}))
    file.close()
    listed = {sample.image_id for sample in samples}
    data = read_coco_json(dataset.annotations)
    images = [{**image, "persons_complete": False} for image in data["images"] if image["id"] in listed]
    found = (person for number in sorted(listed) for person in known[number])
    people = [{**person, "id": i} for i, person in enumerate(found, start=1)]
    category = {**model.skeleton.to_coco_category(), "id": 1}
    relabel(config.folder, out, {"images": images, "annotations": people, "categories": [category]})
    sure = sum(person["num_keypoints"] > 0 for person in people)
    print(f"{out}: {len(images)} images, {sure} people labelled, {len(people) - sure} uncertain")


def labels_so_far(path: Path, config: Config) -> tuple[GrowingFile, dict[int, list[dict[str, Any]]]]:
    """The file of labels to append to, whose first entry records the settings, and its labels so far by image id.

    Raises:
        VoteposeError: if the labels were made with other weights or settings than those of `config`.
    """
    made = {
        "weights": weights_digest(config.weights),
        "input_size": config.input_size,
        "sure": config.sure,
        "perhaps": config.perhaps,
    }
    file, known = GrowingFile(path), {}

    def keep(entry: dict[str, Any]) -> bool:
        if "image_id" in entry:
            known[entry["image_id"]] = entry["people"]
        else:
            require_same_settings(entry, made, f"{path}: was", "name another folder, or remove it")
        return True

    file.resume(keep)
    if not file.entries:
        file.append(json.dumps(made))
    return file, known


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except VoteposeError as error:
        raise SystemExit(f"label_pictures: {error}") from None
