"""Weights files: safetensors that carry the configuration of the network they fit."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from votepose.errors import VoteposeError
from votepose.letterbox import MULTIPLE
from votepose.models.calibration import Calibration
from votepose.models.posenet import NetworkConfig, PoseNet
from votepose.skeleton import Skeleton

BUNDLED_WEIGHTS = Path(__file__).parents[1] / "weights" / "votepose.safetensors"
_FORMAT = "5"
_LEFT_OUT = "an installed package leaves it out: clone votepose's repository and pip install -e it"
_HINT = "a weights file is written by `votepose train` (weights.safetensors)"


def save_weights(
    path: Path,
    network: PoseNet,
    preset: str,
    input_size: int,
    skeleton: Skeleton,
    calibration: Calibration = Calibration(),
) -> None:
    """Write fp16 weights with their configuration; the file appears whole or not at all."""
    tensors = {
        k: v.detach().cpu().half().contiguous() if v.is_floating_point() else v.cpu()
        for k, v in network.state_dict().items()
    }
    about = {
        "preset": preset,
        "network": asdict(network.config),
        "input_size": input_size,
        "skeleton": skeleton.to_coco_category(),
        "calibration": calibration.to_dict(),
    }
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={"format": _FORMAT, "votepose": json.dumps(about)})
    temporary.chmod(0o644)  # safetensors makes files that only their owner may read
    os.replace(temporary, path)


def named(weights: Path | None) -> Path:
    """The file that `--weights` names: `bundled`, or nothing, is the package's own."""
    return BUNDLED_WEIGHTS if weights in (None, Path("bundled")) else weights


def read_about(path: Path) -> dict[str, Any]:
    """The configuration in a weights file: preset, network, input_size, skeleton, and calibration but in older files.

    Raises:
        VoteposeError: if the file is missing, truncated or not one of ours.
    """
    if not path.is_file():
        why = f" ({_LEFT_OUT})" if path == BUNDLED_WEIGHTS else ""
        raise VoteposeError(f"{path}: there is no such weights file{why}")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise VoteposeError(f"{path}: not a readable safetensors file ({_first_line(error)}); {_HINT}") from None
    if "votepose" not in metadata:
        raise VoteposeError(f"{path}: a safetensors file, but not of votepose; {_HINT}")
    if metadata.get("format") != _FORMAT:
        raise VoteposeError(f"{path}: weights of format {metadata.get('format')}, this version reads {_FORMAT}")
    try:
        about: dict[str, Any] = json.loads(metadata["votepose"])
        network = NetworkConfig(**about["network"])
    except (ValueError, TypeError, KeyError):
        raise VoteposeError(f"{path}: weights of a network that this version of votepose does not know") from None
    try:
        _check(about, network.keypoints)
    except (ValueError, TypeError, KeyError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise VoteposeError(f"{path}: its description of the network cannot be used: {reason}") from None
    return about


def _check(about: dict[str, Any], keypoints: int) -> None:
    """What is said beside the network; raises ValueError, TypeError or KeyError if it will not do."""
    size, preset = about["input_size"], about["preset"]
    if not isinstance(preset, str) or not isinstance(size, int) or size < MULTIPLE or size % MULTIPLE:
        raise ValueError(f"preset {preset!r}, input size {size!r}")
    skeleton = Skeleton.from_coco_category(about["skeleton"])
    if len(skeleton) != keypoints:
        raise ValueError(f"{keypoints} keypoints, but a skeleton of {len(skeleton)}")
    Calibration.from_dict(about.get("calibration"), keypoints)


def load_network(path: Path) -> tuple[PoseNet, dict[str, Any]]:
    """Build the network that a weights file describes and fill it. Returns it in eval mode, with `read_about`.

    Raises:
        VoteposeError: if the file is missing, truncated or not one of ours, or nothing can be built of what it says.
    """
    about = read_about(path)
    try:
        network = PoseNet(NetworkConfig(**about["network"]))
    except Exception as error:  # what impossible numbers raise depends on the layer that meets them
        raise VoteposeError(f"{path}: describes a network that cannot be built ({_first_line(error)})") from error
    fill(network, path)
    return network.eval(), about


def fill(network: PoseNet, path: Path, skeleton: Skeleton | None = None) -> None:
    """Load weights into a network of the same architecture, and skeleton if one is given; a network is filled whole or
    left as it was.

    Raises:
        VoteposeError: if the file is of another architecture or skeleton, or its numbers cannot be used.
    """
    about = read_about(path)
    theirs, ours = NetworkConfig(**about["network"]), network.config
    differing = [f.name for f in fields(ours) if getattr(theirs, f.name) != getattr(ours, f.name)]
    if differing:
        listed = ", ".join(f"{name} {getattr(theirs, name)} (wanted {getattr(ours, name)})" for name in differing)
        raise VoteposeError(f"{path}: weights of another network (preset {about['preset']}): {listed}")
    known = Skeleton.from_coco_category(about["skeleton"])
    if skeleton is not None and known.names != skeleton.names:
        theirs_first, ours_first = next(
            pair for pair in zip(known.names, skeleton.names, strict=True) if pair[0] != pair[1]
        )
        raise VoteposeError(
            f"{path}: weights of another skeleton (of a {known.category}): {theirs_first!r} where the "
            f"data have {ours_first!r}"
        )
    with safe_open(path, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    wanted = network.state_dict()
    wrong = [name for name in wanted if name not in state or state[name].shape != wanted[name].shape]
    if wrong or len(state) != len(wanted):
        raise VoteposeError(f"{path}: incomplete or foreign weights ({len(wrong)} tensors missing or of another shape)")
    if not all(value.isfinite().all() for value in state.values() if value.is_floating_point()):
        raise VoteposeError(f"{path}: holds numbers that are not finite; its training diverged")
    network.load_state_dict({k: v.to(wanted[k].dtype) if isinstance(v, torch.Tensor) else v for k, v in state.items()})


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
