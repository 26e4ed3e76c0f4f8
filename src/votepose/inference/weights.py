"""Finds the weights file for a name, for the runtime (.onnx) and training (.safetensors). Does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from votepose.errors import VoteposeError

FOLDER = Path(__file__).parents[1] / "weights"
BUNDLED_ONNX = FOLDER / "votepose.onnx"
BUNDLED_SAFETENSORS = FOLDER / "votepose.safetensors"
ACCURATE, FAST = "accurate", "fast"  # the bundled models; the files of the second have its name
_LEFT_OUT = "the installed package does not include it: clone votepose's repository and run pip install -e . in it"


@dataclass(frozen=True)
class Measured:
    """Measured performance of a bundled model.

    Attributes:
        ap: AP on coco-dev, measured by `votepose evaluate`.
        rate: images per second on two cores of an AMD EPYC without AVX-512, measured by `make bench`.
    """

    ap: float
    rate: float

    def __str__(self) -> str:
        return f"AP {self.ap:.3f}, {self.rate:g} images per second on two cores"


MODELS = {ACCURATE: Measured(0.510, 4.4), FAST: Measured(0.449, 11.3)}


def chosen_weights(model: str | None, weights: Path | None) -> Path | str | None:
    """Combine the options --model and --weights, for `resolve_weights`.

    Raises:
        VoteposeError: if both are given, or there is no such model.
    """
    if model is None:
        return weights
    if weights is not None:
        raise VoteposeError(f"--model {model}: cannot be combined with --weights; leave one of them out")
    if model not in MODELS:
        raise VoteposeError(f"--model {model}: no such model; choose {' or '.join(MODELS)}")
    return model


def resolve_weights(weights: Path | str | None, suffix: str) -> Path:
    """The file that `--weights` names.

    Args:
        weights: None, `bundled` or `accurate` for the default bundled model, `fast` for the other; a path; or the name,
            without suffix, of a file in the package's `weights` folder, such as a preset's.
        suffix: ".onnx" or ".safetensors": the form of bundled weights to use; of weights like `lite`, there is only a
            safetensors file. A path may have any suffix.

    Raises:
        VoteposeError: if there is no such file.
    """
    bundled = {".onnx": BUNDLED_ONNX, ".safetensors": BUNDLED_SAFETENSORS}[suffix]
    path = bundled if weights is None or str(weights) in ("bundled", ACCURATE) else Path(weights)
    packaged = [FOLDER / f"{path}{one}" for one in (suffix, ".safetensors")]
    if str(path) == FAST:
        path = packaged[0]
    elif not path.is_file() and path.name == str(path):
        path = next((one for one in packaged if one.is_file()), path)
    if not path.is_file():
        raise VoteposeError(_complaint(path, suffix))
    return path


def _complaint(path: Path, suffix: str) -> str:
    if ".safetensors" not in (suffix, path.suffix):
        return f"{path}: no such weights; use {ACCURATE}, {FAST} or an ONNX file written by `votepose export`"
    left_out = path in (BUNDLED_SAFETENSORS, FOLDER / f"{FAST}.safetensors")
    return f"{path}: no such weights file" + (f" ({_LEFT_OUT})" if left_out else "")
