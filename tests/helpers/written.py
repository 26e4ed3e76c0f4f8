"""What the tests of the writers share: results opened, and read back whatever their format."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from votepose.io.inputs import Input
from votepose.io.results.writer import Format, Results
from votepose.poses import Poses
from votepose.skeleton import COCO_17

NAMES = ["photos/a.jpg", "photos/b.jpg", "photos/c.jpg"]

FORMATS: list[Format] = ["records", "coco", "coco-annotations", "csv", "parquet"]

RESUMABLE: list[Format] = ["records", "coco", "coco-annotations"]


def images(*names: str | Path) -> list[Input]:
    return [Input(str(name), "image") for name in names]


def opened(form: Format, folder: Path, names: Sequence[str] = NAMES, **options: Any) -> Results:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    return Results(form, folder, COCO_17, names, {"input size": 96}, **options)


def rows(form: Format, folder: Path) -> list[tuple[str, float]]:
    """Name and x of the nose of everybody in the results."""
    if form == "records":
        lines = [json.loads(line) for line in (folder / "poses.jsonl").read_text().splitlines()]
        return [(line["image"], person["keypoints"]["nose"]["x"]) for line in lines for person in line["people"]]
    if form in ("coco", "coco-annotations"):
        listing = json.loads((folder / "images.json").read_text())
        names = {image["id"]: image["file_name"] for image in listing["images"]}
        assert listing["categories"][0]["keypoints"] == list(COCO_17.names)
        assert len(names) == len(listing["images"])
        if form == "coco":
            people = json.loads((folder / "results.json").read_text())
        else:
            whole = json.loads((folder / "annotations.json").read_text())
            people = whole.pop("annotations")
            assert whole == listing
            assert [person["id"] for person in people] == list(range(1, len(people) + 1))
        return [(names[person["image_id"]], person["keypoints"][0]) for person in people]
    if form == "csv":
        with open(folder / "poses.csv", newline="", encoding="utf-8") as file:
            return [(row["image"], float(row["nose_x"])) for row in csv.DictReader(file)]
    table = pytest.importorskip("pyarrow.parquet").read_table(folder / "poses.parquet").to_pylist()
    return [(row["image"], row["nose_x"]) for row in table]


def expected(*images: tuple[str, Poses]) -> list[Any]:
    return [(name, pytest.approx(float(pose["nose"][0]), abs=0.01)) for name, poses in images for pose in poses]
