"""`lite`'s heads in `mobile`, whose F has twice the channels, and whose hourglass and transformer have more layers.

New channels are not read, and new layers add nothing, until they are trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from research.mobile.blocks import flat
from research.mobile.trunk import Readout
from votepose.models.posenet import PoseNet

_TRUNK = "backbone.trunk."
_LAST_PROJECT = "project.2.weight"
_ADDED_TO = ("attention.output.", "mlp.1.2.")  # the last layers of what a transformer layer adds to its input
_PRESENCE_LAST = "transformer.embed_"  # layers that read [F;H]
_READ_F = ("presence.entry.0.", "keypoint_maps.hidden.0.")
_DEEP, _DEEP_NORM, _EPS = "refiner.from_deep.", "refiner.norms.2.", 1e-2


@torch.no_grad()
def carry_over(lite: PoseNet, mobile: PoseNet, readout: Readout, pixels: Sequence[Tensor]) -> None:
    """Set all of `mobile` but its trunk, which is set already.

    Args:
        lite: the trained network.
        mobile: the network to set.
        readout: how its last map gives `lite`'s.
        pixels: batches of images (B, 3, H, W), 0..255, for the norms of channels that `lite` does not have.
    """
    given = {name: value.to(torch.float32) for name, value in lite.state_dict().items()}
    state = mobile.state_dict()
    for name, value in state.items():
        if not name.startswith((_TRUNK, _DEEP_NORM)):
            value.copy_(_extended(name, given.get(_copied_from(name)), value))
    mixing = given[_LAST_PROJECT][:, :, 0, 0]
    channels = len(mixing)
    state[_LAST_PROJECT][:channels] = (mixing @ readout.weights.T)[:, :, None, None]
    state["norm.running_mean"][:channels] -= mixing @ readout.offset
    maps = [mobile.backbone(x) for x in pixels]
    _set_deep(mobile, given, readout, flat([x[2] for x in maps]))
    sums: list[Tensor] = []
    hook = mobile.norm.register_forward_pre_hook(lambda _, inputs: sums.append(inputs[0]))
    for x, images in zip(maps, pixels, strict=True):
        mobile.fuse(x, [], images)
    hook.remove()
    fresh = flat(sums)[:, channels:]
    mobile.norm.running_mean[channels:] = fresh.mean(dim=0)
    mobile.norm.running_var[channels:] = fresh.var(dim=0)


def _set_deep(mobile: PoseNet, given: dict[str, Tensor], readout: Readout, deep: Tensor) -> None:
    """Set the refiner's layer that reads the last map, of which `deep` (N, 960) are cells."""
    mean, variance = deep.mean(dim=0), deep.var(dim=0)
    spread, theirs = (variance + _EPS).sqrt(), (given[_DEEP_NORM + "running_var"] + _EPS).sqrt()
    weight = given[_DEEP + "0.weight"][:, :, 0, 0] / theirs
    offset = weight @ (mean @ readout.weights + readout.offset - given[_DEEP_NORM + "running_mean"])
    state = {
        _DEEP_NORM + "running_mean": mean,
        _DEEP_NORM + "running_var": variance,
        _DEEP + "0.weight": (weight @ readout.weights.T * spread)[:, :, None, None],
        _DEEP + "1.running_mean": given[_DEEP + "1.running_mean"] - offset,
    }
    mobile.load_state_dict(state, strict=False)


def _copied_from(name: str) -> str:
    """The tensor of `lite` that a tensor starts as: the second hourglass as the first."""
    return name.replace("presence.hourglasses.1.", "presence.hourglasses.0.").replace("heads.1.", "heads.0.")


def _extended(name: str, given: Tensor | None, fresh: Tensor) -> Tensor:
    """`given`, or what adds nothing, in the shape of `fresh`; only channels of F that nothing reads are fresh."""
    if given is None:
        silent = name.startswith("presence.merge_") or any(part in name for part in _ADDED_TO)
        return torch.zeros_like(fresh) if silent else fresh
    if given.shape == fresh.shape:
        return given
    extended = fresh.clone()
    if name == _LAST_PROJECT:
        pass  # reads the last map: set by `carry_over`
    elif name.startswith(("project.", "norm.")):
        extended[: len(given)] = given
    elif name.startswith(_PRESENCE_LAST):
        extended.zero_()
        extended[:, : given.shape[1] - 1], extended[:, -1] = given[:, :-1], given[:, -1]
    elif name.startswith(_READ_F):
        extended.zero_()
        extended[:, : given.shape[1]] = given
    else:
        assert name.startswith(_DEEP), name
    return extended
