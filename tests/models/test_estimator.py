"""Images in, people out: empty images, planted people, batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from helpers.bodies import KAPPAS, matched, people_apart
from votepose.grouping import PAPER, GroupingConfig
from votepose.models.estimator import PoseEstimator
from votepose.models.features import KeypointMaps
from votepose.models.heads.roi_align import WIDE_MARGIN
from votepose.models.outputs import PoseOutputs, RefinedPoses
from votepose.models.posenet import FeatureMaps, PoseNet, Votes

WIDTH, HEIGHT = 40, 32  # cells


@pytest.fixture(autouse=True)
def _small_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.refine_small_regions(monkeypatch)


class Oracle(PoseNet):
    """A network that finds planted people (image, pose in cells) at all their joints; no refiner."""

    def __init__(self, people: list[tuple[int, np.ndarray]]) -> None:
        super().__init__(replace(tiny.NETWORK, proposals=False, refiner=0))
        self.people = people

    def encode(self, images: Tensor) -> FeatureMaps:
        presence = torch.full((len(images), HEIGHT, WIDTH), -20.0)
        self.owner = torch.full((len(images), HEIGHT * WIDTH), -1)
        for person, (image, pose) in enumerate(self.people):
            cells = torch.from_numpy(np.floor(pose)).long()
            presence[image, cells[:, 1], cells[:, 0]] = 6.0
            self.owner[image, cells[:, 1] * WIDTH + cells[:, 0]] = person
        return FeatureMaps(torch.zeros(len(images), 17, HEIGHT, WIDTH), [presence], None, None, [], None)

    def predict_votes(self, maps: FeatureMaps, cells: Tensor) -> Votes:
        poses = torch.from_numpy(np.stack([pose for _, pose in self.people]))
        votes = poses[self.owner.gather(1, cells).clamp(min=0)]
        return Votes(votes, torch.full(votes.shape[:-1], -2.0))


FEW = GroupingConfig(candidates=16)


def estimator(network: PoseNet, config: GroupingConfig = GroupingConfig()) -> PoseEstimator:
    return PoseEstimator(network, torch.from_numpy(KAPPAS), config).eval()


def pictures(batch: int = 1, height: int = 64, width: int = 96) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=generator)


def tiny_network() -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(tiny.NETWORK).eval()


@pytest.mark.parametrize("config", [GroupingConfig(), replace(PAPER, threshold=8.0)])
@torch.no_grad()
def test_planted_people_are_found_in_input_pixels(config: GroupingConfig) -> None:
    poses = people_apart(4, np.random.default_rng(0), columns=2) * 0.9
    planted = [(0, poses[0]), (1, poses[1]), (1, poses[2]), (1, poses[3])]
    found = estimator(Oracle(planted), config)(pictures(batch=3, height=4 * HEIGHT, width=4 * WIDTH), torch.tensor(0.9))
    for image, wanted in ((0, poses[:1]), (1, poses[1:]), (2, poses[:0])):
        assert matched(found.keypoints[found.image_index == image].numpy(), 4 * wanted) < 1e-2
    assert found.presence.shape == (3, HEIGHT, WIDTH)
    assert found.seen.all()  # every joint was asked
    assert (found.scores > 0.5).all()


@pytest.mark.parametrize(("config", "every"), [(PAPER, True), (GroupingConfig(), False)])
@torch.no_grad()
def test_in_the_paper_every_cell_over_the_threshold_votes(config: GroupingConfig, every: bool) -> None:
    pose = people_apart(1, np.random.default_rng(0), columns=1)[0] * 0.9
    oracle = Oracle([(0, pose)])
    encode, slope = oracle.encode, torch.linspace(0, 1, HEIGHT * WIDTH).view(HEIGHT, WIDTH)
    oracle.encode = lambda images: replace(encode(images), presence=[encode(images).presence[0] - slope])  # type: ignore[method-assign]
    _, votes_out = estimator(oracle, config).explain(pictures(height=4 * HEIGHT, width=4 * WIDTH), torch.tensor(0.8))
    assert (len(votes_out.vote_image) == len(np.unique(np.floor(pose), axis=0))) == every


@torch.no_grad()
def test_a_person_found_twice_is_one() -> None:
    pose = people_apart(1, np.random.default_rng(0), columns=1)[0]
    double = pose + 0.4
    config = GroupingConfig(threshold=1e-3)  # too strict to see that they agree
    found = estimator(Oracle([(0, pose), (0, double)]), config)(pictures(), torch.tensor(0.9))
    assert len(found.scores) == 1


class Refining(Oracle):
    """Each look moves everybody by a cell to the right, and finds the pose as good as its turn says."""

    qualities = (0.75, 0.64)

    def __init__(self, people: list[tuple[int, np.ndarray]]) -> None:
        super().__init__(people)
        self.refiner, self.shown = torch.nn.Identity(), list[tuple[Tensor, float]]()

    def refine(
        self,
        pyramid: Sequence[FeatureMaps],
        poses: Tensor,
        image_index: Tensor,
        kappas: Tensor,
        margin: float = WIDE_MARGIN,
    ) -> RefinedPoses:
        logits = torch.logit(torch.full(poses.shape[:2], self.qualities[len(self.shown)]))
        self.shown.append((poses, margin))
        return RefinedPoses(poses + torch.tensor([1.0, 0.0]), logits, logits, logits[:, 0], torch.zeros(0))


@torch.no_grad()
def test_people_are_refined_twice_from_closer_regions() -> None:
    pose = people_apart(1, np.random.default_rng(0), columns=1)[0] * 0.9
    found, network = estimator(Oracle([(0, pose)]))(pictures(), torch.tensor(0.9)), Refining([(0, pose)])
    looked = estimator(network)(pictures(), torch.tensor(0.9))
    (first, wide), (again, near) = network.shown
    assert wide > near
    torch.testing.assert_close(again, first + torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(looked.keypoints, found.keypoints + torch.tensor([8.0, 0.0]))
    torch.testing.assert_close(looked.confidences, torch.full((1, 17), 0.64))
    torch.testing.assert_close(looked.scores, found.scores**0.15 * 0.64**0.85)


@pytest.mark.parametrize(("quality", "again"), [(0.3, 0), (0.75, 1), (0.999, 0)])
@torch.no_grad()
def test_only_poses_that_are_neither_poor_nor_good_are_refined_twice(quality: float, again: int) -> None:
    network = Refining([(0, people_apart(1, np.random.default_rng(0), columns=1)[0] * 0.9)])
    network.qualities = (quality, 0.64)
    found = estimator(network)(pictures(), torch.tensor(0.9))
    (first, _), (second, _) = network.shown
    assert len(second) == again
    torch.testing.assert_close(found.keypoints, 4 * (first + torch.tensor([1.0 + again, 0.0])))


@torch.no_grad()
def test_background_in_the_first_refinement_gets_no_second() -> None:
    poses = people_apart(2, np.random.default_rng(0), columns=2) * 0.9
    network = Refining([(0, poses[0]), (0, poses[1])])
    network.qualities = (1e-5, 0.9)
    assert not len(estimator(network)(pictures(), torch.tensor(0.9)).scores)
    assert [len(poses) for poses, _ in network.shown] == [2, 0]


@pytest.mark.parametrize("refiner", [0, 1])
@torch.no_grad()
def test_a_picture_without_people_is_an_empty_result(refiner: int) -> None:
    torch.manual_seed(0)
    model = estimator(PoseNet(replace(tiny.NETWORK, refiner=refiner)).eval())
    found = model(pictures(batch=2), torch.tensor(2.0))
    assert found.keypoints.shape == (0, 17, 2)
    assert found.confidences.shape == found.seen.shape == (0, 17)
    assert found.image_index.shape == found.scores.shape == (0,)
    assert found.presence.shape == (2, 16, 24)


def of_image(found: PoseOutputs, image: int) -> np.ndarray:
    """(P, K * 2 + K + 1) what is said of an image's people, in an order of its own."""
    here = found.image_index == image
    rows = torch.cat([found.keypoints[here].flatten(1), found.confidences[here], found.scores[here, None]], dim=1)
    return rows[rows[:, 0].argsort()].numpy()


@torch.no_grad()
def test_a_batch_equals_its_images_one_by_one() -> None:
    model, images = estimator(tiny_network(), FEW), pictures(batch=3)
    together = model(images, torch.tensor(0.3))
    assert len(together.scores)
    assert set(together.image_index.tolist()) <= {0, 1, 2}
    for i in range(3):
        alone = model(images[i : i + 1], torch.tensor(0.3))
        np.testing.assert_allclose(of_image(together, i), of_image(alone, 0), atol=0.05, rtol=1e-3)


@torch.no_grad()
def test_the_smallest_input_has_fewer_cells_than_candidates() -> None:
    found = estimator(tiny_network())(pictures(height=32, width=32), torch.tensor(0.0))
    assert found.presence.shape == (1, 8, 8)
    assert found.keypoints.isfinite().all()


@torch.no_grad()
def test_what_is_said_of_people_is_in_range() -> None:
    found = estimator(tiny_network())(pictures(batch=2), torch.tensor(0.0))
    for values in (found.scores, found.confidences, found.presence):
        assert (values >= 0).all()
        assert (values <= 1).all()
    assert found.seen.dtype == torch.bool
    assert found.image_index.dtype == torch.int64


class Pointing(Refining):
    """Its votes are half a cell off, and doubt that much; its keypoint maps know where joints lie."""

    def __init__(self, people: list[tuple[int, np.ndarray]]) -> None:
        super().__init__([(image, pose + np.float32(0.5)) for image, pose in people])
        self.truth = people

    def encode(self, images: Tensor) -> FeatureMaps:
        logits = torch.full((len(images), 17, 2 * HEIGHT, 2 * WIDTH), -9.0)
        offsets = torch.zeros(len(images), 17, 2, 2 * HEIGHT, 2 * WIDTH)
        for image, pose in self.truth:
            points = torch.from_numpy(2 * pose)
            x, y = points.long().unbind(dim=-1)
            logits[image, torch.arange(17), y, x] = 6.0
            offsets[image, torch.arange(17), :, y, x] = points - points.floor() - 0.5
        return replace(super().encode(images), keypoint_maps=KeypointMaps(logits, offsets))

    def predict_votes(self, maps: FeatureMaps, cells: Tensor) -> Votes:
        votes = super().predict_votes(maps, cells)
        return Votes(votes.poses, torch.full_like(votes.log_scales, -0.5))


@pytest.mark.parametrize("refiner", [False, True])
@torch.no_grad()
def test_joints_go_nearly_to_their_peaks_before_they_are_refined(refiner: bool) -> None:
    poses = people_apart(3, np.random.default_rng(0), columns=2) * 0.9
    network = Pointing([(0, poses[0]), (1, poses[1]), (1, poses[2])])
    network.refiner = network.refiner if refiner else None
    found = estimator(network)(pictures(batch=2, height=4 * HEIGHT, width=4 * WIDTH), torch.tensor(0.9))
    for image, wanted in ((0, poses[:1]), (1, poses[1:])):
        shown = network.shown[0][0] * 4 if refiner else found.keypoints
        assert matched(shown[found.image_index == image].numpy(), 4 * wanted) < 0.15 * 2


class FarSighted(Oracle):
    """Sees its people on the coarse level only, where the map is half as large."""

    def encode(self, images: Tensor) -> FeatureMaps:
        maps = super().encode(images)
        coarse = images.shape[-1] == 4 * WIDTH
        return replace(maps, presence=[maps.presence[0] if coarse else torch.full_like(maps.presence[0], -20.0)])


@torch.no_grad()
def test_who_is_seen_on_the_coarse_level_alone_is_found_in_full_pixels() -> None:
    poses = people_apart(3, np.random.default_rng(0), columns=2) * 0.9
    planted = [(0, poses[0]), (1, poses[1]), (1, poses[2])]
    model = estimator(FarSighted(planted))
    images = pictures(batch=2, height=8 * HEIGHT, width=8 * WIDTH)
    assert not len(model(images, torch.tensor(0.9)).scores)
    model.levels = 2
    found, votes_out = model.explain(images, torch.tensor(0.9))
    for image, wanted in ((0, poses[:1]), (1, poses[1:])):
        assert matched(found.keypoints[found.image_index == image].numpy(), 8 * wanted) < 1e-2
    np.testing.assert_allclose(votes_out.vote_poses, found.keypoints[votes_out.vote_person], atol=1e-2)
    assert ((votes_out.vote_poses - votes_out.vote_cells[:, None]).norm(dim=-1).amin(dim=1) < 8).all()
    np.testing.assert_allclose(votes_out.vote_scales, 8 * np.exp(-2), rtol=1e-4)


@torch.no_grad()
def test_who_is_seen_on_both_levels_is_one_person() -> None:
    pose = people_apart(1, np.random.default_rng(0), columns=1)[0]

    class Both(Oracle):
        def encode(self, images: Tensor) -> FeatureMaps:
            self.people = [(0, pose if images.shape[-1] == 8 * WIDTH else pose / 2)]
            return super().encode(images)

        def predict_votes(self, maps: FeatureMaps, cells: Tensor) -> Votes:
            return super().predict_votes(maps, cells)

    model = estimator(Both([(0, pose)]))
    model.levels = 2
    found = model(pictures(height=8 * HEIGHT, width=8 * WIDTH), torch.tensor(0.9))
    assert matched(found.keypoints.numpy(), 4 * pose[None]) < 0.5


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize(("height", "width"), [(32, 96), (160, 64)])
@torch.no_grad()
def test_levels_need_not_divide_the_input(levels: int, height: int, width: int) -> None:
    model = estimator(tiny_network(), FEW)
    model.levels = levels
    images = pictures(2, height, width)
    found, votes_out = model.explain(images, torch.tensor(0.0))
    assert found.keypoints.isfinite().all()
    assert len(votes_out.vote_image) > len(
        estimator(tiny_network(), FEW).explain(images, torch.tensor(0.0))[1].vote_image
    )
    for i in range(2):
        np.testing.assert_allclose(
            of_image(found, i), of_image(model(images[i : i + 1], torch.tensor(0.0)), 0), atol=0.05, rtol=1e-3
        )


@torch.no_grad()
def test_other_skeletons_work() -> None:
    torch.manual_seed(0)
    network = PoseNet(replace(tiny.NETWORK, keypoints=5, proposals=False)).eval()
    found = PoseEstimator(network, torch.full((5,), 0.1), GroupingConfig())(pictures(), torch.tensor(0.0))
    assert found.keypoints.shape[1:] == (5, 2)


@torch.no_grad()
def test_each_vote_names_the_person_that_it_joined() -> None:
    poses = people_apart(3, np.random.default_rng(0), columns=2) * 0.9
    model = estimator(Oracle([(0, poses[0]), (1, poses[1]), (1, poses[2])]))
    people, votes_out = model.explain(pictures(batch=3, height=4 * HEIGHT, width=4 * WIDTH), torch.tensor(0.9))
    assert set(votes_out.vote_image.tolist()) == {0, 1}
    assert (votes_out.vote_person >= 0).all()
    assert set(votes_out.vote_person.tolist()) == {0, 1, 2}
    np.testing.assert_array_equal(people.image_index[votes_out.vote_person], votes_out.vote_image)
    # Noiseless votes are their person's pose, and were cast at one of its joints.
    np.testing.assert_allclose(votes_out.vote_poses, people.keypoints[votes_out.vote_person], atol=1e-2)
    assert ((votes_out.vote_poses - votes_out.vote_cells[:, None]).norm(dim=-1).amin(dim=1) < 4).all()
    np.testing.assert_allclose(votes_out.vote_scales, 4 * np.exp(-2), rtol=1e-4)
    assert (votes_out.vote_presence >= 0.9).all()


@torch.no_grad()
def test_votes_of_a_dropped_person_joined_none() -> None:
    pose = people_apart(1, np.random.default_rng(0), columns=1)[0]
    model = estimator(Oracle([(0, pose), (0, pose + 0.4)]), GroupingConfig(threshold=1e-3))
    people, votes_out = model.explain(pictures(), torch.tensor(0.9))
    assert len(people.scores) == 1
    assert set(votes_out.vote_person.tolist()) == {-1, 0}
    kept = votes_out.vote_person == 0
    assert (votes_out.vote_poses[kept] - people.keypoints[0]).abs().max() < 1e-2
    assert (votes_out.vote_poses[~kept] - people.keypoints[0]).abs().max() > 1


@pytest.mark.parametrize("threshold", [2.0, 0.0])
@torch.no_grad()
def test_the_votes_out_of_any_network_is_sound(threshold: float) -> None:
    people, votes_out = estimator(tiny_network()).explain(pictures(batch=2), torch.tensor(threshold))
    votes = len(votes_out.vote_image)
    assert bool(votes) == (threshold == 0.0)
    assert votes_out.vote_cells.shape == (votes, 2)
    assert votes_out.vote_poses.shape == (votes, 17, 2)
    assert votes_out.vote_scales.shape == (votes, 17)
    assert votes_out.vote_presence.shape == votes_out.vote_person.shape == (votes,)
    assert set(range(len(people.scores))) <= set(votes_out.vote_person.tolist())  # no person without a vote


@torch.no_grad()
def test_in_a_crowd_the_likeliest_do_not_take_all_votes() -> None:
    """Far more peaks than candidates, and the first people's are all likelier than the last's."""
    corners = np.stack(np.meshgrid(np.arange(2, WIDTH - 6, 10), np.arange(2, HEIGHT - 6, 10)), axis=-1).reshape(-1, 2)
    shape = np.stack([np.arange(17) % 4 * 2, np.arange(17) // 4 * 1.5], axis=1)
    planted = [(0, (corner + shape).astype(np.float32)) for corner in corners]
    oracle = Oracle(planted)
    encode = oracle.encode

    def fading(images: Tensor) -> FeatureMaps:
        maps = encode(images)
        fade = torch.linspace(0, 2, HEIGHT * WIDTH).view(HEIGHT, WIDTH)
        presence = torch.where(maps.presence[-1] > 0, 6 - fade, -20)
        return replace(maps, presence=[presence])

    oracle.encode = fading  # type: ignore[method-assign]
    model = estimator(oracle, GroupingConfig(candidates=2 * len(planted)))
    people, votes_out = model.explain(pictures(height=4 * HEIGHT, width=4 * WIDTH), torch.tensor(0.5))
    assert len(votes_out.vote_image) == 2 * len(planted)
    assert len(people.scores) >= 0.9 * len(planted)  # 4 of 12, if the likeliest were asked
