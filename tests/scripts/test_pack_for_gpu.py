"""Packing folders for a machine that takes a few files at a time: parts of limited size that form one folder again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers.scripts_of import script
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import load_labelled
from votepose.data.toy import synthetic_dataset

pack = script("pack_for_gpu")


def test_parts_form_the_folders_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, count in (("one", 12), ("two", 5)):
        write_coco(synthetic_dataset(count, 160, people=(1, 2), seed=count), tmp_path / name, zipped=name == "one")
    out, limit = tmp_path / "out", 28_000
    sources = (str(tmp_path / "one"), str(tmp_path / "two"))
    pack.main(pack.Config(out, sources, side=96, part=limit / pack.MIB))
    parts = sorted(out.iterdir())
    assert len(parts) > 2
    for part in parts:
        assert sum(path.stat().st_size for path in part.rglob("*") if path.is_file()) <= limit
        shutil.copytree(part, tmp_path / "whole", dirs_exist_ok=True)
    assert "one: 12 images" in capsys.readouterr().out
    for name in ("one", "two"):
        before, after = load_labelled(tmp_path / name), load_labelled(tmp_path / "whole" / name)
        assert after.left_out == []
        assert [s.image_id for s in after.samples] == [s.image_id for s in before.samples]
        for small, large in zip(after.samples, before.samples, strict=True):
            assert small.image.shape == (96, 96, 3)
            assert np.abs(small.image.astype(float) - _shrunk(large.image)).mean() < 12
            np.testing.assert_allclose(small.keypoints[..., :2], large.keypoints[..., :2] * 0.6, atol=0.06)
            np.testing.assert_array_equal(small.keypoints[..., 2], large.keypoints[..., 2])
            np.testing.assert_allclose(small.boxes, large.boxes * 0.6, atol=0.12)
            np.testing.assert_allclose(small.areas, large.areas * 0.36, atol=0.06)


def _shrunk(image: np.ndarray) -> np.ndarray:
    return np.array(pack.Image.fromarray(image).resize((96, 96), pack.Image.Resampling.LANCZOS), float)


def test_other_labels_a_share_and_completeness(tmp_path: Path) -> None:
    write_coco(synthetic_dataset(40, 64), tmp_path / "in")
    labels = json.loads((tmp_path / "in" / "annotations.json").read_bytes())
    for image in labels["images"]:
        image["persons_complete"] = None
    (tmp_path / "in" / "annotations.json").rename(tmp_path / "in" / "people.json")
    (tmp_path / "in" / "people.json").write_text(json.dumps(labels))
    config = pack.Config(tmp_path / "out", (f"{tmp_path / 'in' / 'people.json'}:0.5",), complete=("in",))
    pack.main(config)
    packed = load_labelled(tmp_path / "out" / "1" / "in")
    assert 10 < len(packed.samples) < 30
    assert all(sample.complete for sample in packed.samples)
    assert {sample.image.shape for sample in packed.samples} == {(64, 64, 3)}
