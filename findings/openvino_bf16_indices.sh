#!/usr/bin/env bash
# OpenVINO: indices that a float32 model computes by MatMul point elsewhere on processors with bf16 instructions.
#
# Printed on 2026-11-27, Python 3.11, 2 CPU cores:
#     openvino 2026.4.1, numpy 2.4.6
#     Multiply, ReduceSum, no hint: [1923, 64250, 49291]
#     Multiply, ReduceSum, f32 hint: [1923, 64250, 49291]
#     MatMul, no hint: [1920, 64256, 49408]
#     MatMul, f32 hint: [1923, 64250, 49291]
#     expected: [1923, 64250, 49291], as every whole number below 2**24 is exact in this float32 model
#     seen:     MatMul rounds to bf16, and Gather reads other cells; the same sum written otherwise is exact
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 numpy==2.4.6 \
  2>"$folder/log" || { cat "$folder/log" >&2; exit 2; }
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import openvino
from openvino import opset13 as ops

WIDTH, HEIGHT = 640, 480
CELLS = np.array([[3, 3], [250, 100], [11, 77]], np.float32)  # (N, 2) whole x and y
WANTED = (CELLS @ [1, WIDTH]).astype(int).tolist()


def model(by_matmul):
    """(N, 2) cells -> the entries x + WIDTH * y of a table that holds 0, 1, 2, ..."""
    cells = ops.parameter([-1, 2], np.float32)
    if by_matmul:
        index = ops.squeeze(ops.matmul(cells, ops.constant(np.array([[1], [WIDTH]], np.float32)), False, False), [1])
    else:
        index = ops.reduce_sum(ops.multiply(cells, ops.constant(np.array([[1, WIDTH]], np.float32))), [1], False)
    table = ops.constant(np.arange(WIDTH * HEIGHT, dtype=np.int64))
    entries = ops.gather(table, ops.convert(index, "i64"), ops.constant(0))
    return openvino.Model([ops.result(entries)], [cells], "lookup")


core = openvino.Core()
print(f"openvino {openvino.__version__.split('-')[0]}, numpy {np.__version__}")
if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
    print("this processor has no bf16 instructions, so there is nothing to see here")
    sys.exit(2)
found = {}
for by_matmul in (False, True):
    for hint in ({}, {"INFERENCE_PRECISION_HINT": "f32"}):
        compiled = core.compile_model(model(by_matmul), "CPU", hint)
        found[by_matmul, bool(hint)] = compiled(CELLS)[0].tolist()
        way = "MatMul" if by_matmul else "Multiply, ReduceSum"
        print(f"{way}, {'f32 hint' if hint else 'no hint'}: {found[by_matmul, bool(hint)]}")
print(f"expected: {WANTED}, as every whole number below 2**24 is exact in this float32 model")
seen = all((entries == WANTED) != (key == (True, False)) for key, entries in found.items())
print("seen:     MatMul rounds to bf16, and Gather reads other cells; the same sum written otherwise is exact" if seen else "changed")
sys.exit(not seen)
PY
