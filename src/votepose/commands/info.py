"""`votepose info`: prints the size of each preset and a description of a weights file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from votepose.inference.weights import MODELS, resolve_weights
from votepose.models.checkpoint import read_metadata
from votepose.models.posenet import PoseNet
from votepose.models.presets import NAMES, preset
from votepose.predictor import load

_PARTS = {
    "backbone": ("backbone",),
    "neck": ("project", "norm"),
    "hourglass": ("presence",),
    "transformer": ("transformer",),
    "vectors": ("vector", "proposal_attention"),
    "keypoints": ("keypoint_maps",),
    "refiner": ("refiner",),
    "aux": ("aux_backbone",),
}


@dataclass(frozen=True)
class InfoConfig:
    """Print the presets and their parameter counts, and describe a weights file."""

    weights: Path | None = None
    """A safetensors or ONNX file to describe. Default: the bundled models."""


def run(config: InfoConfig) -> None:
    """Print one line per preset, with its parameters in millions, and one line about the weights.

    Raises:
        VoteposeError: if `config.weights` is not a weights file.
    """
    print(f"{'preset':<8}{'input':>6}{'stride':>8}{'total':>8} M =", *(f"{part:>11}" for part in _PARTS))
    for name in NAMES:
        chosen = preset(name)
        counts = parameters(PoseNet(chosen.network))
        cells = (f"{count / 1e6:11.2f}" if count else f"{'-':>11}" for count in counts.values())
        total = sum(counts.values()) / 1e6
        print(f"{name:<8}{chosen.input_size:>6}{chosen.network.stride:>8}{total:8.2f} M  ", *cells)
    if config.weights:
        print(describe(resolve_weights(config.weights, ".onnx")))
    else:
        for name in MODELS:
            print(f"{name:<9}{describe(resolve_weights(name, '.onnx'))}; {MODELS[name]}")


def parameters(network: PoseNet) -> dict[str, int]:
    """Number of parameters of each part; they sum to the network's."""
    counts = dict(network.parts())
    return {part: sum(counts.pop(name, 0) for name in names) for part, names in _PARTS.items()}


def describe(weights: Path) -> str:
    """One line about a weights file: size, preset, input and skeleton.

    Raises:
        VoteposeError: if it is not a votepose weights file.
    """
    about = load(weights).metadata if weights.suffix == ".onnx" else read_metadata(weights).to_dict()
    size = weights.stat().st_size / 1e6
    keypoints = len(about["skeleton"]["keypoints"])
    return (
        f"weights: {weights}: {size:.1f} MB, preset {about.get('preset', '?')}, input {about['input_size']}, "
        f"{keypoints} keypoints of a {about['skeleton'].get('name', 'person')}"
    )
