#!/usr/bin/env bash
# torch.onnx (TorchScript exporter): the shape of an `unflatten` result is written into the graph as a constant, so a
# model with a dynamic batch runs only with the traced batch; the same model with `reshape` runs with any.
#
# Expected: `x.unflatten(-1, (4, 2))` and `x.reshape(*x.shape[:-1], 4, 2)` are equal in PyTorch, and export alike.
# Seen (2026-11-27, torch 2.13.0, onnx 1.23.2, onnxruntime 1.32.0): no warning; "unflatten, batch 3: error".
# Exits 0 while this is so, 1 once it changes, 2 if the packages cannot be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 onnx==1.23.2 onnxruntime==1.32.0 numpy 2> /dev/null || exit 2
ORT_DISABLE_TELEMETRY=1 "$folder/venv/bin/python" - "$folder" << 'PYTHON'
import sys
import warnings

import numpy as np
import onnxruntime
import torch

print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)
onnxruntime.set_default_logger_severity(4)


class Pairs(torch.nn.Module):
    """(B, N, 8) -> (B, N, 16): the input as pairs, one added, and beside itself."""

    def __init__(self, by: str) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pairs = x.unflatten(-1, (4, 2)) if self.by == "unflatten" else x.reshape(*x.shape[:-1], 4, 2)
        pairs = pairs + torch.ones(2)
        return torch.cat([pairs.reshape(*pairs.shape[:-2], -1), x], dim=-1)


ran = {}
for by in ("reshape", "unflatten"):
    path = f"{sys.argv[1]}/{by}.onnx"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.onnx.export(Pairs(by), (torch.rand(1, 5, 8),), path, dynamo=False, input_names=["x"],
                          dynamic_axes={"x": {0: "batch", 1: "rows"}})
    said = [str(w.message) for w in caught if "unflatten" in str(w.message) or "constant" in str(w.message)]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        try:
            shape = session.run(None, {"x": np.zeros((batch, 5, 8), np.float32)})[0].shape
            ran[by, batch] = True
            print(f"{by}, batch {batch}: {shape}")
        except Exception:
            ran[by, batch] = False
            print(f"{by}, batch {batch}: error; remarks at export: {said or 'none'}")
known = ran == {("reshape", 1): True, ("reshape", 3): True, ("unflatten", 1): True, ("unflatten", 3): False}
sys.exit(0 if known else 1)
PYTHON
