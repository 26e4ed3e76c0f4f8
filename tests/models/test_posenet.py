"""The network: sparse equals dense, shifts, switches, skeletons and sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers import tiny
from votepose.errors import VoteposeError
from votepose.models.features import HEATMAP_LOGIT_SCALE
from votepose.models.posenet import FeatureMaps, NetworkConfig, PoseNet

CONFIG = replace(tiny.NETWORK, proposals=False)
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "proposals": {"proposals": True},
    "absolute": {"vectors": "absolute"},
    "added positions": {"relative": False},
    "no scales": {"scales": False},
    "paper": {"vectors": "absolute", "relative": False, "scales": False, "refiner": 0, "stacks": 2},
    "stride 8": {"stride": 8, "patch": 2},
    "no hourglass": {"hourglass": False},
    "no transformer": {"transformer": False},
    "neither": {"hourglass": False, "transformer": False},
    "neither, proposals": {"hourglass": False, "transformer": False, "proposals": True},
    "5 joints": {"keypoints": 5},
    "auxiliary backbone": {"aux_backbone": True},
}


def build(config: NetworkConfig) -> PoseNet:
    torch.manual_seed(0)
    network = PoseNet(config).eval()
    for module in (network.presence, network.vector):  # answers that differ from cell to cell
        for parameter in module.parameters():
            parameter.data += 0.05 * torch.randn(parameter.shape)
    return network


def pictures(height: int = 64, width: int = 96, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_votes_of_chosen_cells_equal_the_dense_field(name: str) -> None:
    config = replace(CONFIG, **VARIANTS[name])
    network, images = build(config), pictures()
    presence, dense = network(images)
    height, width = 64 // config.stride, 96 // config.stride
    k = config.keypoints
    assert presence.shape == (2, height, width)
    assert dense.poses.shape == (2, height * width, k, 2)
    assert dense.log_scales.shape == (2, height * width, k)
    cells = torch.stack([torch.randperm(height * width)[:9], torch.randperm(height * width)[:9]])
    votes = network.predict_votes(network.encode(images), cells)
    for sparse, whole in ((votes.poses, dense.poses), (votes.log_scales, dense.log_scales)):
        assert whole.isfinite().all()
        picked = torch.stack([field[c] for field, c in zip(whole, cells, strict=True)])
        torch.testing.assert_close(sparse, picked, atol=1e-3, rtol=1e-4)
    assert config.transformer is False or dense.poses.std(dim=1).min() > 0


@pytest.mark.parametrize("size", [(32, 32), (64, 160), (128, 96)])
@torch.no_grad()
def test_one_network_takes_any_size(size: tuple[int, int]) -> None:
    presence, votes = build(CONFIG)(pictures(*size, batch=1))
    assert presence.shape == (1, size[0] // 4, size[1] // 4)
    assert votes.poses.shape == (1, size[0] * size[1] // 16, 17, 2)


@torch.no_grad()
def test_images_of_a_batch_do_not_see_each_other() -> None:
    network, images = build(replace(CONFIG, proposals=True)), pictures()
    presence, votes = network(images)
    alone, its_votes = network(images[1:])
    torch.testing.assert_close(presence[1:], alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(votes.poses[1:], its_votes.poses, atol=1e-3, rtol=1e-4)


@torch.no_grad()
def test_pixels_may_be_bytes_or_floats() -> None:
    network, images = build(CONFIG), pictures()
    torch.testing.assert_close(network(images)[0], network(images.float())[0])


def shifted(maps: FeatureMaps, cells: int) -> FeatureMaps:
    """The maps of an image moved `cells` to the right, as far as a vote can tell."""
    assert maps.memory_positions is not None
    features = maps.features.roll(cells, dims=-1)
    return replace(maps, features=features, memory_positions=maps.memory_positions + torch.tensor([cells, 0.0]))


@torch.no_grad()
def test_a_picture_moved_by_a_patch_moves_the_votes_of_a_relative_network() -> None:
    images = pictures(batch=1)
    cells = torch.tensor([[25, 100, 210]])
    moves = {}
    for relative in (True, False):
        network = build(replace(CONFIG, relative=relative))
        maps = network.encode(images)
        before, after = network.predict_votes(maps, cells), network.predict_votes(shifted(maps, 4), cells + 4)
        moves[relative] = (after.poses - before.poses - torch.tensor([4.0, 0.0])).abs().max()
    assert moves[True] < 1e-3
    assert moves[False] > 1e-2


@torch.no_grad()
def test_a_network_that_says_nothing_votes_for_its_own_cell_or_for_the_middle() -> None:
    for vectors in ("residual", "absolute"):
        network = PoseNet(replace(CONFIG, vectors=vectors)).eval()
        for parameter in network.vector.parameters():
            parameter.zero_()
        poses = network.predict_votes(network.encode(pictures(batch=1)), torch.tensor([[0, 24 * 3 + 5]])).poses
        own = torch.tensor([[0.5, 0.5], [5.5, 3.5]]) if vectors == "residual" else torch.tensor([12.0, 8.0])
        torch.testing.assert_close(poses, own.expand(1, 2, 2)[:, :, None].expand_as(poses))


@torch.no_grad()
def test_without_scales_all_joints_are_alike() -> None:
    network = build(replace(CONFIG, scales=False))
    assert network(pictures())[1].log_scales.abs().max() == 0


@pytest.mark.parametrize("stacks", [1, 3])
def test_every_stack_gives_a_map_of_which_the_last_counts(stacks: int) -> None:
    network = build(replace(CONFIG, stacks=stacks))
    maps = network.encode(pictures())
    assert [tuple(x.shape) for x in maps.presence] == [(2, 16, 24)] * stacks
    torch.testing.assert_close(maps.features[:, -1], maps.presence[-1].sigmoid())


def test_switched_off_parts_are_not_built() -> None:
    def parts(**changes: Any) -> dict[str, int]:
        return dict(PoseNet(replace(CONFIG, **changes)).parts())

    whole, neither = parts(), parts(hourglass=False, transformer=False)
    assert neither.keys() == whole.keys() - {"transformer"}
    assert neither["presence"] == CONFIG.channels + 1  # a 1x1 convolution and its bias
    assert neither["vector"] == (CONFIG.channels + 2) * 3 * 17  # over [F;H], scales included
    assert parts(transformer=False)["presence"] == whole["presence"]
    assert "refiner" not in parts(refiner=0)


def test_parts_add_up() -> None:
    network = PoseNet(replace(CONFIG, proposals=True))
    assert sum(count for _, count in network.parts()) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("changes", [{"backbone": "lite"}, {"keypoints": 5}, {"stride": 2}])
def test_proposals_without_movenet_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(VoteposeError, match="proposes poses"):
        PoseNet(replace(CONFIG, proposals=True, **changes))


@pytest.mark.parametrize("keypoints", [5, 17])
@torch.no_grad()
def test_refinement_keeps_the_skeleton(keypoints: int) -> None:
    network = build(replace(CONFIG, keypoints=keypoints))
    maps = network.encode(pictures())
    poses, images = torch.rand(3, keypoints, 2) * 16, torch.tensor([0, 1, 1])
    look = network.refine([maps], poses, images, torch.full((keypoints,), 0.1))
    assert look.poses.shape == (3, keypoints, 2)


def test_an_auxiliary_backbone_knows_bodies_only() -> None:
    with pytest.raises(VoteposeError, match="has 17 keypoints, not 5"):
        PoseNet(replace(CONFIG, keypoints=5, aux_backbone=True))


def test_the_fine_refiner_sees_the_keypoint_maps_but_does_not_train_them() -> None:
    config = replace(CONFIG, backbone="lite", stride=8, keypoint_maps=8, fine_refiner=True)
    network = PoseNet(config)
    maps = network.encode(torch.rand(1, 3, 64, 64) * 255)
    assert maps.keypoint_maps is not None
    assert [tuple(x.shape[1:]) for x in maps.roi_features[3:]] == [(24, 16, 16), (17, 16, 16)]
    torch.testing.assert_close(maps.roi_features[-1] * HEATMAP_LOGIT_SCALE, maps.keypoint_maps.logits)
    assert not maps.roi_features[-1].requires_grad
    assert maps.roi_features[-2].requires_grad
    assert network.feature_specs[-1].heatmaps


@pytest.mark.parametrize("changes", [{"backbone": "maxvit"}, {"refiner": 0}, {"keypoint_maps": 0}])
def test_a_fine_refiner_without_its_maps_is_refused(changes: dict[str, Any]) -> None:
    config = replace(CONFIG, backbone="lite", stride=8, keypoint_maps=8, fine_refiner=True)
    with pytest.raises(
        VoteposeError, match="fine_refiner needs the mobile or lite backbone, a refiner and keypoint maps"
    ):
        PoseNet(replace(config, **changes))
