"""Which weights file a name stands for. The runtime (.onnx) and training (.safetensors) share it: no torch here."""

from __future__ import annotations

from pathlib import Path

from votepose.errors import VoteposeError

FOLDER = Path(__file__).parents[1] / "weights"
BUNDLED_ONNX = FOLDER / "votepose.onnx"
BUNDLED_SAFETENSORS = FOLDER / "votepose.safetensors"
_LEFT_OUT = "an installed package leaves it out: clone votepose's repository and pip install -e it"


def resolve_weights(weights: Path | str | None, suffix: str) -> Path:
    """The file that `--weights` names.

    Args:
        weights: None or `bundled` for the model in the package; a path; or the bare name of a file in the package's
            `weights` folder without its suffix, such as a preset's.
        suffix: ".onnx" or ".safetensors": which form of weights in the package is meant. A path may have any suffix.

    Raises:
        VoteposeError: if there is no such file.
    """
    bundled = {".onnx": BUNDLED_ONNX, ".safetensors": BUNDLED_SAFETENSORS}[suffix]
    path = bundled if weights is None or str(weights) == "bundled" else Path(weights)
    packaged = FOLDER / f"{path}{suffix}"
    if not path.is_file() and path.name == str(path) and packaged.is_file():
        path = packaged
    if not path.is_file():
        raise VoteposeError(_complaint(path, suffix))
    return path


def _complaint(path: Path, suffix: str) -> str:
    if ".safetensors" not in (suffix, path.suffix):
        return f"{path}: no such weights; name an ONNX file that `votepose export` made"
    return f"{path}: there is no such weights file" + (f" ({_LEFT_OUT})" if path == BUNDLED_SAFETENSORS else "")
