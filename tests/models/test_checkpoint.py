"""Weights files: what is written comes back, and what does not fit leaves the network as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from helpers import fake_model, tiny
from votepose.errors import VoteposeError
from votepose.models import checkpoint as weights_file
from votepose.models.calibration import Calibration, Curve
from votepose.models.checkpoint import _FORMAT, fill, load_network, read_about, save_weights
from votepose.models.loading import load_estimator
from votepose.models.posenet import PoseNet
from votepose.skeleton import COCO_17, Skeleton


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tiny.write_weights(tmp_path / "weights.safetensors")


def state(network: PoseNet) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_what_was_saved_comes_back_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = PoseNet(tiny.NETWORK)
    save_weights(tmp_path / "a.safetensors", network, "movenet", 96, COCO_17)
    loaded, about = load_network(tmp_path / "a.safetensors")
    assert not loaded.training
    assert loaded.config == network.config
    assert (about["preset"], about["input_size"]) == ("movenet", 96)
    assert Skeleton.from_coco_category(about["skeleton"]) == COCO_17
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value.half().to(value.dtype))


def test_saving_what_was_loaded_changes_nothing(weights: Path, tmp_path: Path) -> None:
    network, about = load_network(weights)
    save_weights(tmp_path / "again.safetensors", network, about["preset"], about["input_size"], COCO_17)
    assert {p.name for p in tmp_path.iterdir()} == {"weights.safetensors", "again.safetensors"}  # no temporary
    again = load_file(tmp_path / "again.safetensors")
    for name, value in load_file(weights).items():
        assert torch.equal(again[name], value)
    assert read_about(tmp_path / "again.safetensors") == about


def test_other_skeletons_come_back(tmp_path: Path) -> None:
    skeleton = Skeleton(("head", "left_paw", "right_paw"), ((0, 1),), (0.1, 0.2, 0.2), "cat")
    network = PoseNet(replace(tiny.NETWORK, keypoints=3, prior=False))
    save_weights(tmp_path / "cat.safetensors", network, "movenet", 96, skeleton)
    loaded, about = load_network(tmp_path / "cat.safetensors")
    assert Skeleton.from_coco_category(about["skeleton"]) == skeleton
    assert loaded.config.keypoints == 3


def test_a_calibration_comes_back_and_older_files_have_none(weights: Path, tmp_path: Path) -> None:
    calibration = Calibration((Curve(0.5, 1.5, -0.25),) * 17, Curve(2.0, 0.5, 0.125), 1.5)
    network, about = load_network(weights)
    save_weights(tmp_path / "c.safetensors", network, about["preset"], about["input_size"], COCO_17, calibration)
    assert Calibration.from_dict(read_about(tmp_path / "c.safetensors")["calibration"], 17) == calibration
    del about["calibration"]
    rewritten(weights, votepose=json.dumps(about))
    assert "calibration" not in read_about(weights)
    assert load_estimator(weights)[0].calibration == Calibration()


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def beheaded(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def text(path: Path) -> None:
    path.write_text("these are no weights")


def missing(path: Path) -> None:
    path.unlink()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def foreign(path: Path) -> None:
    save_file({"layer.weight": torch.zeros(3)}, path)


def rewritten(path: Path, tensors: dict[str, Tensor] | None = None, **metadata: str) -> None:
    about = {"format": _FORMAT, "votepose": json.dumps(read_about(path)), **metadata}
    save_file(load_file(path) if tensors is None else tensors, path, metadata=about)


def of_another_format(path: Path) -> None:
    rewritten(path, format="0")


def of_unknown_network(path: Path) -> None:
    rewritten(path, votepose=json.dumps({"preset": "x", "network": {"backbone": "movenet", "wings": 2}}))


def of_broken_metadata(path: Path) -> None:
    rewritten(path, votepose="{")


def of_metadata_that_is_a_list(path: Path) -> None:
    rewritten(path, votepose="[1]")


def of_impossible_network(path: Path) -> None:
    about = read_about(path)
    rewritten(path, votepose=json.dumps(about | {"network": about["network"] | {"width": "wide"}}))


def of_unknown_backbone(path: Path) -> None:
    about = read_about(path)
    rewritten(path, votepose=json.dumps(about | {"network": about["network"] | {"backbone": "cloud"}}))


def lacking(key: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        rewritten(path, votepose=json.dumps({k: v for k, v in read_about(path).items() if k != key}))

    damage.__name__ = f"lacking_{key}"
    return damage


def of_another_skeleton_than_the_network(path: Path) -> None:
    paws = Skeleton(("left_paw", "right_paw"), (), (0.1, 0.1), "cat").to_coco_category()
    rewritten(path, votepose=json.dumps(read_about(path) | {"skeleton": paws}))


def of_broken_calibration(path: Path) -> None:
    rewritten(path, votepose=json.dumps(read_about(path) | {"calibration": {"joints": [{"rise": -1}]}}))


def of_calibration_of_another_skeleton(path: Path) -> None:
    calibration = Calibration((Curve(),) * 3).to_dict()
    rewritten(path, votepose=json.dumps(read_about(path) | {"calibration": calibration}))


def of_lightning(path: Path) -> None:
    torch.save({"state_dict": {}, "epoch": 1, "pytorch-lightning_version": "2.5"}, path)


def of_onnx(path: Path) -> None:
    fake_model.save_fake_model(path)


def lacking_a_tensor(path: Path) -> None:
    tensors = load_file(path)
    tensors.pop("norm.weight")
    rewritten(path, tensors)


def with_a_tensor_too_many(path: Path) -> None:
    rewritten(path, load_file(path) | {"wings": torch.zeros(2)})


def that_diverged(path: Path) -> None:
    rewritten(path, {k: v * torch.nan if k == "norm.weight" else v for k, v in load_file(path).items()})


def of_another_shape(path: Path) -> None:
    rewritten(path, load_file(path) | {"norm.weight": torch.zeros(2)})


BROKEN = [
    truncated,
    beheaded,
    text,
    missing,
    folder,
    foreign,
    of_another_format,
    of_unknown_network,
    of_broken_metadata,
    of_metadata_that_is_a_list,
    of_impossible_network,
    of_unknown_backbone,
    lacking("preset"),
    lacking("input_size"),
    lacking("skeleton"),
    lacking("network"),
    of_another_skeleton_than_the_network,
    of_broken_calibration,
    of_calibration_of_another_skeleton,
    of_lightning,
    of_onnx,
    lacking_a_tensor,
    with_a_tensor_too_many,
    of_another_shape,
    that_diverged,
]


@pytest.mark.parametrize("damage", BROKEN, ids=lambda damage: damage.__name__)
def test_a_file_that_will_not_do_is_one_line_and_changes_nothing(weights: Path, damage: Callable[[Path], None]) -> None:
    torch.manual_seed(2)
    network = PoseNet(tiny.NETWORK)
    before = state(network)
    damage(weights)
    for use in (lambda: fill(network, weights), lambda: load_network(weights)):
        with pytest.raises(VoteposeError) as error:
            use()
        assert "\n" not in str(error.value)
        assert str(weights) in str(error.value)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_bundled_weights_that_are_not_installed_are_told_where_to_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights_file.named(Path("bundled")) == weights_file.named(None) == weights_file.BUNDLED_WEIGHTS
    assert weights_file.named(tmp_path / "mine") == tmp_path / "mine"
    monkeypatch.setattr(weights_file, "BUNDLED_WEIGHTS", tmp_path / "votepose.safetensors")
    with pytest.raises(VoteposeError, match=r"no such weights file \(.*pip install -e"):
        read_about(weights_file.named(None))
    with pytest.raises(VoteposeError, match=r"no such weights file$"):
        read_about(tmp_path / "other.safetensors")


def test_weights_of_another_network_are_refused_with_the_difference(weights: Path) -> None:
    network = PoseNet(replace(tiny.NETWORK, width=64, scales=False))
    before = state(network)
    with pytest.raises(VoteposeError) as error:
        fill(network, weights)
    assert "\n" not in str(error.value)
    assert "preset movenet" in str(error.value)
    assert "width 32 (wanted 64)" in str(error.value)
    assert "scales True (wanted False)" in str(error.value)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_weights_of_another_skeleton_of_as_many_keypoints_are_refused(weights: Path, tmp_path: Path) -> None:
    network = PoseNet(tiny.NETWORK)
    before = state(network)
    paws = Skeleton(("nose", *(f"paw{k}" for k in range(16))), (), (0.1,) * 17, "cat")
    save_weights(tmp_path / "cat.safetensors", network, "movenet", 96, paws)
    with pytest.raises(VoteposeError, match="'paw0' where the data have 'left_eye'") as error:
        fill(network, tmp_path / "cat.safetensors", COCO_17)
    assert "\n" not in str(error.value)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    fill(network, weights, COCO_17)
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())
