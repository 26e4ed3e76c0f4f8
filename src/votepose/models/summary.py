"""The presets and their parameters, as a table."""

from __future__ import annotations

from votepose.models.posenet import PoseNet
from votepose.models.presets import NAMES, preset

_PARTS = {
    "backbone": ("backbone",),
    "neck": ("project", "norm"),
    "hourglass": ("presence",),
    "transformer": ("transformer",),
    "vectors": ("vector", "proposal_attention"),
    "keypoints": ("keypoint_maps",),
    "refiner": ("refiner",),
    "focus": ("focus",),
    "aux": ("aux_backbone",),
}


def preset_table() -> str:
    """A line per preset: input size, stride, and millions of parameters, in total and of each part."""
    lines = [" ".join((f"{'preset':<8}{'input':>6}{'stride':>8}{'total':>8} M =", *(f"{part:>11}" for part in _PARTS)))]
    for name in NAMES:
        chosen = preset(name)
        counts = parameters(PoseNet(chosen.network))
        cells = (f"{count / 1e6:11.2f}" if count else f"{'-':>11}" for count in counts.values())
        total = f"{sum(counts.values()) / 1e6:8.2f}"
        lines.append(" ".join((f"{name:<8}{chosen.input_size:>6}{chosen.network.stride:>8}{total} M  ", *cells)))
    return "\n".join(lines)


def parameters(network: PoseNet) -> dict[str, int]:
    """Number of parameters of each part; they sum to the network's."""
    counts = dict(network.parts())
    return {part: sum(counts.pop(name, 0) for name in names) for part, names in _PARTS.items()}
