"""Weights files: what is written comes back, and what does not fit leaves the network as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from helpers import fake_model, tiny
from votepose.errors import VoteposeError
from votepose.grouping import GroupingConfig
from votepose.inference.weights import BUNDLED_SAFETENSORS
from votepose.models.calibration import Calibration, Curve
from votepose.models.checkpoint import (
    _FORMAT,
    load_into,
    load_network,
    read_metadata,
    read_tensors,
    save_weights,
)
from votepose.models.loading import load_estimator
from votepose.models.posenet import PoseNet
from votepose.models.presets import preset
from votepose.skeleton import COCO_17, Skeleton
from votepose.utils.old_names import NETWORK_FIELDS, TENSORS


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return tiny.write_weights(tmp_path / "weights.safetensors")


def state(network: PoseNet) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_what_was_saved_comes_back_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = PoseNet(tiny.NETWORK)
    written = replace(tiny.metadata(size=96), levels=2, grouping=GroupingConfig(threshold=0.25))
    save_weights(tmp_path / "a.safetensors", network, written)
    loaded, metadata = load_network(tmp_path / "a.safetensors")
    assert not loaded.training
    assert loaded.config == network.config
    assert metadata == written
    assert (metadata.preset, metadata.input_size, metadata.skeleton) == ("movenet", 96, COCO_17)
    again = loaded.state_dict()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again[name], value.half().to(value.dtype))


def test_saving_what_was_loaded_changes_nothing(weights: Path, tmp_path: Path) -> None:
    network, metadata = load_network(weights)
    save_weights(tmp_path / "again.safetensors", network, metadata)
    assert {p.name for p in tmp_path.iterdir()} == {"weights.safetensors", "again.safetensors"}  # no temporary
    again = load_file(tmp_path / "again.safetensors")
    for name, value in load_file(weights).items():
        assert torch.equal(again[name], value)
    assert read_metadata(tmp_path / "again.safetensors") == metadata


def test_other_skeletons_come_back(tmp_path: Path) -> None:
    skeleton = Skeleton(("head", "left_paw", "right_paw"), ((0, 1),), (0.1, 0.2, 0.2), "cat")
    network = PoseNet(replace(tiny.NETWORK, keypoints=3, proposals=False))
    save_weights(tmp_path / "cat.safetensors", network, tiny.metadata(network.config, skeleton=skeleton))
    loaded, metadata = load_network(tmp_path / "cat.safetensors")
    assert metadata.skeleton == skeleton
    assert loaded.config.keypoints == 3


def test_a_calibration_comes_back_and_older_files_have_none(weights: Path, tmp_path: Path) -> None:
    calibration = Calibration((Curve(0.5, 1.5, -0.25),) * 17, Curve(2.0, 0.5, 0.125), 1.5)
    network, metadata = load_network(weights)
    save_weights(tmp_path / "c.safetensors", network, replace(metadata, calibration=calibration))
    assert read_metadata(tmp_path / "c.safetensors").calibration == calibration
    rewritten(weights, votepose=json.dumps({k: v for k, v in metadata.to_dict().items() if k != "calibration"}))
    assert load_estimator(weights)[0].calibration == Calibration()


def test_an_estimator_is_what_its_file_says_whatever_the_preset(tmp_path: Path) -> None:
    metadata = replace(tiny.metadata(), levels=2, grouping=GroupingConfig(threshold=0.25, candidates=7))
    save_weights(tmp_path / "w.safetensors", PoseNet(tiny.NETWORK), metadata)
    estimator, _ = load_estimator(tmp_path / "w.safetensors")
    assert (estimator.levels, estimator.config) == (2, metadata.grouping)


def test_metadata_of_another_network_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="describes"):
        save_weights(tmp_path / "w.safetensors", PoseNet(tiny.NETWORK), tiny.metadata(replace(tiny.NETWORK, width=64)))
    assert not list(tmp_path.iterdir())


def test_the_bundled_file_is_of_the_preset() -> None:
    metadata = read_metadata(BUNDLED_SAFETENSORS)
    assert (metadata.preset, metadata.levels, metadata.input_size) == ("movenet", 2, 640)
    assert metadata.network == preset("movenet").network
    assert metadata.grouping == GroupingConfig()
    assert set(read_tensors(BUNDLED_SAFETENSORS)) == set(PoseNet(metadata.network).state_dict())


def test_a_file_of_format_5_is_read_in_the_terms_of_format_6(tmp_path: Path) -> None:
    network = PoseNet(replace(tiny.NETWORK, sparse_memory=True)).half()
    old_fields = {new: old for old, new in NETWORK_FIELDS.items()}
    later = {"sparse_memory", "keypoint_maps", "focus", "fine_refiner"}
    fields = {old_fields.get(k, k): v for k, v in asdict(network.config).items() if k not in later}
    metadata = {"preset": "movenet", "network": fields, "input_size": 96, "skeleton": COCO_17.to_coco_category()}
    # A name's prefixes, the longest first: "pointer.trust", not "pointer.", is that of the logit's weight.
    by_prefix = sorted(((new, old) for old, new in TENSORS.items()), key=lambda pair: -len(pair[0]))

    def old_name(name: str) -> str:
        new, old = next(((n, o) for n, o in by_prefix if name.startswith(n)), ("", ""))
        return old + name.removeprefix(new)

    tensors = {old_name(name): value.contiguous() for name, value in network.state_dict().items()}
    assert {"pointer", "second_look"} <= {name.split(".")[0] for name in tensors}
    save_file(tensors, tmp_path / "5.safetensors", {"format": "5", "votepose": json.dumps(metadata)})
    loaded, found = load_network(tmp_path / "5.safetensors")
    assert (found.network, found.levels, found.grouping) == (network.config, 2, GroupingConfig())
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name].half(), value.half()), name


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
    header = {"format": _FORMAT, "votepose": json.dumps(as_json(path)), **metadata}
    save_file(load_file(path) if tensors is None else tensors, path, metadata=header)


def as_json(path: Path) -> dict[str, Any]:
    return read_metadata(path).to_dict()


def of_another_format(path: Path) -> None:
    rewritten(path, format="0")


def of_unknown_network(path: Path) -> None:
    rewritten(path, votepose=json.dumps({"preset": "x", "network": {"backbone": "movenet", "wings": 2}}))


def of_broken_metadata(path: Path) -> None:
    rewritten(path, votepose="{")


def of_metadata_that_is_a_list(path: Path) -> None:
    rewritten(path, votepose="[1]")


def of_impossible_network(path: Path) -> None:
    values = as_json(path)
    rewritten(path, votepose=json.dumps(values | {"network": values["network"] | {"width": "wide"}}))


def of_unknown_backbone(path: Path) -> None:
    values = as_json(path)
    rewritten(path, votepose=json.dumps(values | {"network": values["network"] | {"backbone": "cloud"}}))


def of_no_levels(path: Path) -> None:
    rewritten(path, votepose=json.dumps(as_json(path) | {"levels": 0}))


def of_unknown_grouping(path: Path) -> None:
    rewritten(path, votepose=json.dumps(as_json(path) | {"grouping": {"magic": 1}}))


def lacking(key: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        rewritten(path, votepose=json.dumps({k: v for k, v in as_json(path).items() if k != key}))

    damage.__name__ = f"lacking_{key}"
    return damage


def of_another_skeleton_than_the_network(path: Path) -> None:
    paws = Skeleton(("left_paw", "right_paw"), (), (0.1, 0.1), "cat").to_coco_category()
    rewritten(path, votepose=json.dumps(as_json(path) | {"skeleton": paws}))


def of_broken_calibration(path: Path) -> None:
    rewritten(path, votepose=json.dumps(as_json(path) | {"calibration": {"joints": [{"rise": -1}]}}))


def of_calibration_of_another_skeleton(path: Path) -> None:
    calibration = Calibration((Curve(),) * 3).to_dict()
    rewritten(path, votepose=json.dumps(as_json(path) | {"calibration": calibration}))


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
    lacking("grouping"),
    lacking("levels"),
    of_no_levels,
    of_unknown_grouping,
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
    for use in (lambda: load_into(network, weights), lambda: load_network(weights)):
        with pytest.raises(VoteposeError) as error:
            use()
        assert "\n" not in str(error.value)
        assert str(weights) in str(error.value)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_weights_of_another_network_are_refused_with_the_difference(weights: Path) -> None:
    network = PoseNet(replace(tiny.NETWORK, width=64, scales=False))
    before = state(network)
    with pytest.raises(VoteposeError) as error:
        load_into(network, weights)
    assert "\n" not in str(error.value)
    assert "try --preset movenet" in str(error.value)
    assert "width 32 (expected 64)" in str(error.value)
    assert "scales True (expected False)" in str(error.value)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_weights_of_another_skeleton_of_as_many_keypoints_are_refused(weights: Path, tmp_path: Path) -> None:
    network = PoseNet(tiny.NETWORK)
    before = state(network)
    paws = Skeleton(("nose", *(f"paw{k}" for k in range(16))), (), (0.1,) * 17, "cat")
    save_weights(tmp_path / "cat.safetensors", network, tiny.metadata(skeleton=paws))
    with pytest.raises(VoteposeError, match="'paw0' where the data have 'left_eye'") as error:
        load_into(network, tmp_path / "cat.safetensors", COCO_17)
    assert "\n" not in str(error.value)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    load_into(network, weights, COCO_17)
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_weights_that_cannot_be_written_are_one_line_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("votepose.models.checkpoint.save_file", fail)
    with pytest.raises(VoteposeError, match=r"w.safetensors: cannot be written \(.*No space left"):
        tiny.write_weights(tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())
