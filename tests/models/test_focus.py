"""The focus: it covers the small people, and the estimator finds with it what it finds on whole images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from helpers.bodies import KAPPAS, matched
from votepose.grouping import GroupingConfig
from votepose.models.estimator import PoseEstimator
from votepose.models.focus import Focus, pasted
from votepose.models.heads.focus import SMALL, FocusHead
from votepose.models.posenet import FeatureMaps, PoseNet, Votes

HEIGHT, WIDTH = 480, 640


@pytest.fixture(autouse=True)
def _small_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.refine_small_regions(monkeypatch)


def person(x: float, y: float, height: float) -> Tensor:
    """(17, 2) joints that fill a box of this height, half as wide, with its upper left corner at x, y."""
    generator = torch.Generator().manual_seed(0)
    joints = torch.rand(17, 2, generator=generator)
    joints[0], joints[1] = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0])
    return joints * torch.tensor([height / 2, height]) + torch.tensor([x, y])


def focus(*blocks: tuple[int, int], height: int = HEIGHT, width: int = WIDTH) -> tuple[int, ...]:
    """The rectangle if these blocks (row, column) of the half-size level are likely to show small people."""
    logits = torch.full((1, -(-height // 64) * 2, -(-width // 64) * 2), -2.0)
    for row, column in blocks:
        logits[0, row, column] = 2.0
    found = Focus.around(logits, torch.zeros(1, 3, height, width))
    return tuple(int(side) for side in (found.left, found.top, found.right, found.bottom))


def test_it_covers_all_likely_blocks() -> None:
    assert focus((3, 4), (7, 9), (5, 5)) == (96, 64, 352, 288)  # with a margin of 32 pixels
    assert focus((0, 0), (14, 19)) == (0, 0, WIDTH, HEIGHT)


@pytest.mark.parametrize("block", [(0, 0), (14, 19), (5, 19), (15, 3)])
def test_it_stays_in_the_image(block: tuple[int, int]) -> None:
    left, top, right, bottom = focus(block)
    assert 64 <= right - left <= 96
    assert 64 <= bottom - top <= 96
    assert 0 <= left < right <= WIDTH
    assert 0 <= top < bottom <= HEIGHT


@pytest.mark.parametrize(("height", "width"), [(HEIGHT, WIDTH), (64, 64), (32, 96)])
def test_without_small_people_little_is_left(height: int, width: int) -> None:
    left, top, right, bottom = focus(height=height, width=width)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert (right - left, bottom - top) == (min(64, width), min(64, height))


def test_an_untrained_head_sends_the_finest_level_everywhere() -> None:
    torch.manual_seed(0)
    logits = FocusHead(17, 8, 4)(torch.randn(1, 17, 64, 80))
    assert logits.shape == (1, 16, 20)
    assert (logits.sigmoid() > 0.9).all()


def test_a_fine_map_is_pasted_into_a_coarse_one() -> None:
    coarse = torch.arange(12.0).reshape(1, 3, 4)
    fine = torch.full((1, 2, 3), -1.0)
    found = pasted(fine, coarse, torch.tensor([2, 1]), 5, 7)
    wanted = coarse.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, :5, :7].clone()
    wanted[:, 1:3, 2:5] = -1
    assert torch.equal(found, wanted)


class Told(FocusHead):
    """A head that knows the people (17, 2), in pixels of the whole image, and marks blocks with small ones."""

    def __init__(self, people: list[Tensor]) -> None:
        super().__init__(1, 1, 4)
        self.people = people

    def forward(self, features: Tensor) -> Tensor:
        logits = torch.full((1, features.shape[2] // 4, features.shape[3] // 4), -5.0)
        for pose in self.people:
            (left, top), (right, bottom) = pose.amin(dim=0) / 32, pose.amax(dim=0) / 32
            if 0 <= bottom - top < 2 * SMALL / 32 and right > 0:
                logits[0, int(top) : int(bottom) + 1, int(left) : int(right) + 1] = 5.0
        return logits


class Planted(PoseNet):
    """A network that knows people (17, 2) in pixels of the whole image, and sees them where they are in its input.

    An input of 480 x 640 is whole; one of half of that is the coarse level; any other is the focus, whose place the
    upper left pixel tells: its red and green are the corner's x and y in units of 32.
    """

    def __init__(self, people: list[Tensor]) -> None:
        super().__init__(replace(tiny.NETWORK, proposals=False, refiner=0, focus=1))
        self.people, self.areas = people, list[int]()
        self.focus = Told(people)

    def encode(self, images: Tensor) -> FeatureMaps:
        height, width = images.shape[-2:]
        coarse = (height, width) == (256, 320)
        corner, scale = 32 * images[0, :2, 0, 0] * (not coarse), 8 if coarse else 4
        self.areas.append(height * width)
        presence = torch.full((1, height // 4, width // 4), -20.0)
        self.local = [(pose - corner) / scale for pose in self.people]
        self.owner = torch.full((height // 4 * (width // 4),), -1)
        for k, pose in enumerate(self.local):
            x, y = pose.floor().long().unbind(dim=1)
            inside = (x >= 0) & (x < width // 4) & (y >= 0) & (y < height // 4)
            presence[0, y[inside], x[inside]] = 6.0
            self.owner[y[inside] * (width // 4) + x[inside]] = k
        return FeatureMaps(torch.zeros(1, 17, height // 4, width // 4), [presence], None, None, [], None)

    def predict_votes(self, maps: FeatureMaps, cells: Tensor) -> Votes:
        votes = torch.stack(self.local)[self.owner[cells].clamp(min=0)]
        return Votes(votes, torch.full(votes.shape[:-1], -2.0))


def image() -> Tensor:
    """(1, 480, 640, 3): each pixel's red and green are x and y of its block of 32 pixels."""
    pixels = torch.zeros(HEIGHT, WIDTH, 3, dtype=torch.uint8)
    pixels[..., 0], pixels[..., 1] = torch.arange(WIDTH) // 32, (torch.arange(HEIGHT) // 32)[:, None]
    return pixels[None]


def estimator(network: PoseNet, focus: bool = True, config: GroupingConfig = GroupingConfig()) -> PoseEstimator:
    return PoseEstimator(network, torch.from_numpy(KAPPAS), config, 2, focus=focus).eval()


@torch.no_grad()
def test_people_are_found_in_pixels_of_the_whole_image_on_a_fraction_of_it() -> None:
    people = [person(400, 200, 100), person(480, 260, 80), person(20, 20, 400)]
    network = Planted(people)
    found, votes = estimator(network).explain(image(), torch.tensor(0.9))
    assert matched(found.keypoints.numpy(), torch.stack(people).numpy()) < 1e-2
    assert network.areas[0] == 256 * 320
    assert network.areas[1] < HEIGHT * WIDTH / 4
    np.testing.assert_allclose(votes.vote_poses, found.keypoints[votes.vote_person], atol=1e-2)
    assert ((votes.vote_poses - votes.vote_cells[:, None]).norm(dim=-1).amin(dim=1) < 8).all()
    assert found.presence.shape == (1, HEIGHT // 4, WIDTH // 4)
    for pose in people[:2]:  # on the fine cells; the large person is on coarse ones
        x, y = (pose / 4).floor().long().unbind(dim=1)
        assert (found.presence[0, y, x] > 0.9).all()


@torch.no_grad()
def test_people_whom_the_focus_cuts_off_are_found_on_the_coarser_level_alone() -> None:
    class Squeezed(Planted):
        """As networks do, it squeezes the pose of a person who is cut off into its input."""

        def predict_votes(self, maps: FeatureMaps, cells: Tensor) -> Votes:
            votes = super().predict_votes(maps, cells)
            height, width = maps.features.shape[-2:]
            return replace(votes, poses=votes.poses.clamp(min=0).minimum(torch.tensor([width, height])))

    small, large = person(400, 200, 100), person(330, 20, 420)
    found = estimator(Squeezed([small, large]))(image(), torch.tensor(0.9))
    assert len(found.scores) == 2
    assert matched(found.keypoints.numpy(), torch.stack([small, large]).numpy()) < 1e-2


@torch.no_grad()
def test_without_people_the_finest_level_sees_next_to_nothing() -> None:
    network = Planted([person(-900, -900, 50)])
    assert not len(estimator(network)(image(), torch.tensor(0.9)).scores)
    assert network.areas[1] == 64 * 64


class Marker(FocusHead):
    """A head that marks one block, by the digits of the features."""

    def forward(self, features: Tensor) -> Tensor:
        logits = torch.full((1, features.shape[2] // 4, features.shape[3] // 4), -5.0)
        logits.view(-1)[int(features.sum() * 1e3) % logits.numel()] = 5.0
        return logits


def tiny_network() -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(replace(tiny.NETWORK, focus=8)).eval()


def noise(batch: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 96, 128, 3), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def test_a_focus_on_everything_changes_nothing() -> None:
    config, images = GroupingConfig(candidates=16), noise(1)
    found, votes = estimator(tiny_network(), True, config).explain(images, torch.tensor(0.0))
    whole, behind = estimator(tiny_network(), False, config).explain(images, torch.tensor(0.0))
    assert len(whole.scores)
    for one, other in zip((*found, *votes), (*whole, *behind), strict=True):
        torch.testing.assert_close(one, other)


@torch.no_grad()
def test_each_image_of_a_batch_has_its_own_focus() -> None:
    network, images = tiny_network(), noise(5)
    network.focus = Marker(17, 8, 4)
    model = estimator(network, config=GroupingConfig(candidates=16))
    extents = [model.vote(x[None], torch.tensor(0.1))[0][0].maps.extent for x in images]
    assert len({tuple(extent.origin.tolist()) for extent in extents if extent is not None}) > 1
    people, votes = model.explain(images, torch.tensor(0.1))
    assert people.image_index.unique().tolist() == [0, 1, 2, 3, 4]
    assert people.presence.shape[0] == 5
    for i in range(5):
        alone, behind = model.explain(images[i : i + 1], torch.tensor(0.1))
        torch.testing.assert_close(people.keypoints[people.image_index == i], alone.keypoints)
        mine = votes.vote_image == i
        torch.testing.assert_close(votes.vote_poses[mine], behind.vote_poses)
        kept = behind.vote_person >= 0
        assert torch.equal(votes.vote_person[mine] >= 0, kept)
        torch.testing.assert_close(
            people.keypoints[votes.vote_person[mine][kept]], alone.keypoints[behind.vote_person[kept]]
        )
