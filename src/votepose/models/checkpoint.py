"""Weights files: self-describing safetensors that do not depend on the current definition of a preset.

Format 6 stores network, grouping, pyramid levels, input size, skeleton and calibration as JSON beside the tensors.
Format 5 can still be read (see `format_5`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from votepose.errors import VoteposeError, one_line
from votepose.grouping import GroupingConfig
from votepose.io.files import replacing
from votepose.letterbox import MULTIPLE
from votepose.models import format_5
from votepose.models.calibration import Calibration
from votepose.models.config import NetworkConfig
from votepose.models.posenet import PoseNet
from votepose.models.presets import Preset
from votepose.skeleton import Skeleton

_FORMAT = "6"
_HINT = "weights files are written by `votepose train` (weights.safetensors)"


@dataclass(frozen=True)
class Metadata:
    """The metadata of a weights file.

    Attributes:
        preset: name of the preset that was trained.
        network: configuration of the network.
        grouping: options of the grouping.
        levels: number of image pyramid levels.
        input_size: longest side of the network input, in pixels; a multiple of 32.
        skeleton: skeleton of its K keypoints.
        calibration: calibration of its confidences.

    Raises:
        ValueError: if a value is out of range, or the values are inconsistent.
    """

    preset: str
    network: NetworkConfig
    grouping: GroupingConfig
    levels: int
    input_size: int
    skeleton: Skeleton
    calibration: Calibration = Calibration()

    def __post_init__(self) -> None:
        size, keypoints = self.input_size, self.network.keypoints
        if not isinstance(self.preset, str) or not isinstance(size, int) or size < MULTIPLE or size % MULTIPLE:
            raise ValueError(f"preset {self.preset!r}, input size {size!r}")
        if not isinstance(self.levels, int) or self.levels < 1:
            raise ValueError(f"{self.levels!r} levels")
        if len(self.skeleton) != keypoints:
            raise ValueError(f"{keypoints} keypoints, but a skeleton of {len(self.skeleton)}")

    @classmethod
    def of(cls, name: str, preset: Preset, skeleton: Skeleton) -> Metadata:
        """The metadata of a network with this preset."""
        return cls(name, preset.network, preset.grouping, preset.levels, preset.input_size, skeleton)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able dict, which `from_dict` reads."""
        return {
            "preset": self.preset,
            "network": asdict(self.network),
            "grouping": asdict(self.grouping),
            "levels": self.levels,
            "input_size": self.input_size,
            "skeleton": self.skeleton.to_coco_category(),
            "calibration": self.calibration.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Metadata:
        """The inverse of `to_dict`. Raises ValueError, TypeError, KeyError or AttributeError for anything else."""
        network = NetworkConfig(**values["network"])
        return cls(
            values["preset"],
            network,
            GroupingConfig(**values["grouping"]),
            values["levels"],
            values["input_size"],
            Skeleton.from_coco_category(values["skeleton"]),
            Calibration.from_dict(values.get("calibration"), network.keypoints),
        )


def save_weights(path: Path, network: PoseNet, metadata: Metadata) -> None:
    """Write fp16 weights with their metadata, atomically.

    Raises:
        ValueError: if the metadata describes another network.
        VoteposeError: if the file cannot be written.
    """
    if metadata.network != network.config:
        raise ValueError(f"the metadata describes {metadata.network}, not {network.config}")
    tensors = {
        name: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.cpu()
        for name, value in network.state_dict().items()
    }
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"format": _FORMAT, "votepose": json.dumps(metadata.to_dict())})
        except SafetensorError as error:
            raise VoteposeError(f"{path}: cannot be written ({one_line(error)})") from error
        temporary.chmod(0o644)  # safetensors creates files that only the owner can read


def read_metadata(path: Path) -> Metadata:
    """The metadata of a weights file.

    Raises:
        VoteposeError: if the file is missing, truncated or not from votepose.
    """
    return _read(path)[1]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file, by their names in `PoseNet`.

    Raises:
        VoteposeError: if the file is missing, truncated or not from votepose.
    """
    form, _ = _read(path)
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    return {format_5.upgraded_key(name): x for name, x in tensors.items()} if form == "5" else tensors


def _read(path: Path) -> tuple[str, Metadata]:
    """The format and the metadata."""
    if not path.is_file():
        raise VoteposeError(f"{path}: no such weights file")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise VoteposeError(f"{path}: not a readable safetensors file ({one_line(error)}); {_HINT}") from None
    if "votepose" not in header:
        raise VoteposeError(f"{path}: a safetensors file, but not from votepose; {_HINT}")
    form = header.get("format", "")
    if form not in ("5", _FORMAT):
        raise VoteposeError(f"{path}: weights of format {form or 'unknown'}; this version reads 5 and {_FORMAT}")
    try:
        values = json.loads(header["votepose"])
        values = format_5.upgraded(values) if form == "5" else values
        NetworkConfig(**values["network"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise VoteposeError(f"{path}: weights of a network that this version of votepose does not support") from None
    try:
        return form, Metadata.from_dict(values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise VoteposeError(f"{path}: invalid description of the network: {reason}") from None


def load_network(path: Path) -> tuple[PoseNet, Metadata]:
    """Load the network of a weights file, in eval mode, and the file's metadata.

    Raises:
        VoteposeError: if the file is missing, truncated or not from votepose, or its network cannot be built.
    """
    metadata = read_metadata(path)
    try:
        network = PoseNet(metadata.network)
    except Exception as error:  # the exception for invalid sizes depends on the layer
        raise VoteposeError(f"{path}: describes a network that cannot be built ({one_line(error)})") from error
    load_into(network, path)
    return network.eval(), metadata


def load_into(network: PoseNet, path: Path, skeleton: Skeleton | None = None) -> None:
    """Load all weights into a network of the same architecture and, if given, the same skeleton.

    Raises:
        VoteposeError: if the file has another architecture or skeleton, or values that are not finite; nothing is
            loaded then.
    """
    metadata = read_metadata(path)
    require_same_network(path, metadata, network.config)
    if skeleton is not None:
        _require_same_skeleton(path, metadata.skeleton, skeleton)
    wanted = network.state_dict()
    state = read_whole(path, wanted)
    network.load_state_dict({k: v.to(wanted[k].dtype) if isinstance(v, torch.Tensor) else v for k, v in state.items()})


def read_whole(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As `read_tensors`; raises VoteposeError unless names and shapes match `wanted` and all values are finite."""
    state = read_tensors(path)
    wrong = [name for name in wanted if name not in state or state[name].shape != wanted[name].shape]
    if wrong or len(state) != len(wanted):
        raise VoteposeError(f"{path}: incomplete or other weights ({len(wrong)} tensors missing or of another shape)")
    if not all(value.isfinite().all() for value in state.values() if value.is_floating_point()):
        raise VoteposeError(f"{path}: contains values that are not finite; the training diverged")
    return state


def require_same_network(path: Path, metadata: Metadata, ours: NetworkConfig) -> None:
    """Raise VoteposeError unless the weights have this architecture."""
    theirs = metadata.network
    differing = [f.name for f in fields(ours) if getattr(theirs, f.name) != getattr(ours, f.name)]
    if differing:
        listed = ", ".join(f"{name} {getattr(theirs, name)} (expected {getattr(ours, name)})" for name in differing)
        raise VoteposeError(f"{path}: weights of another network (try --preset {metadata.preset}): {listed}")


def _require_same_skeleton(path: Path, known: Skeleton, skeleton: Skeleton) -> None:
    if known.names != skeleton.names:
        pairs = zip(known.names, skeleton.names, strict=True)
        their_name, our_name = next(pair for pair in pairs if pair[0] != pair[1])
        raise VoteposeError(
            f"{path}: weights of another skeleton (of a {known.category}): {their_name!r} where the data have "
            f"{our_name!r}"
        )
