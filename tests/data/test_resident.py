"""Pictures on a device: people stay on the pixels that show them, whatever is drawn; batches depend on their number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from votepose.data.augment_config import NONE, AugmentConfig
from votepose.data.canvas import MARGIN, canvas_bytes, canvas_side
from votepose.data.coco import CocoDataset, CocoFolder, Sample
from votepose.data.coco_writer import write_coco
from votepose.data.loader import Batch
from votepose.data.planned_batch import batch_loader
from votepose.data.resident import FolderSource, ResidentPictures, bytes_needed, longest_side
from votepose.data.toy import synthetic_dataset
from votepose.errors import VoteposeError
from votepose.letterbox import FILL
from votepose.skeleton import Skeleton

PAIR = Skeleton(("nose", "left_hand", "right_hand"), (), (0.1, 0.1, 0.1))
COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)])  # of nose, left hand, right hand
PLAIN = replace(NONE, scale=(0.7, 1.4))
SIZE = 192


def dotted(number: int, width: int = 240, height: int = 180, complete: bool = True) -> Sample:
    """A grey picture of one person with a dot of its own colour on each joint, far from one another."""
    rng = np.random.default_rng(number)
    image = np.full((height, width, 3), FILL, np.uint8)
    points = np.array([(0.2, 0.3), (0.75, 0.25), (0.5, 0.75)]) * (width, height) + rng.uniform(-15, 15, (3, 2))
    for point, colour in zip(points, COLOURS.tolist(), strict=True):
        cv2.circle(image, np.rint((point - 0.5) * 16).astype(int).tolist(), 7 * 16, colour, -1, cv2.LINE_AA, 4)
    box = np.array([[*points.min(axis=0), *np.ptp(points, axis=0)]], np.float32)
    keypoints = np.concatenate([points, np.full((3, 1), 2)], axis=1)[None].astype(np.float32)
    ignore = np.array([[40, 20, 60, 80]], np.float32)
    return Sample(number, f"{number}.png", image, keypoints, box, np.float32([1000]), ignore, complete)


def resident(folder: Path, samples: list[Sample], longest: int | None = None) -> ResidentPictures:
    write_coco(CocoDataset(samples, PAIR), folder)
    source = FolderSource(CocoFolder.open(folder))
    return ResidentPictures.load([source], longest or longest_side([source.folder]), "cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> ResidentPictures:
    return resident(tmp_path_factory.mktemp("dots") / "data", [dotted(i + 1) for i in range(6)])


def drawn(
    pictures: ResidentPictures, config: AugmentConfig, count: int = 12, number: int = 0, size: int = SIZE
) -> Batch:
    return pictures.batches(size, config, 0, count)[number].render(pictures.canvases)


def centre(image: Tensor, k: int, near: Tensor) -> Tensor:
    """Where the dot of joint k near a place is: its centre of mass, in pixels."""
    rest = [c for c in range(3) if c != k]
    strength = (image[k].double() - image[rest].double().amax(dim=0) - 30).clamp(min=0)
    at = torch.arange(image.shape[-1]) + 0.5
    strength[(at - near[0]) ** 2 + (at[:, None] - near[1]) ** 2 > 20**2] = 0
    assert strength.sum() > 0
    return torch.stack([(strength * at).sum(), (strength * at[:, None]).sum()]) / strength.sum()


def checked(batch: Batch, mirrored: bool = False, away_from: tuple[float, float] | None = None) -> int:
    """Joints well inside lie on a dot of their colour, of the opposite one in mirrored inputs; how many there are."""
    count = 0
    for person, index in zip(batch.keypoints, batch.image_index.tolist(), strict=True):
        for k, (x, y, v) in enumerate(person):
            inside = 14 < x < SIZE - 14 and 14 < y < SIZE - 14
            near_seam = away_from and any(low - 14 < z < high + 14 for z in (x, y) for low, high in [away_from])
            if v and inside and not near_seam:
                painted = int(PAIR.flip[k]) if mirrored else k
                found = centre(batch.images[index], painted, person[k, :2])
                assert (found - person[k, :2]).norm() < 1
                count += 1
    return count


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [(0.25, 0.5), (0.7, 1.0), (1.0, 2.0)])
def test_joints_lie_on_their_pixels(pictures: ResidentPictures, mirrored: bool, scale: tuple[float, float]) -> None:
    config = replace(NONE, scale=scale, rotation=40.0, rotated=0.7, flip=float(mirrored))
    assert checked(drawn(pictures, config, 20), mirrored) > 15


def test_joints_lie_on_their_pixels_in_mosaics(pictures: ResidentPictures) -> None:
    config = replace(NONE, scale=(0.8, 1.4), rotation=20.0, rotated=0.5, mosaic=1.0)
    batch = drawn(pictures, config, 20)
    assert len(batch.keypoints) > 60
    assert checked(batch, away_from=(0.35 * SIZE, 0.65 * SIZE)) > 20


def test_nothing_changes_but_the_size_when_nothing_is_asked(tmp_path: Path) -> None:
    sample = dotted(1, 192, 192)
    batch = drawn(resident(tmp_path, [sample]), NONE, 1)
    assert np.abs(batch.images[0].permute(1, 2, 0).numpy().astype(int) - sample.image).max() <= 1
    np.testing.assert_allclose(batch.keypoints.numpy(), sample.keypoints, atol=1e-2)
    half = drawn(resident(tmp_path / "half", [sample]), NONE, 1, size=96)
    np.testing.assert_allclose(half.keypoints[..., :2].numpy(), sample.keypoints[..., :2] / 2, atol=1e-2)
    np.testing.assert_allclose(half.areas.numpy(), [250])
    by_areas = cv2.resize(sample.image, (96, 96), interpolation=cv2.INTER_AREA)
    assert np.abs(half.images[0].permute(1, 2, 0).numpy().astype(int) - by_areas).max() <= 1


def test_flipping_twice_is_the_identity(tmp_path: Path) -> None:
    sample = dotted(1, 192, 192)
    once = drawn(resident(tmp_path / "once", [sample]), replace(NONE, flip=1.0), 1)
    assert (once.images[0].flip(-1) != once.images[0]).any()
    image = once.images[0].permute(1, 2, 0).contiguous().numpy()
    again = replace(sample, image=image, keypoints=once.keypoints.numpy(), boxes=once.boxes.numpy())
    twice = drawn(resident(tmp_path / "twice", [again]), replace(NONE, flip=1.0), 1)
    assert np.abs(twice.images[0].permute(1, 2, 0).numpy().astype(int) - sample.image).max() <= 1
    np.testing.assert_allclose(twice.keypoints.numpy(), sample.keypoints, atol=1e-2)
    np.testing.assert_allclose(twice.boxes.numpy(), sample.boxes, atol=1e-2)


def test_ignore_regions_move_along_and_leave_people_out(tmp_path: Path) -> None:
    sample = replace(dotted(1, 192, 192), boxes=np.array([[48, 40, 32, 32]], np.float32))
    mask = drawn(resident(tmp_path, [sample]), replace(NONE, flip=1.0), 1).ignore[0]
    expected = torch.zeros(48, 48, dtype=torch.bool)
    expected[20 // 4 : 100 // 4, (192 - 100) // 4 : (192 - 40) // 4] = True
    expected[40 // 4 : 72 // 4, (192 - 80) // 4 : (192 - 48) // 4] = False
    assert torch.equal(mask, expected)


def test_who_leaves_the_frame_is_gone_and_ignored_if_some_of_them_is_left(pictures: ResidentPictures) -> None:
    batch = drawn(pictures, replace(NONE, scale=(3.0, 4.0)), 40)
    points, v = batch.keypoints[..., :2], batch.keypoints[..., 2]
    assert len(points) < 40
    assert (v > 0).any(dim=1).all()
    assert ((points >= 0) & (points < SIZE)).all(dim=-1)[v > 0].all()
    assert (batch.boxes[:, :2] >= 0).all()
    assert (batch.boxes[:, :2] + batch.boxes[:, 2:] <= SIZE + 1e-3).all()
    assert batch.ignore[sorted(set(range(40)) - set(batch.image_index.tolist()))].any()


def test_joints_behind_a_patch_are_hidden(pictures: ResidentPictures) -> None:
    plain, covered = (drawn(pictures, replace(PLAIN, occluder=share), 80) for share in (0.0, 1.0))
    changed = (plain.images != covered.images).any(dim=1)
    assert 0.01 < changed.float().mean() < 0.1
    seen, hidden = 0, 0
    for person, index in zip(covered.keypoints, covered.image_index.tolist(), strict=True):
        for x, y, v in person:
            around = changed[index, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
            if v and around.numel() and around.all():
                hidden += 1
                assert v == 1
            elif v and not around.any():
                seen += 1
                assert v == 2
    assert hidden > 3
    assert seen > 120


def test_colours_change_and_places_do_not(pictures: ResidentPictures) -> None:
    plain = drawn(pictures, PLAIN)
    changes = replace(PLAIN, colour=0.25), replace(PLAIN, grey=1.0), replace(PLAIN, blur=1.0)
    coloured, grey, blurred = (drawn(pictures, config) for config in changes)
    for other in (coloured, grey, blurred):
        assert torch.equal(other.keypoints, plain.keypoints)
        assert (other.images != plain.images).any()
        assert other.images.dtype == torch.uint8
    assert (grey.images[:, 0] == grey.images[:, 2]).all()
    assert checked(blurred) > 15
    one = plain.images[0].permute(1, 2, 0).contiguous().numpy()
    assert np.array_equal(grey.images[0, 0].numpy(), cv2.cvtColor(one, cv2.COLOR_RGB2GRAY))


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
        write_coco(CocoDataset(samples, PAIR), tmp_path / name)
    sources = [
        FolderSource(CocoFolder.open(tmp_path / "often"), 3.0),
        FolderSource(CocoFolder.open(tmp_path / "seldom"), 0.5, mosaic_only=True),
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


def test_one_picture_without_people_and_of_one_pixel_is_a_set_too(tmp_path: Path) -> None:
    nobody = np.zeros((0, 3, 3), np.float32), np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    sample = Sample(1, "dot.png", np.full((1, 1, 3), 200, np.uint8), *nobody, nobody[1])
    batch = drawn(resident(tmp_path, [sample]), AugmentConfig(), 8)
    assert batch.images.shape == (8, 3, SIZE, SIZE)
    assert batch.keypoints.shape == (0, 3, 3)
    assert not batch.ignore.any()


def test_pictures_over_the_limit_are_shrunk_with_their_labels(tmp_path: Path) -> None:
    pictures = resident(tmp_path, [dotted(1, 480, 360), dotted(2, 240, 180)], longest=240)
    assert pictures.table.sizes.tolist() == [[240, 180], [240, 180]]
    assert pictures.canvases.shape[-1] == canvas_side(240) == 240 + 2 * MARGIN
    np.testing.assert_allclose(pictures.table.areas, [250, 1000])
    np.testing.assert_allclose(pictures.table.ignore[0], [20, 10, 30, 40])
    assert checked(drawn(pictures, PLAIN)) > 15


def test_a_broken_picture_is_left_out_and_named(tmp_path: Path) -> None:
    write_coco(CocoDataset([dotted(i + 1) for i in range(3)], PAIR), tmp_path)
    (tmp_path / "images" / "2.png").write_bytes(b"no picture")
    source = FolderSource(CocoFolder.open(tmp_path))
    pictures = ResidentPictures.load([source], 240, "cpu")
    assert len(pictures) == len(pictures.canvases) == 2
    assert pictures.left_out == [["2.png: is not an image of a known format"]]
    assert checked(drawn(pictures, PLAIN)) > 15
    for name in ("1.png", "3.png"):
        (tmp_path / "images" / name).unlink()
    with pytest.raises(VoteposeError, match="none of its 3 pictures can be used"):
        ResidentPictures.load([source], 240, "cpu")


def test_sizes_are_known_before_pictures_are_decoded(tmp_path: Path) -> None:
    write_coco(synthetic_dataset(3, 64), tmp_path)
    folder = CocoFolder.open(tmp_path)
    assert longest_side([folder]) == 64
    loaded = ResidentPictures.load([FolderSource(folder)], 64, "cpu")
    assert bytes_needed([folder], 64) == 3 * canvas_bytes(64) == loaded.canvases.nbytes
    path = tmp_path / "annotations.json"
    content = json.loads(path.read_bytes())
    for image in content["images"]:
        del image["width"], image["height"]
    path.write_text(json.dumps(content))
    assert longest_side([CocoFolder.open(tmp_path)]) == 640
