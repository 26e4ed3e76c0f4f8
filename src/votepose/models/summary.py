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
    """A column per preset: input size, stride, and millions of parameters, in total and of each part."""
    presets = [preset(name) for name in NAMES]
    counts = [parameters(PoseNet(one.network)) for one in presets]
    rows: dict[str, list[object]] = {
        "preset": list(NAMES),
        "input": [one.input_size for one in presets],
        "stride": [one.network.stride for one in presets],
        "parameters": [f"{sum(parts.values()) / 1e6:.2f} M" for parts in counts],
    }
    rows |= {f"  {name}": [f"{of[name] / 1e6:.2f} M" if of[name] else "-" for of in counts] for name in _PARTS}
    return "\n".join(f"{title:<13}" + "".join(f"{cell:>10}" for cell in cells) for title, cells in rows.items())


def parameters(network: PoseNet) -> dict[str, int]:
    """Number of parameters of each part; they sum to the network's."""
    counts = dict(network.parts())
    return {part: sum(counts.pop(name, 0) for name in names) for part, names in _PARTS.items()}
