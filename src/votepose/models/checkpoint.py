"""Weights files: safetensors that say what they are, so that they never depend on what a preset says today.

Format 6 holds, as JSON beside the tensors, network, grouping, pyramid levels, input size, skeleton and calibration.
Format 5 is still read (see `format_5`).
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
_HINT = "a weights file is written by `votepose train` (weights.safetensors)"


@dataclass(frozen=True)
class Metadata:
    """What a weights file says of itself.

    Attributes:
        preset: name of the preset that it was trained from.
        network: its parts.
        grouping: how its votes become people.
        levels: of the image pyramid.
        input_size: longest side of the network input, in pixels; a multiple of 32.
        skeleton: of its K keypoints.
        calibration: of its confidences.

    Raises:
        ValueError: if a value is out of range, or they do not go together.
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
        """Of a network of this preset."""
        return cls(name, preset.network, preset.grouping, preset.levels, preset.input_size, skeleton)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` reads it."""
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
    """Write fp16 weights with their metadata; the file appears whole or not at all.

    Raises:
        ValueError: if the metadata is of another network.
    """
    if metadata.network != network.config:
        raise ValueError(f"the metadata describes {metadata.network}, not {network.config}")
    tensors = {
        name: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.cpu()
        for name, value in network.state_dict().items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"format": _FORMAT, "votepose": json.dumps(metadata.to_dict())})
        temporary.chmod(0o644)  # safetensors makes files that only their owner may read


def read_metadata(path: Path) -> Metadata:
    """What a weights file says of itself.

    Raises:
        VoteposeError: if the file is missing, truncated or not one of ours.
    """
    return _read(path)[1]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, by the names that `PoseNet` has for them.

    Raises:
        VoteposeError: if the file is missing, truncated or not one of ours.
    """
    form, _ = _read(path)
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    return {format_5.upgraded_key(name): x for name, x in tensors.items()} if form == "5" else tensors


def _read(path: Path) -> tuple[str, Metadata]:
    """Format and metadata."""
    if not path.is_file():
        raise VoteposeError(f"{path}: there is no such weights file")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise VoteposeError(f"{path}: not a readable safetensors file ({one_line(error)}); {_HINT}") from None
    if "votepose" not in header:
        raise VoteposeError(f"{path}: a safetensors file, but not of votepose; {_HINT}")
    form = header.get("format", "")
    if form not in ("5", _FORMAT):
        raise VoteposeError(f"{path}: weights of format {form or 'unknown'}, this version reads 5 and {_FORMAT}")
    try:
        values = json.loads(header["votepose"])
        values = format_5.upgraded(values) if form == "5" else values
        NetworkConfig(**values["network"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise VoteposeError(f"{path}: weights of a network that this version of votepose does not know") from None
    try:
        return form, Metadata.from_dict(values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise VoteposeError(f"{path}: its description of the network cannot be used: {reason}") from None


def load_network(path: Path) -> tuple[PoseNet, Metadata]:
    """The network that a weights file describes, with its weights, in eval mode; and the file's metadata.

    Raises:
        VoteposeError: if the file is missing, truncated or not one of ours, or the network that it describes cannot be
            built.
    """
    metadata = read_metadata(path)
    try:
        network = PoseNet(metadata.network)
    except Exception as error:  # what impossible numbers raise depends on the layer that they reach
        raise VoteposeError(f"{path}: describes a network that cannot be built ({one_line(error)})") from error
    load_into(network, path)
    return network.eval(), metadata


def load_into(network: PoseNet, path: Path, skeleton: Skeleton | None = None) -> None:
    """Load weights into a network of the same architecture, and skeleton if one is given; all of them or none.

    Raises:
        VoteposeError: if the file is of another architecture or skeleton, or its numbers cannot be used.
    """
    metadata = read_metadata(path)
    require_same_network(path, metadata, network.config)
    if skeleton is not None:
        _require_same_skeleton(path, metadata.skeleton, skeleton)
    wanted = network.state_dict()
    state = read_whole(path, wanted)
    network.load_state_dict({k: v.to(wanted[k].dtype) if isinstance(v, torch.Tensor) else v for k, v in state.items()})


def read_whole(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As `read_tensors`; raises VoteposeError unless names and shapes are as `wanted`, and the numbers finite."""
    state = read_tensors(path)
    wrong = [name for name in wanted if name not in state or state[name].shape != wanted[name].shape]
    if wrong or len(state) != len(wanted):
        raise VoteposeError(f"{path}: incomplete or foreign weights ({len(wrong)} tensors missing or of another shape)")
    if not all(value.isfinite().all() for value in state.values() if value.is_floating_point()):
        raise VoteposeError(f"{path}: holds numbers that are not finite; its training diverged")
    return state


def require_same_network(path: Path, metadata: Metadata, ours: NetworkConfig) -> None:
    """Raises VoteposeError unless the weights are of this architecture."""
    theirs = metadata.network
    differing = [f.name for f in fields(ours) if getattr(theirs, f.name) != getattr(ours, f.name)]
    if differing:
        listed = ", ".join(f"{name} {getattr(theirs, name)} (wanted {getattr(ours, name)})" for name in differing)
        raise VoteposeError(f"{path}: weights of another network (preset {metadata.preset}): {listed}")


def _require_same_skeleton(path: Path, known: Skeleton, skeleton: Skeleton) -> None:
    if known.names != skeleton.names:
        pairs = zip(known.names, skeleton.names, strict=True)
        their_name, our_name = next(pair for pair in pairs if pair[0] != pair[1])
        raise VoteposeError(
            f"{path}: weights of another skeleton (of a {known.category}): {their_name!r} where the data have "
            f"{our_name!r}"
        )
