"""Which weights file a name stands for. The runtime (.onnx) and training (.safetensors) share it: no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from votepose.errors import VoteposeError

FOLDER = Path(__file__).parents[1] / "weights"
BUNDLED_ONNX = FOLDER / "votepose.onnx"
BUNDLED_SAFETENSORS = FOLDER / "votepose.safetensors"
ACCURATE, FAST = "accurate", "fast"  # the models in the package; the second's files are called as it is
_LEFT_OUT = "an installed package leaves it out: clone votepose's repository and pip install -e it"


@dataclass(frozen=True)
class Measured:
    """What a model of the package reaches.

    Attributes:
        ap: on coco-dev, by `votepose evaluate`.
        rate: images per second on two cores of a busy Xeon, by `make bench`.
    """

    ap: float
    rate: float

    def __str__(self) -> str:
        return f"AP {self.ap:.3f}, {self.rate:g} images per second on two busy cores"


MODELS = {ACCURATE: Measured(0.507, 2.5), FAST: Measured(0.399, 13.9)}


def chosen_weights(model: str | None, weights: Path | None) -> Path | str | None:
    """What the options --model and --weights name together, for `resolve_weights`.

    Raises:
        VoteposeError: if both are given, or there is no such model.
    """
    if model is None:
        return weights
    if weights is not None:
        raise VoteposeError(f"--model {model}: names the weights already; leave out --weights, or --model")
    if model not in MODELS:
        raise VoteposeError(f"--model {model}: there is no such model; choose {' or '.join(MODELS)}")
    return model


def resolve_weights(weights: Path | str | None, suffix: str) -> Path:
    """The file that `--weights` names.

    Args:
        weights: None, `bundled` or `accurate` for the default model in the package, `fast` for the other; a path; or
            the bare name of a file in the package's `weights` folder without its suffix, such as a preset's.
        suffix: ".onnx" or ".safetensors": which form of weights in the package is meant. A path may have any suffix.

    Raises:
        VoteposeError: if there is no such file.
    """
    bundled = {".onnx": BUNDLED_ONNX, ".safetensors": BUNDLED_SAFETENSORS}[suffix]
    path = bundled if weights is None or str(weights) in ("bundled", ACCURATE) else Path(weights)
    packaged = FOLDER / f"{path}{suffix}"
    if str(path) == FAST or (not path.is_file() and path.name == str(path) and packaged.is_file()):
        path = packaged
    if not path.is_file():
        raise VoteposeError(_complaint(path, suffix))
    return path


def _complaint(path: Path, suffix: str) -> str:
    if ".safetensors" not in (suffix, path.suffix):
        return f"{path}: no such weights; name an ONNX file that `votepose export` made"
    left_out = path in (BUNDLED_SAFETENSORS, FOLDER / f"{FAST}.safetensors")
    return f"{path}: there is no such weights file" + (f" ({_LEFT_OUT})" if left_out else "")
