"""Weights of another skeleton: what does not depend on the joints is taken over, the rest stays as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from helpers import tiny
from votepose.errors import VoteposeError
from votepose.inference.weights import BUNDLED_SAFETENSORS
from votepose.models.checkpoint import Metadata, read_tensors, save_weights
from votepose.models.config import NetworkConfig
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset, preset
from votepose.models.transfer import start_from
from votepose.skeleton import COCO_17, Skeleton

FIVE = Skeleton(("wrist", "left_a", "right_a", "left_b", "right_b"), (), (0.1,) * 5, "hand")
ANIMAL = Skeleton(tuple(f"joint_{k}" for k in range(17)), (), (0.1,) * 17, "cow")
PLAIN = replace(tiny.NETWORK, proposals=False)
JOINTS = ("vector.2.", "refiner.joint_embedding", "refiner.heat.", "refiner.sharpen.direct.", "refiner.sharpen.heat.")


def network_for(skeleton: Skeleton, config: NetworkConfig = PLAIN) -> PoseNet:
    torch.manual_seed(3)
    return PoseNet(replace(config, keypoints=len(skeleton)))


@pytest.mark.parametrize("skeleton", [FIVE, ANIMAL], ids=["other number", "same number"])
def test_layers_of_the_joints_start_anew_and_all_others_are_taken_over(tmp_path: Path, skeleton: Skeleton) -> None:
    weights, network = tiny.write_weights(tmp_path / "w.safetensors"), network_for(skeleton)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    line = start_from(network, weights, skeleton)
    given, after = read_tensors(weights), network.state_dict()
    for name, value in after.items():
        if name.startswith((*JOINTS, "refiner.pose_prior", "presence.heads")):
            assert torch.equal(value, before[name]), name
        elif name == "refiner.stem.0.0.weight":  # features first, then the drawn pose
            assert torch.equal(value[:, :128], given[name][:, :128].float())
            assert torch.equal(value[:, 128:], before[name][:, 128:])
        else:
            assert torch.equal(value, given[name].to(value.dtype)), name
    assert f"{skeleton.category} ({len(skeleton)} keypoints)" in line
    assert "kept: backbone, norm, project, transformer, and presence, refiner, vector except" in line
    assert line.endswith("dropped: proposal_attention")
    assert "\n" not in line


def test_weights_of_the_same_skeleton_are_loaded_whole(tmp_path: Path) -> None:
    weights, network = tiny.write_weights(tmp_path / "w.safetensors"), PoseNet(tiny.NETWORK)
    assert start_from(network, weights, COCO_17) == ""
    state = network.state_dict()
    for name, value in read_tensors(weights).items():
        assert torch.equal(state[name], value.to(state[name].dtype))


@pytest.mark.parametrize("head", ["keypoint_maps", "focus"])
@pytest.mark.parametrize(("theirs", "ours"), [(0, 6), (6, 0), (6, 4)])
def test_optional_heads_of_another_size_start_anew(tmp_path: Path, head: str, theirs: int, ours: int) -> None:
    torch.manual_seed(1)
    given, path = PoseNet(replace(tiny.NETWORK, **{head: theirs})), tmp_path / "w.safetensors"
    save_weights(path, given, tiny.metadata(given.config))
    network = PoseNet(replace(tiny.NETWORK, **{head: ours}))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    line = start_from(network, path, COCO_17)
    taken = read_tensors(path)
    for name, value in network.state_dict().items():
        wanted = before[name] if name.startswith(f"{head}.") else taken[name].to(value.dtype)
        assert torch.equal(value, wanted), name
    assert ("newly initialised" in line) == bool(ours)
    assert ("dropped" in line) == bool(theirs)
    with pytest.raises(VoteposeError, match=r"another network .*: width 32 \(expected 64\)$"):
        start_from(PoseNet(replace(network.config, width=64)), path, COCO_17)


def test_keypoint_maps_of_another_skeleton_keep_their_hidden_layer(tmp_path: Path) -> None:
    given, path = PoseNet(replace(tiny.NETWORK, keypoint_maps=6)), tmp_path / "w.safetensors"
    save_weights(path, given, tiny.metadata(given.config))
    network = network_for(FIVE, replace(PLAIN, keypoint_maps=6))
    line = start_from(network, path, FIVE)
    state, taken = network.state_dict(), read_tensors(path)
    assert torch.equal(state["keypoint_maps.hidden.0.weight"], taken["keypoint_maps.hidden.0.weight"].float())
    assert "keypoint_maps.out" in line.split("newly initialised: ")[1]
    assert start_from(network_for(FIVE), path, FIVE).endswith("dropped: keypoint_maps, proposal_attention")


def test_a_network_for_people_starts_from_weights_of_a_hand(tmp_path: Path) -> None:
    hand = network_for(FIVE)
    metadata = Metadata.of("movenet", Preset(hand.config, input_size=64), FIVE)
    save_weights(tmp_path / "hand.safetensors", hand, metadata)
    person = PoseNet(tiny.NETWORK)
    line = start_from(person, tmp_path / "hand.safetensors", COCO_17)
    torch.testing.assert_close(person.norm.weight, hand.norm.weight, atol=1e-3, rtol=0)
    assert "proposal_attention" in line.split("newly initialised: ")[1]


def test_the_bundled_weights_lose_only_the_columns_that_read_the_auxiliary_backbone() -> None:
    network = network_for(FIVE, replace(preset("movenet").network, proposals=False, aux_backbone=False))
    line = start_from(network, BUNDLED_SAFETENSORS, FIVE)
    given, state = read_tensors(BUNDLED_SAFETENSORS), network.state_dict()
    assert line.endswith("dropped: aux_backbone, proposal_attention")
    for name in ("refiner.pooled.weight", "refiner.from_middle.0.weight", "refiner.sharpen.fine.weight"):
        assert torch.equal(state[name], given[name][:, : state[name].shape[1]].float())
    assert torch.equal(state["refiner.norms.5.running_var"], given["refiner.norms.7.running_var"].float())  # context
    assert network(torch.zeros(1, 3, 64, 64))[1].poses.isfinite().all()


def test_a_refiner_gets_fine_maps_without_forgetting_anything(tmp_path: Path) -> None:
    config = replace(preset("lite").network, refiner=12, channels=16, width=24, heads=2, hourglass_width=16)
    plain = PoseNet(replace(config, fine_refiner=False)).eval()
    save_weights(tmp_path / "w.safetensors", plain, tiny.metadata(plain.config))
    network = PoseNet(config).eval()
    line = start_from(network, tmp_path / "w.safetensors", COCO_17)
    assert line.endswith("its refiner lacks the fine maps: their layers newly initialised")
    image, poses = torch.rand(1, 3, 64, 64) * 255, 8 * torch.rand(3, 17, 2)
    kappas, index = torch.from_numpy(COCO_17.kappas), torch.zeros(3, dtype=torch.long)
    with torch.no_grad():
        heats = [one.refine([one.encode(image)], poses, index, kappas).heat for one in (plain, network)]
    plain_heat, fine_heat = (heat - heat.mean(dim=(2, 3), keepdim=True) for heat in heats)  # a bias changes nothing
    torch.testing.assert_close(plain_heat, fine_heat, atol=0.05, rtol=0)  # half precision, small weights of a new layer
    save_weights(tmp_path / "fine.safetensors", network, tiny.metadata(network.config))
    assert "fine maps dropped" in start_from(plain, tmp_path / "fine.safetensors", COCO_17)


def test_another_architecture_is_one_line(tmp_path: Path) -> None:
    weights = tiny.write_weights(tmp_path / "w.safetensors")
    with pytest.raises(VoteposeError, match=r"another network .*: width 32 \(expected 64\)$"):
        start_from(network_for(FIVE, replace(PLAIN, width=64)), weights, FIVE)


def test_incomplete_weights_are_one_line(tmp_path: Path) -> None:
    weights = tiny.write_weights(tmp_path / "w.safetensors")
    from safetensors import safe_open

    with safe_open(weights, "pt") as file:
        header = file.metadata()
    save_file({k: v for k, v in load_file(weights).items() if k != "norm.weight"}, weights, metadata=header)
    network = network_for(FIVE)
    before = network.norm.weight.clone()
    with pytest.raises(VoteposeError, match="incomplete or other"):
        start_from(network, weights, FIVE)
    assert torch.equal(network.norm.weight, before)
