#!/usr/bin/env bash
# PyTorch: on an x86 CPU without AVX-512, `torch.autocast("cpu", torch.bfloat16)`, which Lightning's
# `precision="bf16-mixed"` uses, makes convolutions many times slower than float32. Nothing warns of it.
#
# Expected: mixed precision is faster than float32, or about as fast; or there is a warning.
# Seen (2026-11-28, torch 2.13.0, an AMD EPYC with AVX2, one thread): no warning; a 3 x 3 convolution of 64 channels took
# 570 ms in place of 12, a 1 x 1 convolution 260 ms in place of 11, a linear layer 265 ms in place of 26 (pytorch issue
# 118499).
# Exits 0 while this is so, 1 once it changes, 2 if the package cannot be installed or the CPU has AVX-512 or is not x86.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy 2> /dev/null || exit 2
"$folder/venv/bin/python" << 'PYTHON'
import sys
import time
import warnings

import torch

print("torch", torch.__version__, torch.backends.cpu.get_cpu_capability())
if torch.backends.cpu.get_cpu_capability() != "AVX2":
    print("this processor is of another kind, so there is nothing to see here")
    sys.exit(2)
torch.set_num_threads(1)
layers = {
    "3 x 3 convolution": (torch.nn.Conv2d(64, 64, 3, padding=1), torch.rand(4, 64, 48, 48)),
    "1 x 1 convolution": (torch.nn.Conv2d(96, 192, 1), torch.rand(4, 96, 48, 48)),
    "linear layer": (torch.nn.Linear(256, 768), torch.rand(4096, 256)),
}


def milliseconds(layer: torch.nn.Module, x: torch.Tensor, mixed: bool) -> float:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        layer(x)
        start = time.process_time()
        for _ in range(3):
            layer(x)
        return 1000 * (time.process_time() - start) / 3


slower = []
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name, (layer, x) in layers.items():
        exact, mixed = milliseconds(layer, x, False), milliseconds(layer, x, True)
        slower.append(mixed / exact)
        print(f"{name}: float32 {exact:.0f} ms, autocast {mixed:.0f} ms")
print("warnings:", [str(warning.message) for warning in caught] or "none")
sys.exit(not (min(slower) > 3 and not caught))
PYTHON
