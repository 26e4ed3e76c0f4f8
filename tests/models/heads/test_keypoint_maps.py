"""Keypoint maps: a joint's own cell says exactly where it lies, and poses go to the right peaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from helpers.bodies import people_apart
from votepose.models.features import Extent, KeypointMaps
from votepose.models.heads.keypoint_maps import FINER, PEAKS, KeypointMapHead, find_peaks, snap_to_keypoints

ROWS, COLUMNS = 80, 96  # cells of the maps, twice as fine as those of poses


def blank(images: int = 1, keypoints: int = 17) -> KeypointMaps:
    return KeypointMaps(
        torch.full((images, keypoints, ROWS, COLUMNS), -8.0), torch.zeros(images, keypoints, 2, ROWS, COLUMNS)
    )


def plant(maps: KeypointMaps, image: int, joint: int, place: Tensor, likelihood: float = 0.9) -> None:
    """A peak at a place (2,), in cells of F."""
    point = place * FINER
    x, y = point.floor().long().tolist()
    maps.logits[image, joint, y, x] = torch.logit(torch.tensor(likelihood))
    maps.offsets[image, joint, :, y, x] = point - point.floor() - 0.5


def person(seed: int = 0) -> Tensor:
    """(1, 17, 2) a pose about 17 cells large."""
    pose = torch.from_numpy(people_apart(1, np.random.default_rng(seed), columns=1)).float()
    return 6 + (pose - pose.amin(dim=(0, 1))) / (pose.amax() - pose.amin()) * 25


IMAGE = torch.zeros(1, dtype=torch.long)


def snapped(maps: list[KeypointMaps], poses: Tensor, scale: float = 0.7, image_index: Tensor = IMAGE) -> Tensor:
    """By votes of one Laplace scale, in cells of F."""
    return snap_to_keypoints(maps, poses, torch.full(poses.shape[:2], scale).log(), image_index)


@pytest.mark.parametrize("keypoints", [17, 5])
def test_a_fresh_head_is_twice_as_fine_as_f_and_expects_few_joints(keypoints: int) -> None:
    torch.manual_seed(0)
    maps = KeypointMapHead(16, 8, keypoints)(torch.rand(2, 16, 6, 10))
    assert maps.logits.shape == (2, keypoints, 12, 20)
    assert maps.offsets.shape == (2, keypoints, 2, 12, 20)
    assert (maps.logits.sigmoid() - 0.01).abs().max() < 2e-3
    assert maps.offsets.abs().max() < 0.2


def test_a_peak_with_its_offset_is_exactly_where_the_joint_lies() -> None:
    maps, pose = blank(), person()
    for joint, place in enumerate(pose[0]):
        plant(maps, 0, joint, place, 0.8)
    places, likelihoods = find_peaks(maps)
    assert places.shape == (1, 17, PEAKS, 2)
    torch.testing.assert_close(places[:, :, 0], pose)
    torch.testing.assert_close(likelihoods[:, :, 0], torch.full((1, 17), 0.8))


def test_joints_go_nearly_all_the_way_to_their_own_nearby_peaks() -> None:
    maps, pose = blank(), person()
    for joint, place in enumerate(pose[0]):
        plant(maps, 0, joint, place)
        plant(maps, 0, joint, place + 5, 0.95)  # likelier, but further away
        plant(maps, 0, joint, place + torch.tensor([1.0, 0.0]), 0.2)  # nearer to the vote, but unlikely
        plant(maps, 0, (joint + 1) % 17, place + 0.7)  # nearer, but of another joint
    voted = pose + torch.tensor([0.6, 0.0])
    moved = snapped([maps], voted) - voted
    assert (moved[..., 0] / -0.6).min() > 0.8
    assert (moved[..., 0] / -0.6).max() < 1
    assert moved[..., 1].abs().max() < 1e-5


@pytest.mark.parametrize(("shift", "likelihood"), [(0.5, 0.04), (6.0, 0.99)], ids=["weak", "far"])
def test_weak_and_far_peaks_attract_no_joint(shift: float, likelihood: float) -> None:
    maps, pose = blank(), person()
    for joint, place in enumerate(pose[0]):
        plant(maps, 0, joint, (place + torch.tensor([shift, 0.0])).clamp(max=COLUMNS / FINER - 1), likelihood)
    torch.testing.assert_close(snapped([maps], pose), pose, atol=0.01, rtol=0)


def test_likelier_peaks_attract_more() -> None:
    pose, moved = person(), []
    for likelihood in (0.1, 0.3, 0.6, 0.99):
        maps = blank()
        for joint, place in enumerate(pose[0]):
            plant(maps, 0, joint, place, likelihood)
        moved.append(float((snapped([maps], pose + 0.5) - pose - 0.5).norm()))
    assert moved == sorted(moved)
    assert moved[0] < 0.6 * moved[-1]


def test_uncertain_votes_look_further_than_certain_ones() -> None:
    maps, pose = blank(), person()
    for joint, place in enumerate(pose[0]):
        plant(maps, 0, joint, place + torch.tensor([3.0, 0.0]))
    certain, uncertain = ((snapped([maps], pose, scale) - pose)[..., 0] for scale in (0.5, 2.0))
    assert certain.max() < 0.5
    assert uncertain.min() > 2


def test_each_image_has_its_own_peaks() -> None:
    maps, pose = blank(2), person()
    for joint, place in enumerate(pose[0]):
        plant(maps, 1, joint, place)
    voted = pose.expand(3, -1, -1) + 0.4
    found = snapped([maps], voted, image_index=torch.tensor([1, 0, 1]))
    torch.testing.assert_close(found[[0, 2]], pose.expand(2, -1, -1), atol=0.1, rtol=0)
    torch.testing.assert_close(found[1], voted[1], atol=1e-3, rtol=0)


def test_peaks_of_a_coarser_level_are_in_cells_of_the_first() -> None:
    fine, coarse, pose = blank(), blank(), person()
    for joint, place in enumerate(pose[0]):
        plant(coarse, 0, joint, place / 2)
    torch.testing.assert_close(snapped([fine, coarse], pose + 0.5), pose, atol=0.1, rtol=0)


def test_peaks_of_maps_that_begin_elsewhere_are_in_cells_of_the_image() -> None:
    maps, pose, origin = blank(), person(), torch.tensor([10, 4])
    for joint, place in enumerate(pose[0]):
        plant(maps, 0, joint, place)
    extent, scales = Extent(origin, origin.float(), torch.full((2,), torch.inf)), torch.full((1, 17), 0.7).log()
    moved = snap_to_keypoints([maps], pose + origin + 0.5, scales, IMAGE, extent)
    torch.testing.assert_close(moved, snapped([maps], pose + 0.5) + origin)


def test_no_gradient_passes_through_the_peaks() -> None:
    maps, pose = blank(), person().requires_grad_()
    snapped([maps], pose).sum().backward()
    assert pose.grad is not None
    assert (pose.grad == 1).all()


def test_no_people_and_the_smallest_of_maps_are_bearable() -> None:
    assert snapped([blank()], torch.zeros(0, 17, 2), image_index=IMAGE[:0]).shape == (0, 17, 2)
    maps, pose = KeypointMaps(torch.full((1, 17, 2, 2), -8.0), torch.zeros(1, 17, 2, 2, 2)), person()
    assert torch.equal(snapped([maps], pose), pose)


class Snap(nn.Module):
    def forward(
        self, logits: Tensor, offsets: Tensor, poses: Tensor, log_scales: Tensor, image_index: Tensor
    ) -> Tensor:
        return snap_to_keypoints([KeypointMaps(logits, offsets)], poses, log_scales, image_index)


@pytest.mark.filterwarnings("ignore")
def test_joints_go_to_the_same_peaks_in_onnx(tmp_path: Path) -> None:
    names, path = ["logits", "offsets", "poses", "log_scales", "image_index"], tmp_path / "snap.onnx"

    def inputs(images: int, height: int, width: int, people: int) -> tuple[Tensor, ...]:
        torch.manual_seed(height)
        logits, offsets = torch.randn(images, 5, height, width) * 3, torch.rand(images, 5, 2, height, width) - 0.5
        poses = torch.rand(people, 5, 2) * torch.tensor([width / FINER, height / FINER])
        return logits, offsets, poses, torch.rand(people, 5), torch.randint(images, (people,))

    torch.onnx.export(
        Snap(),
        inputs(1, 24, 32, 3),
        str(path),
        opset_version=17,
        dynamo=False,
        input_names=names,
        dynamic_axes={
            "logits": {0: "batch", 2: "rows", 3: "columns"},
            "offsets": {0: "batch", 3: "rows", 4: "columns"},
            "poses": {0: "people"},
            "log_scales": {0: "people"},
            "image_index": {0: "people"},
        },
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for shape in ((1, 24, 32, 3), (3, 40, 16, 9), (2, 4, 4, 2), (2, 16, 16, 0)):
        values = inputs(*shape)
        wanted = Snap()(*values)
        (found,) = session.run(None, {name: x.numpy() for name, x in zip(names, values, strict=True)})
        np.testing.assert_allclose(found, wanted, atol=1e-4)
        assert not len(wanted) or ((wanted - values[2]).abs() > 0.1).float().mean() > 0.3
