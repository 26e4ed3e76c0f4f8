"""Initialises a network from weights for another skeleton, with all layers that do not depend on the joints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from votepose.models.checkpoint import Metadata, load_into, read_metadata, read_whole, require_same_network
from votepose.models.config import NetworkConfig
from votepose.models.posenet import PoseNet
from votepose.skeleton import Skeleton

_NORM = re.compile(r"refiner\.norms\.(\d+)\.(.*)")  # one per map; the context's is last
_HEADS = {"keypoint_maps": "keypoint maps", "focus": "focus head"}  # optional heads, as fields of `NetworkConfig`
_FINE_REFINER = "fine_refiner"  # further inputs of the refiner, as a field of `NetworkConfig`
_POSE_PRIOR = "refiner.pose_prior_weight"  # reset together with the refiner's distributions


def start_from(network: PoseNet, path: Path, skeleton: Skeleton) -> str:
    """Load weights into a network for this skeleton; the weights may be for another.

    From weights for another skeleton, all layers that do not depend on the joints are kept. Pose proposals and the
    auxiliary backbone are dropped, since they only support COCO's 17 keypoints.

    If weights for the same skeleton lack the keypoint maps, the focus head or the refiner's fine inputs, or have
    different ones, the network's are newly initialised.

    Returns:
        A line about the layers that were kept and those that are newly initialised; empty if all were kept.

    Raises:
        VoteposeError: if the file cannot be used, or its architecture differs in other parts.
    """
    metadata = read_metadata(path)
    ours, theirs = network.config, metadata.network
    if metadata.skeleton.names == skeleton.names:
        differing_parts = [name for name in (*_HEADS, _FINE_REFINER) if getattr(ours, name) != getattr(theirs, name)]
        if differing_parts:
            return _without(differing_parts, network, path, metadata)
        load_into(network, path, skeleton)
        return ""
    differing = replace(ours, keypoints=theirs.keypoints, proposals=theirs.proposals, aux_backbone=theirs.aux_backbone)
    differing = replace(
        differing, keypoint_maps=theirs.keypoint_maps, focus=theirs.focus, fine_refiner=theirs.fine_refiner
    )
    require_same_network(path, metadata, differing)
    state = network.state_dict()
    given = _with_names_of(state, read_whole(path, _shapes(theirs)))
    columns = _columns_without_joints(ours)
    if ours.proposals != theirs.proposals:  # presence starts from another level
        columns |= {name: 0 for name, x in state.items() if name.startswith("presence.") and x.shape[:1] == (1,)}
    taken: dict[str, Tensor] = {}
    for name, value in state.items():
        count = columns.get(name, value.shape[1] if value.dim() > 1 else 1)
        if count and name in given and _same_outputs(given[name], value):
            taken[name] = _first_columns(given[name], value, count)
    network.load_state_dict(state | taken)
    anew = [name for name in state if name not in taken or name in columns]
    return _line(path, (metadata.skeleton, skeleton), taken, anew, sorted(_parts(given) - _parts(state)))


def _without(parts: Sequence[str], network: PoseNet, path: Path, metadata: Metadata) -> str:
    """Load the weights into all but these parts, which differ; returns a line that says so."""
    theirs = {part: getattr(metadata.network, part) for part in parts}
    require_same_network(path, metadata, replace(network.config, **theirs))
    state = network.state_dict()
    given = _with_names_of(state, read_whole(path, _shapes(metadata.network)))
    taken = {
        name: x.to(state[name].dtype) for name, x in given.items() if name in state and name.split(".")[0] not in parts
    }
    network.load_state_dict(state | taken)
    remarks = []
    if _FINE_REFINER in parts:
        fine = network.config.fine_refiner
        remarks.append(
            "its refiner lacks the fine maps: their layers newly initialised"
            if fine
            else "the layers of its refiner's fine maps dropped"
        )
    for head in (part for part in parts if part in _HEADS):
        count, ours = theirs[head], getattr(network.config, head)
        remarks.append(f"its {_HEADS[head]} ({count} channels) dropped" if count else f"it has no {_HEADS[head]}")
        if ours:
            remarks.append(f"{_HEADS[head]} ({ours} channels) newly initialised")
    return f"{path}: {'; '.join(remarks)}"


def _line(
    path: Path, skeletons: tuple[Skeleton, Skeleton], taken: Iterable[str], anew: Sequence[str], left: Sequence[str]
) -> str:
    theirs, ours = (f"{one.category} ({len(one)} keypoints)" for one in skeletons)
    in_part = _parts(taken) & _parts(anew)
    layers = dict.fromkeys(
        re.sub(r"\.(weight|bias)$", "", name) if name.split(".")[0] in in_part else name.split(".")[0] for name in anew
    )
    whole, partly = (", ".join(sorted(parts)) for parts in (_parts(taken) - _parts(anew), in_part))
    return (
        f"{path}: weights for {theirs}, used for {ours}: kept: {whole}, and {partly} except the layers that depend on "
        f"the joints; newly initialised: {', '.join(layers)}" + (f"; dropped: {', '.join(left)}" if left else "")
    )


def _columns_without_joints(config: NetworkConfig) -> dict[str, int]:
    """The tensors whose shape depends on the number of joints, and the number of their inputs that do not."""
    plain = replace(config, proposals=False, aux_backbone=False)  # these parts require 17 joints
    state, more = (_shapes(replace(plain, keypoints=k)) for k in (1, 2))
    found = {_POSE_PRIOR: 0}
    for name, value in state.items():
        grown = [after - before for before, after in zip(value.shape, more[name].shape, strict=True)]
        if any(grown):
            found[name] = 0 if grown[0] else value.shape[1] - grown[1]
    return found


def _shapes(config: NetworkConfig) -> dict[str, Tensor]:
    """The tensors of a network with this configuration, without values."""
    with torch.device("meta"):
        return PoseNet(config).state_dict()


def _with_names_of(state: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The given tensors, renamed so that the refiner's last norm has the same number as in `state`."""
    theirs, ours = (max((int(m[1]) for m in map(_NORM.fullmatch, x) if m), default=0) for x in (given, state))
    renamed: dict[str, Tensor] = {}
    for name, value in given.items():
        match = _NORM.fullmatch(name)
        if match and int(match[1]) == theirs:
            renamed[f"refiner.norms.{ours}.{match[2]}"] = value
        elif not match or int(match[1]) != ours:
            renamed[name] = value
    return renamed


def _same_outputs(given: Tensor, value: Tensor) -> bool:
    """Whether the shapes are equal except for the number of inputs, which the auxiliary backbone and the joints add
    to."""
    return given.dim() == value.dim() and given.shape[:1] + given.shape[2:] == value.shape[:1] + value.shape[2:]


def _first_columns(given: Tensor, fresh: Tensor, count: int) -> Tensor:
    """`fresh` with the first `count` inputs of `given`; the backbone's inputs come first."""
    if fresh.dim() < 2:
        return given.to(fresh.dtype)
    count = min(count, given.shape[1], fresh.shape[1])
    mixed = fresh.clone()
    mixed[:, :count] = given[:, :count].to(fresh.dtype)
    return mixed


def _parts(names: Iterable[str]) -> set[str]:
    return {name.split(".")[0] for name in names}
