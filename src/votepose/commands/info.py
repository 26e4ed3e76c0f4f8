"""`votepose info`: prints the size of each preset and a description of a weights file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from votepose.errors import installing
from votepose.inference.weights import MODELS, resolve_weights
from votepose.predictor import load


@dataclass(frozen=True)
class InfoConfig:
    """Print the presets and their parameter counts, and describe a weights file."""

    weights: Path | None = None
    """A safetensors or ONNX file to describe. Default: the bundled models."""


def run(config: InfoConfig) -> None:
    """Print the presets and their parameters (if torch is installed), and one line about each weights file.

    Raises:
        VoteposeError: if `config.weights` is not a weights file.
    """
    try:
        from votepose.models.summary import preset_table
    except ModuleNotFoundError as error:
        print(f"the list of presets needs {error.name}: {installing('train')}\n")
    else:
        print(f"{preset_table()}\n")
    if config.weights:
        print(describe(resolve_weights(config.weights, ".onnx")))
    else:
        for name in MODELS:
            print(f"{name:<9}{describe(resolve_weights(name, '.onnx'))}; {MODELS[name]}")


def describe(weights: Path) -> str:
    """One line about a weights file: size, preset, input, skeleton, and whether an exported one has a focus.

    Raises:
        VoteposeError: if it is not a votepose weights file.
    """
    if weights.suffix == ".onnx":
        about = load(weights).metadata
    else:
        from votepose.models.checkpoint import read_metadata  # needs torch

        about = read_metadata(weights).to_dict()
    size = weights.stat().st_size / 1e6
    keypoints = len(about["skeleton"]["keypoints"])
    focus = ", with a focus" if about.get("focus") else ""
    return (
        f"weights: {weights}: {size:.1f} MB, preset {about.get('preset', '?')}, input {about['input_size']}, "
        f"{keypoints} keypoints of a {about['skeleton'].get('name', 'person')}{focus}"
    )
