"""The stream of samples: addressed by number, continued exactly, shared out among processes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from votepose.data.augment_config import AugmentConfig
from votepose.data.loader import Batch, Source, TrainingSet, cells_inside, collate, training_loader
from votepose.data.sample import Sample
from votepose.data.toy import synthetic_dataset


def stream(length: int = 12, seed: int = 0, mosaic_only: bool = False, mosaic: float = 0.3) -> TrainingSet:
    sources = [Source(synthetic_dataset(5, 64), mosaic_only=mosaic_only), Source(synthetic_dataset(2, 80, seed=1), 0.2)]
    return TrainingSet(sources[: 1 if mosaic_only else 2], 64, AugmentConfig(mosaic=mosaic), seed, length)


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


def test_a_sample_depends_on_seed_and_index_alone() -> None:
    forwards, backwards = stream(), stream()
    first = [forwards[i] for i in range(6)]
    for i in reversed(range(6)):
        again = backwards[i]
        np.testing.assert_array_equal(again.image, first[i].image)
        np.testing.assert_array_equal(again.keypoints, first[i].keypoints)
    assert any((stream(seed=1)[i].image != first[i].image).any() for i in range(6))


def test_a_late_start_is_the_exact_continuation() -> None:
    whole = list(training_loader(stream(12), 2, workers=0))
    rest = list(training_loader(stream(12), 2, workers=0, start=4))
    assert len(whole) == 6
    assert len(rest) == 4
    assert all(same(a, b) for a, b in zip(whole[2:], rest, strict=True))


def test_workers_change_nothing() -> None:
    alone, helped = (list(training_loader(stream(8), 2, workers)) for workers in (0, 2))
    assert all(same(a, b) for a, b in zip(alone, helped, strict=True))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_the_samples_out(world: int) -> None:
    loaders = [training_loader(stream(18), 1, 0, start=6, rank=rank, world=world) for rank in range(world)]
    shares = [list(loader.sampler) for loader in loaders]
    assert sorted(i for share in shares for i in share) == list(range(6, 18))
    assert len({len(share) for share in shares}) == 1


def test_a_source_may_be_for_mosaics_only() -> None:
    data = synthetic_dataset(4, 64, people=(1, 1))
    counts = [
        len(TrainingSet([Source(data, mosaic_only=only)], 64, AugmentConfig((1, 1), mosaic=0.0), 0, 9)[i].keypoints)
        for only in (True, False)
        for i in range(9)
    ]
    assert max(counts[:9]) > 1
    assert max(counts[9:]) == 1


def sample(keypoints: int, boxes: list[list[float]], ignore: list[list[float]], complete: bool = True) -> Sample:
    points = np.full((len(boxes), keypoints, 3), 5, np.float32)
    shaped = [np.array(b, np.float32).reshape(-1, 4) for b in (boxes, ignore)]
    image = np.zeros((32, 32, 3), np.uint8)
    return Sample(1, "a", image, points, shaped[0], np.ones(len(boxes), np.float32), shaped[1], complete)


def test_collate_stacks_pictures_and_lists_people() -> None:
    one = replace(sample(3, [[0, 0, 4, 4]] * 2, []), image=np.full((32, 32, 3), (1, 2, 3), np.uint8))
    batch = collate([one, sample(3, [], [], complete=False), sample(3, [[0, 0, 4, 4]], [])])
    assert batch.images.shape == (3, 3, 32, 32)
    assert batch.images.dtype == torch.uint8
    assert batch.images[0, :, 0, 0].tolist() == [1, 2, 3]
    assert batch.keypoints.shape == (3, 3, 3)
    assert batch.image_index.tolist() == [0, 0, 2]
    assert batch.complete.tolist() == [True, False, True]
    assert same(batch.to("cpu"), batch)


def test_ignored_is_what_lies_in_an_ignore_box_and_in_no_persons_box() -> None:
    mask = collate([sample(3, [[8, 8, 8, 8]], [[0, 0, 16, 32]])]).ignore[0]
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[:, :4] = True
    expected[2:4, 2:4] = False
    assert torch.equal(mask, expected)


def test_boxes_touch_the_cells_of_their_own_maps() -> None:
    rng = torch.Generator().manual_seed(0)
    low, size = torch.rand(12, 2, generator=rng) * 12 - 2, torch.rand(12, 2, generator=rng) * 6
    counted, index = torch.rand(12, generator=rng) < 0.6, torch.arange(12) % 3
    found = cells_inside(torch.cat([low, size], dim=1), index, (3, 9, 11), counted)
    wanted = torch.zeros(3, 9, 11, dtype=torch.bool)
    for n in counted.nonzero()[:, 0].tolist():
        left, top = low[n].floor().long().clamp(min=0).tolist()
        right, bottom = (low[n] + size[n]).ceil().long().clamp(min=0).tolist()
        wanted[index[n], top:bottom, left:right] = True
    assert torch.equal(found, wanted)
    every = cells_inside(torch.cat([low, size], dim=1), index, (3, 9, 11))
    assert torch.equal(every | found, every)
    assert every.sum() > found.sum()
