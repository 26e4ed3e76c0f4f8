"""Images on a device: what is decoded and drawn, and batches that depend on their number alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.dots import PAIR, check, dotted
from votepose.data.augment_config import NONE, AugmentConfig
from votepose.data.canvas import MARGIN, canvas_bytes, canvas_side
from votepose.data.coco_writer import write_coco
from votepose.data.labelled import LabelledDataset, LabelledFolder
from votepose.data.loader import Batch
from votepose.data.planned_batch import batch_loader
from votepose.data.resident import FolderSource, ResidentPictures, bytes_needed, longest_side
from votepose.data.sample import Sample
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError

SIZE = 192


def resident(folder: Path, samples: list[Sample], longest: int | None = None) -> ResidentPictures:
    write_coco(LabelledDataset(samples, PAIR), folder)
    source = FolderSource(LabelledFolder.open(folder))
    return ResidentPictures.load([source], longest or longest_side([source.folder]), "cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> ResidentPictures:
    return resident(tmp_path_factory.mktemp("dots") / "data", [dotted(i + 1) for i in range(6)])


def drawn(
    pictures: ResidentPictures, config: AugmentConfig, count: int = 12, number: int = 0, size: int = SIZE
) -> Batch:
    return pictures.batches(size, config, 0, count)[number].render(pictures.canvases)


def test_a_batch_depends_on_seed_and_number_alone(pictures: ResidentPictures) -> None:
    config = AugmentConfig(occluder=0.5)
    first, again, other = (drawn(pictures, config, number=number) for number in (3, 3, 4))
    for name, value in vars(first).items():
        assert torch.equal(value, vars(again)[name])
    assert (first.images != other.images).any()
    assert (pictures.batches(SIZE, config, 1, 12)[3].render(pictures.canvases).images != first.images).any()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_late_start_and_several_processes_share_one_stream(pictures: ResidentPictures, workers: int) -> None:
    batches = pictures.batches(64, AugmentConfig(), 0, 2)
    whole = list(batch_loader(batches, workers, 0, 4))
    late = list(batch_loader(batches, workers, 2, 4))
    shared = [list(batch_loader(batches, workers, 1, 2, rank, 2)) for rank in range(2)]
    assert [len(late), *map(len, shared)] == [2, 1, 1]
    for one, other in zip([*late, shared[0][0], shared[1][0]], [*whole[2:], *whole[2:]], strict=True):
        assert torch.equal(one.warp.memory, other.warp.memory)
        assert torch.equal(one.labels.memory, other.labels.memory)


def test_sources_are_drawn_by_weight_and_some_for_mosaics_only(tmp_path: Path) -> None:
    for name, samples in (("often", [dotted(1)]), ("seldom", [dotted(2), dotted(3)])):
        write_coco(LabelledDataset(samples, PAIR), tmp_path / name)
    sources = [
        FolderSource(LabelledFolder.open(tmp_path / "often"), 3.0),
        FolderSource(LabelledFolder.open(tmp_path / "seldom"), 0.5, mosaic_only=True),
    ]
    pictures = ResidentPictures.load(sources, 240, "cpu")
    warp = pictures.batches(64, NONE, 0, 400)[0].unpacked()
    assert set(warp.picture[: warp.single].tolist()) == {0}
    assert 0.65 < warp.single / 400 < 0.85  # 3 of 3 + 2 * 0.5
    assert set(warp.picture[warp.single :].tolist()) == {0, 1, 2}


def test_a_mosaic_is_complete_only_if_all_its_pictures_are(tmp_path: Path) -> None:
    pictures = resident(tmp_path, [dotted(i + 1, complete=i > 0) for i in range(8)])
    batch = pictures.batches(64, replace(NONE, mosaic=0.5), 0, 60)[0]
    single, picture = batch.single, batch.unpacked().picture
    shown = [*picture[:single, None].tolist(), *picture[single:].view(-1, 4).tolist()]
    complete = batch.render(pictures.canvases).complete.tolist()
    assert complete == [0 not in rows for rows in shown]
    assert 0 < sum(complete) < 60


def test_pictures_over_the_limit_are_shrunk_with_their_labels(tmp_path: Path) -> None:
    pictures = resident(tmp_path, [dotted(1, 480, 360), dotted(2, 240, 180)], longest=240)
    assert pictures.table.sizes.tolist() == [[240, 180], [240, 180]]
    assert pictures.canvases.shape[-1] == canvas_side(240) == 240 + 2 * MARGIN
    np.testing.assert_allclose(pictures.table.areas, [250, 1000])
    np.testing.assert_allclose(pictures.table.ignore[0], [20, 10, 30, 40])
    assert check(drawn(pictures, replace(NONE, scale=(0.7, 1.4)))) > 15


def test_a_broken_picture_is_left_out_and_named(tmp_path: Path) -> None:
    write_coco(LabelledDataset([dotted(i + 1) for i in range(3)], PAIR), tmp_path)
    (tmp_path / "images" / "2.png").write_bytes(b"no image")
    source = FolderSource(LabelledFolder.open(tmp_path))
    pictures = ResidentPictures.load([source], 240, "cpu")
    assert len(pictures) == len(pictures.canvases) == 2
    assert [list(map(str, remarks)) for remarks in pictures.left_out] == [["2.png: is not an image of a known format"]]
    assert check(drawn(pictures, replace(NONE, scale=(0.7, 1.4)))) > 15
    for name in ("1.png", "3.png"):
        (tmp_path / "images" / name).unlink()
    with pytest.raises(VoteposeError, match="none of its 3 images can be used"):
        ResidentPictures.load([source], 240, "cpu")


def test_sizes_are_known_before_pictures_are_decoded(tmp_path: Path) -> None:
    write_coco(synthetic_dataset(3, 64), tmp_path)
    folder = LabelledFolder.open(tmp_path)
    assert longest_side([folder]) == 64
    loaded = ResidentPictures.load([FolderSource(folder)], 64, "cpu")
    assert bytes_needed([folder], 64) == 3 * canvas_bytes(64) == loaded.canvases.nbytes
    path = tmp_path / "annotations.json"
    content = json.loads(path.read_bytes())
    for image in content["images"]:
        del image["width"], image["height"]
    path.write_text(json.dumps(content))
    assert longest_side([LabelledFolder.open(tmp_path)]) == 640
