#!/usr/bin/env bash
# onnxruntime: memory patterns (`SessionOptions.enable_mem_pattern`, on by default) plan a model's activations as one
# block, to save memory. They cost memory instead: the second run with an input shape, whether free or fixed in the model,
# allocates that block beside the memory of the first run, which stays allocated.
#
# Expected: a second run with the same input needs no more memory than the first, and the option saves memory.
# Seen (2026-11-28, onnxruntime 1.32.0, numpy 2.4.6, x86-64): "on: 67 MB after one run, 133 MB after two";
# "off: 67 MB after one run, 67 MB after two". The results are equal. (onnxruntime issue 14477 reports it for a GPU.)
# Exits 0 while this is so, 1 once it changes, 2 if the packages cannot be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2> /dev/null || exit 2
cat > "$folder/memory.py" << 'PYTHON'
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

CHANNELS, SIZE = 32, 512


def chain_of_convolutions() -> bytes:
    rng = np.random.default_rng(0)
    weights = [0.05 * rng.standard_normal((CHANNELS, CHANNELS, 3, 3)).astype(np.float32) for _ in range(12)]
    shape = [1, CHANNELS, "height", "width"]
    graph = helper.make_graph(
        [helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"x{i + 1}"], pads=[1, 1, 1, 1]) for i in range(len(weights))],
        "chain",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(f"x{len(weights)}", TensorProto.FLOAT, shape)],
        [helper.make_tensor(f"w{i}", TensorProto.FLOAT, w.shape, w.tobytes(), raw=True) for i, w in enumerate(weights)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def resident_mb() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.enable_mem_pattern = sys.argv[1] == "on"
session = onnxruntime.InferenceSession(chain_of_convolutions(), options, providers=["CPUExecutionProvider"])
image = np.ones((1, CHANNELS, SIZE, SIZE), np.float32)
loaded, used = resident_mb(), []
for _ in range(2):
    result = float(session.run(None, {"x0": image})[0].mean())
    used.append(resident_mb() - loaded)
print(f"{sys.argv[1]}: {used[0]:.0f} MB after one run, {used[1]:.0f} MB after two; mean result {result:.3g}")
sys.exit((used[1] > 1.5 * used[0]) != options.enable_mem_pattern)
PYTHON
export ORT_DISABLE_TELEMETRY=1
"$folder/venv/bin/pip" list 2> /dev/null | grep -E "^(onnxruntime|numpy) "
changed=0
for patterns in on off; do
  "$folder/venv/bin/python" "$folder/memory.py" "$patterns" || changed=1
done
exit "$changed"
