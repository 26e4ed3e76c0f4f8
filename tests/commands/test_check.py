"""`votepose check`: counts, what is left out, the sheet, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from votepose.commands import main as cli
from votepose.data.coco_writer import write_coco
from votepose.data.toy import synthetic_dataset


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "drawn"
    write_coco(synthetic_dataset(3, size=64, people=(1, 1)), folder)
    return folder


@pytest.fixture
def check(data: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*options: str) -> tuple[int, str]:
        status = cli.main(["check", str(data), "--out", str(data.parent / "out"), *options])
        streams = capsys.readouterr()
        return status, streams.out + streams.err

    return call


def test_good_data_are_counted_and_drawn(check: Any, data: Path) -> None:
    status, text = check()
    assert status == 0
    assert f"{data}: 3 of 3 images can be used, 3 of them with people\n3 people, with " in text
    assert "\nleft_wrist " in text
    assert "\nleft out: nothing\n" in text
    with Image.open(data.parent / "out/drawn.labels.jpg") as sheet:
        assert sheet.width == 2000


def test_what_is_left_out_is_one_line_per_kind_and_the_status(check: Any, data: Path) -> None:
    path = data / "annotations.json"
    content = json.loads(path.read_bytes())
    for annotation in content["annotations"]:
        annotation["bbox"][2] = 1000
    path.write_text(json.dumps(content))
    status, text = check("--examples", "0")
    assert status == 0  # clipped boxes are used
    assert text.count("clipped") == 1
    assert "used after adjustment: 3\n" in text
    assert "clipped (and 2 more like this)" in text
    assert not (data.parent / "out").exists()
    (data / "images" / content["images"][1]["file_name"]).write_bytes(b"no image")
    status, text = check()
    assert status == 1
    assert "2 of 3 images can be used" in text
    assert "\nleft out: 1\n" in text


def test_mistakes_are_one_line(check: Any, data: Path) -> None:
    assert check("--examples", "-1") == (2, "votepose: error: --examples should be at least 0, but is -1\n")
    (data / "annotations.json").unlink()
    status, text = check()
    assert status == 2
    assert text.count("\n") == 1
