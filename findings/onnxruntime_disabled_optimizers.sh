#!/usr/bin/env bash
# onnxruntime: `InferenceSession(..., disabled_optimizers=[...])` accepts any name. One that no optimiser has, such as a
# misspelt one or one that a new version has renamed, disables nothing, and neither an error nor a log line says so.
#
# Expected: a name that no optimiser has is refused, or at least logged.
# Seen (2026-11-27, onnxruntime 1.32.0): "ConstantFolding: Add Mul", "Constant_Folding: Mul", "none: Mul", log: 0 lines
# that contain the misspelt name.
# Exits 0 while this is so, 1 once it changes, 2 if the packages cannot be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 2> /dev/null || exit 2
cat > "$folder/optimizers.py" << 'PYTHON'
import sys

import onnx
import onnxruntime
from onnx import TensorProto, helper

# y = x * (1 + 2), whose sum is constant.
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
constants = [helper.make_tensor(name, TensorProto.FLOAT, [1], [number]) for name, number in (("a", 1.0), ("b", 2.0))]
nodes = [helper.make_node("Add", ["a", "b"], ["c"]), helper.make_node("Mul", ["x", "c"], ["y"])]
graph = helper.make_graph(nodes, "g", value[:1], value[1:], constants)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
path, name = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.optimized_model_filepath = path
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
options.log_severity_level = 2  # warnings
disabled = [] if name == "none" else [name]
onnxruntime.InferenceSession(
    model.SerializeToString(), options, providers=["CPUExecutionProvider"], disabled_optimizers=disabled
)
print(f"{name}:", *(node.op_type for node in onnx.load(path).graph.node))
PYTHON
export ORT_DISABLE_TELEMETRY=1
"$folder/venv/bin/pip" list 2> /dev/null | grep -E "^onnxruntime "
seen=$(for name in ConstantFolding Constant_Folding none; do
  "$folder/venv/bin/python" "$folder/optimizers.py" "$folder/seen.onnx" "$name" 2>> "$folder/log"
done)
lines=$(grep -c Constant_Folding "$folder/log" || true)
printf '%s\nlog: %s lines with the misspelt name\n' "$seen" "$lines"
[ "$seen" = $'ConstantFolding: Add Mul\nConstant_Folding: Mul\nnone: Mul' ] && [ "$lines" = 0 ]
