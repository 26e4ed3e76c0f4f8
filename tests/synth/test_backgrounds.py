"""Backgrounds: light of the right shape, the same for the same seed; folders with people or damage in them."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from votepose.errors import VoteposeError
from votepose.synth.backgrounds import Backgrounds, procedural
from votepose.synth.scenery.textures import cells, noise, paint, rectangle

PLAIN = {"red.png": (200, 40, 40), "green.jpg": (40, 200, 40), "blue.webp": (40, 40, 200)}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, colour in PLAIN.items():
        Image.new("RGB", (60, 40), colour).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("horizon", [None, -3.0, -0.2, 0.0, 0.01, 0.4, 0.95, 0.999, 1.0, 2.5])
@pytest.mark.parametrize("size", [(96, 64), (40, 90)])
def test_scenes_are_light_of_the_size_asked_for(horizon: float | None, size: tuple[int, int]) -> None:
    for seed in range(12):
        image = procedural(size, rng(seed), horizon)
        assert image.shape == (size[1], size[0], 3)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert 0 <= image.min() <= image.max() <= 1.5


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (17, 3)])
def test_scenes_may_be_tiny(size: tuple[int, int]) -> None:
    for seed in range(30):
        assert procedural(size, rng(seed), (None, 0.5)[seed % 2]).shape == (size[1], size[0], 3)


def test_scenes_follow_the_seed_and_vary() -> None:
    assert np.array_equal(procedural((64, 48), rng(3), 0.4), procedural((64, 48), rng(3), 0.4))
    means = [procedural((64, 48), rng(seed), 0.4).mean(axis=(0, 1)) for seed in range(20)]
    assert np.std(means, axis=0).min() > 0.05


@pytest.mark.parametrize("size", [(0, 5), (5, -1)])
def test_no_side_no_scene(size: tuple[int, int], folder: Path) -> None:
    with pytest.raises(ValueError, match="positive"):
        procedural(size, rng(), 0.5)
    with pytest.raises(ValueError, match="positive"):
        Backgrounds.from_folder(folder).sample(size, rng())


def test_surfaces_have_their_share_of_joints_near_and_far() -> None:
    u, v = np.arange(0, 20, 0.01, np.float32)[None], np.arange(0, 4, 0.01, np.float32)[:, None]
    for footprint in (0.01, 5.0):
        _, joint = cells(u, v, (0.5, 0.25), 0.05, rng(), footprint=np.float32(footprint))
        assert abs(joint.mean() - 0.3) < 0.03
    assert noise(1, 1, rng()).shape == (1, 1)


def test_paint_covers_what_the_outline_covers() -> None:
    image = np.zeros((20, 20, 3), np.float32)
    paint(image, rectangle(3.5, 4, 10, 12.25), np.ones(3))
    paint(image, rectangle(-30, -30, -20, 50), np.ones(3))
    assert (image[5:11, 5:9] == 1).all()
    image[3:14, 2:12] = 0  # cv2 gives a pixel that is barely touched a share, too
    assert not image.any()


def test_folder_gives_its_pictures_in_linear_light(folder: Path) -> None:
    backgrounds = Backgrounds.from_folder(str(folder))
    assert len(backgrounds) == 3
    assert backgrounds.left_out == ()
    seen = {int(backgrounds.sample((30, 50), rng(seed)).mean(axis=(0, 1)).argmax()) for seed in range(20)}
    assert seen == {0, 1, 2}
    image = backgrounds.sample((30, 50), rng())
    assert image.shape == (50, 30, 3)
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1.5


def test_samples_follow_the_seed_whatever_was_drawn_before(folder: Path) -> None:
    first, second = Backgrounds.from_folder(folder), Backgrounds.from_folder(folder)
    for seed in (5, 6, 7):
        first.sample((32, 32), rng(seed))
    second = pickle.loads(pickle.dumps(second))
    assert np.array_equal(first.sample((32, 32), rng(1)), second.sample((32, 32), rng(1)))


def test_large_pictures_are_held_small_and_few(tmp_path: Path) -> None:
    for k in range(40):
        Image.new("RGB", (1500 if k == 0 else 8, 30 + k)).save(tmp_path / f"{k}.png")
    backgrounds = Backgrounds.from_folder(tmp_path)
    for seed in range(200):
        backgrounds.sample((16, 16), rng(seed))
    held = backgrounds._decoded.values()
    assert len(held) == 32
    assert max(max(image.shape) for image in held) <= 1024


def test_a_picture_is_enlarged_by_two_at_most(tmp_path: Path) -> None:
    checks = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((4, 4))) * 255  # squares of 4 pixels
    Image.fromarray(checks.astype(np.uint8)).save(tmp_path / "checks.png")
    backgrounds = Backgrounds.from_folder(tmp_path)
    for seed in range(10):
        row = backgrounds.sample((300, 200), rng(seed))[100, :, 1]
        changes = np.flatnonzero(np.diff(row > row.mean()))
        assert np.median(changes[2:] - changes[:-2]) <= 16  # a dark and a light square of 4 pixels, enlarged by 2


def shard(path: Path, names: list[str]) -> None:
    with zipfile.ZipFile(path, "w") as zipped:
        for name in names:
            with zipped.open(name, "w") as file:
                Image.new("RGB", (30, 20), (9, 99, 9)).save(file, "PNG")
        zipped.writestr("notes.txt", "no image")


def coco(annotations: list[dict[str, Any]]) -> str:
    images = [{"id": k, "file_name": name} for k, name in enumerate(("a.png", "b.png", "c.png", "d.png"))]
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "cat"}]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def test_pictures_with_people_are_left_out(tmp_path: Path) -> None:
    shard(tmp_path / "images-00.zip", ["a.png", "b.png"])
    (tmp_path / "images").mkdir()
    for name in ("c.png", "d.png"):
        Image.new("RGB", (30, 20)).save(tmp_path / "images" / name)
    people = [
        {"image_id": 0, "category_id": 7, "keypoints": [5, 5, 2]},
        {"image_id": 1, "category_id": 2, "keypoints": []},
        {"image_id": 2, "category_id": 3, "iscrowd": 1},
    ]
    (tmp_path / "annotations.json").write_text(coco(people))
    backgrounds = Backgrounds.from_folder(tmp_path)
    assert sorted(place.name for place in backgrounds.places) == ["b.png", "d.png"]
    assert len(backgrounds.left_out) == 2
    assert all("shows people" in line for line in backgrounds.left_out)
    (tmp_path / "annotations.json").write_text(coco([{"image_id": k, "category_id": 1} for k in range(4)]))
    with pytest.raises(VoteposeError, match="none of its 4 images"):
        Backgrounds.from_folder(tmp_path)


def test_broken_pictures_are_left_out_and_named(folder: Path) -> None:
    (folder / "cut.jpg").write_bytes((folder / "green.jpg").read_bytes()[:200])
    (folder / "empty.png").write_bytes(b"")
    (folder / "images-00.zip").write_bytes(b"no zip")
    shard(folder / "images-01.zip", ["x.png"])
    with zipfile.ZipFile(folder / "images-01.zip", "a") as zipped:
        zipped.writestr("bad.png", b"no image")
    backgrounds = Backgrounds.from_folder(folder)
    assert len(backgrounds) == 4
    assert len(backgrounds.left_out) == 4
    for name in ("cut.jpg", "empty.png", "images-00.zip", "images-01.zip/bad.png"):
        assert sum(name in line for line in backgrounds.left_out) == 1
    assert not any("\n" in line for line in backgrounds.left_out)


def _nothing(path: Path) -> None:
    (path / "readme.txt").write_text("no image")


def _broken(path: Path) -> None:
    (path / "a.png").write_bytes(b"no image")


def _badly_described(path: Path) -> None:
    Image.new("RGB", (9, 9)).save(path / "a.png")
    (path / "annotations.json").write_text('{"annotations": 3}')


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (_nothing, "no images"),
        (_broken, "none of its 1 images"),
        (_badly_described, "annotations.json"),
        (Path.rmdir, "no such folder"),
    ],
)
def test_a_folder_that_will_not_do_is_refused_in_one_line(
    prepare: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    (tmp_path / "f").mkdir()
    prepare(tmp_path / "f")
    with pytest.raises(VoteposeError, match=message) as caught:
        Backgrounds.from_folder(tmp_path / "f")
    assert "\n" not in str(caught.value)


def test_a_picture_that_goes_away_is_named(folder: Path) -> None:
    backgrounds = Backgrounds.from_folder(folder)
    for name in PLAIN:
        (folder / name).unlink()
    with pytest.raises(VoteposeError, match="no such file"):
        backgrounds.sample((9, 9), rng())
