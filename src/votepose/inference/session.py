"""Opens the ONNX files that `votepose export` writes. onnxruntime is imported only when one is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from votepose.errors import VoteposeError, one_line
from votepose.skeleton import Skeleton

INPUTS = ("images", "presence_threshold")
OUTPUTS = ("image_index", "keypoints", "confidences", "seen", "scores")


def open_session(path: Path, device: str, threads: int | None) -> Any:
    """The onnxruntime.InferenceSession of an ONNX file; see `votepose.load`.

    Raises:
        VoteposeError: if the file is not a model, `threads` is not positive, or there is no such device.
    """
    if threads is not None and threads < 1:
        raise VoteposeError(f"threads should be at least 1, but is {threads}")
    import onnxruntime  # slow to import, so not with `import votepose`

    kind, _, number = device.lower().partition(":")
    available = {name.removesuffix("ExecutionProvider").lower(): name for name in onnxruntime.get_available_providers()}
    if kind not in available or (number and not number.isdecimal()):
        there = ", ".join(available)
        raise VoteposeError(f"no device {device!r}: the installed onnxruntime {onnxruntime.__version__} has {there}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    chosen = (available[kind], {"device_id": number} if number else {})
    try:
        session = onnxruntime.InferenceSession(path, options, providers=[chosen])
    except Exception as error:  # onnxruntime's own exceptions have no public base class
        raise VoteposeError(f"{path}: is not an ONNX model that can be run on {device}: {one_line(error)}") from error
    if session.get_providers()[0] != available[kind]:  # onnxruntime would only log that it uses the CPU
        raise VoteposeError(f"device {device!r} did not start: check its drivers, or choose --device cpu")
    session.disable_fallback()
    return session


def read_metadata(session: Any, path: Path) -> tuple[dict[str, Any], Skeleton]:
    """The metadata that `votepose export` wrote into the model, and its skeleton.

    Raises:
        VoteposeError: if the model is not one of votepose's, or its metadata cannot be read.
    """
    text = session.get_modelmeta().custom_metadata_map.get("votepose")
    inputs, outputs = ({value.name for value in side} for side in (session.get_inputs(), session.get_outputs()))
    if text is None or set(INPUTS) - inputs or set(OUTPUTS) - outputs:
        raise VoteposeError(f"{path}: is an ONNX model, but not one of votepose's; make one with `votepose export`")
    try:
        metadata: dict[str, Any] = json.loads(text)
        missing = {"input_size", "presence_threshold", "skeleton"} - set(metadata)
        if not missing:
            int(metadata["input_size"]), float(metadata["presence_threshold"])
            return metadata, Skeleton.from_coco_category(metadata["skeleton"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise VoteposeError(f"{path}: its metadata cannot be read ({one_line(error)}); export it again") from None
    raise VoteposeError(f"{path}: its metadata lacks {', '.join(sorted(missing))}; export it again")
