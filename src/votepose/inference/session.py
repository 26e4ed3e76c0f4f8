"""Opens the ONNX files that `votepose export` writes. onnxruntime is imported when the first one is opened."""

from __future__ import annotations

import ctypes
import json
import os
import threading
from pathlib import Path
from typing import Any

from votepose.errors import VoteposeError, one_line
from votepose.inference.graph_outputs import INPUTS, PEOPLE
from votepose.inference.runtime import import_onnxruntime
from votepose.skeleton import Skeleton
from votepose.utils.machine import usable_cpus

_PACKAGES = {
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu",
    "openvino": "onnxruntime-openvino",
    "dml": "onnxruntime-directml",
}
# By default every convolution is tried in every way for each new shape, and the focus has many shapes. TF32, also the
# default, keeps 10 bits of coordinates in the products of the grouping, which splits small people.
_FOR_DEVICE = {"cuda": {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}}
# Optimisations of onnxruntime that gain nothing in an exported graph: it was simplified when it was exported, and is
# neither quantised nor a language model. Each walks through all nodes, and together they take half of the time to load.
# onnxruntime silently accepts names that it does not know (findings/onnxruntime_disabled_optimizers.sh).
_IDLE_OPTIMISERS = [
    "AttentionFusion",
    "BiasDropoutFusion",
    "BiasGeluFusion",
    "BiasSkipLayerNormFusion",
    "BiasSoftmaxFusion",
    "CommonSubexpressionElimination",
    "ConstantSharing",
    "DoubleQDQPairsRemover",
    "DynamicQuantizeMatMulFusion",
    "EmbedLayerNormFusion",
    "EnsureUniqueDQForNodeUnit",
    "FastGeluFusion",
    "GatherToSliceFusion",
    "GeluFusionL1",
    "GemmActivationFusion",
    "GroupQueryAttentionFusion",
    "GroupQueryAttentionPreNormFusion",
    "LayerNormFusionL1",
    "LayerNormFusionL2",
    "Level1_RuleBasedTransformer",
    "MatMulActivationFusion",
    "MatMulAddFusion",
    "MatMulIntegerToFloatFusion",
    "MatMulNBitsFusion",
    "MatMulScaleFusion",
    "MatmulTransposeFusion",
    "NhwcTransformer",
    "QDQFinalCleanupTransformer",
    "QDQPropagationTransformer",
    "QDQS8ToU8Transformer",
    "QDQSelectorActionTransformer",
    "ReshapeFusion",
    "SimplifiedLayerNormFusion",
    "SkipLayerNormFusion",
    "SliceConcatToSpaceToDepthFusion",
    "SwiGluFusion",
    "TransposeOptimizer",
    "WeightBiasQuantization",
    "WhereDummyDq",
]


class Session:
    """An onnxruntime.InferenceSession that can be passed to other processes.

    It has the session's methods; `run` computes only the requested outputs. It is pickled as the model's bytes. After a
    fork, which stops onnxruntime's threads, it reopens the model on first use.

    Args:
        model: bytes of the ONNX file.
        path: path of the file, for messages.
        device, threads: see `votepose.load`.

    Raises:
        VoteposeError: as in `open_session`.
    """

    def __init__(self, model: bytes, path: Path, device: str, threads: int | None) -> None:
        self._arguments = model, path, device, threads
        self._running: set[Any] = set()  # options of the runs in progress
        self._lock = threading.Lock()
        self._opened = os.getpid(), _open(*self._arguments)

    def __reduce__(self) -> tuple[type[Session], tuple[bytes, Path, str, int | None]]:
        return Session, self._arguments

    def run(self, outputs: list[str], feeds: dict[str, Any]) -> list[Any]:
        """The outputs with these names."""
        options = import_onnxruntime().RunOptions()
        options.only_execute_path_to_fetches = True
        self._running.add(options)
        try:
            found: list[Any] = self._session().run(outputs, feeds, options)
        finally:
            self._running.discard(options)
        return found

    def cancel(self) -> None:
        """End the runs in progress in other threads: they raise onnxruntime's exception."""
        for options in self._running.copy():
            options.terminate = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._session(), name)

    def _session(self) -> Any:
        process, session = self._opened
        return session if process == os.getpid() else self._open_again()

    def _open_again(self) -> Any:
        with self._lock:
            process, session = self._opened
            if process != os.getpid():
                # Destroying it would wait for threads that the fork did not copy, so a reference keeps it alive.
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
                session = _open(*self._arguments)
                self._opened = os.getpid(), session
            return session


def open_session(path: Path, device: str, threads: int | None) -> Session:
    """Open an ONNX file; see `votepose.load`.

    Raises:
        VoteposeError: if the file is not a model, `threads` is not positive, or there is no such device.
    """
    if threads is not None and threads < 1:
        raise VoteposeError(f"threads should be at least 1, but is {threads}")
    if path.suffix == ".safetensors":
        command = f"votepose export --weights {path} --out {path.stem}.onnx"
        raise VoteposeError(f"{path}: is a training checkpoint, not an ONNX file; export it first: {command}")
    if path.suffix in (".pt", ".pth", ".ckpt"):
        raise VoteposeError(f"{path}: is a PyTorch file; use an ONNX file written by `votepose export`")
    return Session(path.read_bytes(), path, str(device), threads)  # str: a torch.device, or another library's number


def _open(model: bytes, path: Path, device: str, threads: int | None) -> Any:
    onnxruntime = import_onnxruntime()
    kind, _, number = device.lower().partition(":")
    available = {name.removesuffix("ExecutionProvider").lower(): name for name in onnxruntime.get_available_providers()}
    if kind not in available or (number and not number.isdecimal()):
        there, package = ", ".join(available), _PACKAGES.get(kind)
        hint = f"; for {kind}, install {package} in its place" if package and kind not in available else ""
        hint = f"; for a GPU, use 'cuda:{kind}'" if kind.isdecimal() else hint
        raise VoteposeError(
            f"no device {device!r}: the installed onnxruntime {onnxruntime.__version__} has {there}{hint}"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _own_threads()
    options.log_severity_level = 3
    # Threads that spin while waiting for the next operator use most of a second core, and more on shared cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The second run with a shape would allocate its activations once more (findings/onnxruntime_memory_patterns.sh).
    options.enable_mem_pattern = False
    chosen = (available[kind], _FOR_DEVICE.get(kind, {}) | ({"device_id": number} if number else {}))
    try:
        session = onnxruntime.InferenceSession(model, options, providers=[chosen], disabled_optimizers=_IDLE_OPTIMISERS)
    except Exception as error:  # onnxruntime's exceptions have no public base class
        raise VoteposeError(f"{path}: is not an ONNX model that can be run on {device}: {one_line(error)}") from error
    if session.get_providers()[0] != available[kind]:  # onnxruntime only logs that it falls back to the CPU
        raise VoteposeError(f"device {device!r} did not start: check its drivers, or use --device cpu")
    session.disable_fallback()
    return session


def _own_threads() -> int:
    """0, which lets onnxruntime use every core, or the number of usable CPUs if this process may not use them all."""
    usable = usable_cpus()
    return usable if usable < (os.cpu_count() or 1) else 0


def read_metadata(session: Any, path: Path) -> tuple[dict[str, Any], Skeleton]:
    """The metadata that `votepose export` wrote into the model, and its skeleton.

    Raises:
        VoteposeError: if the model is not from votepose, or its metadata cannot be read.
    """
    text = session.get_modelmeta().custom_metadata_map.get("votepose")
    inputs, outputs = ({value.name for value in side} for side in (session.get_inputs(), session.get_outputs()))
    if text is None or set(INPUTS) - inputs or set(PEOPLE) - outputs:
        raise VoteposeError(f"{path}: is an ONNX model, but not from votepose; create one with `votepose export`")
    try:
        metadata: dict[str, Any] = json.loads(text)
        missing = {"input_size", "presence_threshold", "skeleton"} - set(metadata)
        if not missing:
            int(metadata["input_size"]), float(metadata["presence_threshold"])
            return metadata, Skeleton.from_coco_category(metadata["skeleton"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise VoteposeError(f"{path}: its metadata cannot be read ({one_line(error)}); export it again") from None
    raise VoteposeError(f"{path}: its metadata lacks {', '.join(sorted(missing))}; export it again")
