#!/usr/bin/env bash
# onnxruntime: `session.set_denormal_as_zero` is an option of one session, but the first session of a process decides
# for the calling thread. Set on a later session, it is ignored there; set on the first, it stays on for NumPy and for
# every later session of that thread, even after the session is gone.
#
# Expected: the session that sets the option flushes numbers below 1e-38 to zero; other sessions and NumPy do not.
# Seen (2026-11-27, onnxruntime 1.32.0, numpy 2.4.6, x86-64): "second: kept"; "first: flushed; NumPy afterwards: flushed".
# (Where a network's weights or activations reach such numbers, a CPU convolution took 31 ms in place of 2.)
# Exits 0 while this is so, 1 once it changes, 2 if the packages cannot be installed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6 2> /dev/null || exit 2
cat > "$folder/sessions.py" << 'PYTHON'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

TINY = np.full(8, 1e-42, np.float32)


def session(as_zero: bool) -> onnxruntime.InferenceSession:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [8]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Mul", ["x", "x1"], ["y"])], "g", value[:1], value[1:],
                              [helper.make_tensor("x1", TensorProto.FLOAT, [1], [1.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", str(int(as_zero)))
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def seen(values: np.ndarray) -> str:
    return "kept" if np.any(values.view(np.uint32)) else "flushed"


if sys.argv[1] == "later":
    session(as_zero=False).run(None, {"x": TINY})
    print("second:", seen(session(as_zero=True).run(None, {"x": TINY})[0]))
else:
    first = session(as_zero=True)
    print("first:", seen(first.run(None, {"x": TINY})[0]), end="; ")
    del first
    print("NumPy afterwards:", seen(TINY * np.float32(1)))
PYTHON
export ORT_DISABLE_TELEMETRY=1
"$folder/venv/bin/pip" list 2> /dev/null | grep -E "^(onnxruntime|numpy) "
later=$("$folder/venv/bin/python" "$folder/sessions.py" later)
first=$("$folder/venv/bin/python" "$folder/sessions.py" first)
printf '%s\n%s\n' "$later" "$first"
[ "$later" = "second: kept" ] && [ "$first" = "first: flushed; NumPy afterwards: flushed" ]
