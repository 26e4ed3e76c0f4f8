"""The refiner: joints move to where OKS is expected, people do not affect each other, and it can learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from votepose.models.features import ROI_COLUMNS, ROI_ROWS, FeatureSpec, context_feature
from votepose.models.heads.refiner import FINER, PoseRefiner, draw, expected_oks_argmax, snap_to_peaks
from votepose.models.outputs import RefinedPoses

K = 5
KAPPAS = torch.full((K,), 0.15)


SPECS = (
    FeatureSpec(5, 2, 0.5),
    FeatureSpec(6, 4, 1),
    FeatureSpec(3, 8, 2),
    FeatureSpec(4, 16, 2),
    FeatureSpec(8, 32, 4),
)


def refiner(training: bool = False) -> PoseRefiner:
    torch.manual_seed(0)
    return PoseRefiner(SPECS, K, width=12, near_width=4).train(training)


def scene(people: int = 4) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [spec.shape for spec in (*SPECS, context_feature(SPECS))]
    rois = [torch.randn(people, *shape, generator=generator) for shape in shapes]
    return rois, torch.rand(people, K, 2, generator=generator) * torch.tensor([ROI_COLUMNS, ROI_ROWS])


def parts(found: RefinedPoses) -> list[Tensor]:
    return [found.poses, found.confidences, found.seen, found.quality, found.heat]


def spot(x: float, y: float, spread: float = 0.8) -> Tensor:
    """(64, 48) logits of a Gaussian at x, y of the grid."""
    columns, rows = (torch.arange(ROI_COLUMNS * FINER) + 0.5) / FINER, (torch.arange(ROI_ROWS * FINER) + 0.5) / FINER
    return -((columns - x) ** 2 + (rows[:, None] - y) ** 2) / (2 * spread**2)


@pytest.mark.parametrize(("x", "y"), [(12.0, 16.0), (3.3, 28.7), (20.15, 4.4)])
def test_a_single_spot_is_found_between_the_grid_s_points(x: float, y: float) -> None:
    places, expected = expected_oks_argmax(spot(x, y)[None, None], torch.tensor([[1.5]]))
    torch.testing.assert_close(places[0, 0], torch.tensor([x, y]), atol=0.02, rtol=0)
    assert expected.item() == pytest.approx(1.5**2 / (1.5**2 + 0.8**2), abs=0.02)  # two Gaussians' overlap


def test_a_strict_joint_takes_the_sharp_spot_and_a_lenient_one_the_wide() -> None:
    """The wide spot has more mass, the sharp one the higher peak."""
    heat = torch.logaddexp(spot(6, 8, 0.5) + 1.2, spot(18, 24, 2.5))[None, None].expand(1, 2, -1, -1)
    places, _ = expected_oks_argmax(heat, torch.tensor([[0.5, 3.0]]))
    torch.testing.assert_close(places[0], torch.tensor([[6.0, 8.0], [18.0, 24.0]]), atol=0.3, rtol=0)


def test_the_place_is_a_maximum_of_the_expected_oks() -> None:
    generator = torch.Generator().manual_seed(0)
    heat = torch.stack(
        [
            torch.logsumexp(torch.stack([spot(*p) for p in torch.rand(4, 2, generator=generator) * 20 + 2]), dim=0)
            for _ in range(6)
        ]
    )[None]
    radii = torch.full((1, 6), 1.2)
    places, best = expected_oks_argmax(heat, radii)
    chance = heat.flatten(2).softmax(dim=-1).reshape(heat.shape)
    x, y = (torch.arange(ROI_COLUMNS * FINER) + 0.5) / FINER, (torch.arange(ROI_ROWS * FINER) + 0.5) / FINER

    def expected(shift: Tensor) -> Tensor:
        px, py = (places + shift).unbind(dim=-1)
        squared = (x - px[..., None, None]) ** 2 + (y[:, None] - py[..., None, None]) ** 2
        return (chance * torch.exp(-squared / (2 * 1.2**2))).sum(dim=(2, 3))

    torch.testing.assert_close(expected(torch.zeros(2)), best)
    for shift in torch.tensor([[0.4, 0.0], [-0.4, 0.0], [0.0, 0.4], [0.0, -0.4]]):
        assert (expected(shift) <= best + 1e-4).all()


def seen_at(x: float, y: float, sure: float) -> Tensor:
    """(1, 1, 64, 48) a heatmap with its peak at x, y of the grid."""
    return sure * spot(x, y, 0.4).exp()[None, None]


@pytest.mark.parametrize(("sure", "moved"), [(1.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_a_peak_moves_a_joint_in_proportion_to_its_height(sure: float, moved: float) -> None:
    place, seen = torch.tensor([[[10.0, 16.0]]]), torch.tensor([11.25, 14.75])  # on the grid's points
    found = snap_to_peaks(place, seen_at(11.25, 14.75, sure))[0, 0]
    torch.testing.assert_close(found, place[0, 0] + moved * (seen - place[0, 0]), atol=0.03, rtol=0)


def test_a_distant_peak_moves_nothing() -> None:
    place = torch.tensor([[[10.0, 16.0]]])
    assert torch.equal(snap_to_peaks(place, seen_at(16.25, 16.25, 1.0)), place)


def test_of_two_peaks_the_nearer_counts_unless_it_is_faint() -> None:
    place = torch.tensor([[[10.25, 16.25]]])
    far = seen_at(12.75, 16.25, 0.9)
    near = snap_to_peaks(place, torch.maximum(far, seen_at(9.75, 16.25, 0.6)))
    faint = snap_to_peaks(place, torch.maximum(far, seen_at(9.75, 16.25, 0.2)))
    assert near[0, 0, 0] < 10.25 < faint[0, 0, 0]


def test_only_marked_maps_are_heatmaps() -> None:
    """The last channels of a map with heatmaps are likelihoods; the same map without that mark is a plain feature."""
    specs = (FeatureSpec(K + 2, 4, 0.5, heatmaps=True), *SPECS[1:])
    torch.manual_seed(0)
    refining, plain = PoseRefiner(specs, K, width=12, near_width=4).eval(), refiner()
    rois, poses = scene()
    rois[0] = torch.full((4, K + 2, *specs[0].shape[1:]), -2.0)
    without = refining(rois, poses, KAPPAS).poses
    rois[0][:, 2:, 20, 30] = 1.0  # a logit of 8
    snapped = refining(rois, poses, KAPPAS).poses
    target = torch.tensor([30.5, 20.5]) / FINER
    close = ((without - target) ** 2).sum(dim=-1).sqrt() < 2.5
    assert plain.heatmap_index is None
    assert close.any()
    assert ((snapped - target)[close].norm(dim=-1) < 0.3).all()
    rois[0][:] = 0.0  # beside the image
    assert not refining._likelihoods(rois).any()


def test_a_pose_is_drawn_where_it_is() -> None:
    poses = scene()[1].clamp(1, 23)
    drawn = draw(poses)
    row, column = (
        torch.div(drawn.flatten(2).argmax(2), ROI_COLUMNS, rounding_mode="floor"),
        drawn.flatten(2).argmax(2) % ROI_COLUMNS,
    )
    assert ((torch.stack([column, row], dim=-1) + 0.5 - poses).abs() <= 0.501).all()


@torch.no_grad()
def test_a_fresh_look_moves_joints_little() -> None:
    rois, poses = scene()
    inside = poses.clamp(2, 22)
    assert (refiner()(rois, inside, KAPPAS).poses - inside).abs().max() < 0.3


@torch.no_grad()
def test_people_are_looked_at_apart() -> None:
    rois, poses = scene()
    every, order = refiner()(rois, poses, KAPPAS), torch.tensor([2, 0])
    some = refiner()([x[order] for x in rois], poses[order], KAPPAS)
    for one, other in zip(parts(every), parts(some), strict=True):
        torch.testing.assert_close(one[order], other, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_drawn_pose_and_every_crop_matter() -> None:
    rois, poses = scene()
    before = refiner()(rois, poses, KAPPAS).heat
    assert not torch.allclose(refiner()(rois, poses, KAPPAS, torch.zeros_like(draw(poses))).heat, before)
    for i in range(4):
        changed = [x + 1 if j == i else x for j, x in enumerate(rois)]
        assert not torch.allclose(refiner()(changed, poses, KAPPAS).heat, before)


@torch.no_grad()
def test_an_empty_batch_is_no_trouble() -> None:
    rois, poses = scene(0)
    found = refiner()(rois, poses, KAPPAS)
    assert found.poses.shape == (0, K, 2)
    assert found.quality.shape == (0,)
