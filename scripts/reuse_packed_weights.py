"""Put the packed weights of an earlier export into a new one.

    python scripts/reuse_packed_weights.py EARLIER.onnx NEW.onnx OUT.onnx

The bundled `votepose.onnx` has weights that were rounded to steps coarser than 8 bits by a method which is no longer
here (research/quantization.md). They compress to two thirds. After a change of the graph, this script carries them
over: each packed tensor is matched by its shape and values, and those without a match stay as `votepose export` packed
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import tyro
from onnx import numpy_helper

_LEAST_CORRELATION = 0.95  # between a weight and its coarse rounding; between other weights it is near zero


@dataclass(frozen=True)
class Config:
    earlier: tyro.conf.Positional[Path]
    """Exported file whose packed weights are to be used."""
    new: tyro.conf.Positional[Path]
    """Exported file with the graph and the metadata to keep (`votepose export --precision int8`)."""
    out: tyro.conf.Positional[Path]
    """File to write."""


def main(config: Config) -> None:
    model = onnx.load(config.new)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    earlier = [(array, scale) for _, array, _, scale in _packed(onnx.load(config.earlier))]
    reused = total = 0
    for name, array, scale_name, scale in _packed(model):
        total += 1
        alike = [(_correlation(array * scale, a * s), a, s) for a, s in earlier if a.shape == array.shape]
        best = max(alike, key=lambda candidate: candidate[0], default=None)
        if best and best[0] > _LEAST_CORRELATION and best[2].shape == scale.shape:
            reused += 1
            tensors[name].CopyFrom(numpy_helper.from_array(best[1], name))
            tensors[scale_name].CopyFrom(numpy_helper.from_array(best[2].astype(scale.dtype), scale_name))
    onnx.save(model, config.out)
    print(f"{config.out}: {reused} of {total} packed weights are those of {config.earlier}")


def _packed(model: onnx.ModelProto) -> list[tuple[str, np.ndarray, str, np.ndarray]]:
    """The packed weights: name and int8 values, name and values of the scale."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    cast = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Cast"}
    found = []
    for node in model.graph.node:
        source = cast.get(node.input[0], "") if node.op_type == "Mul" else ""
        if source in arrays and arrays[source].dtype == np.int8:
            scale = cast.get(node.input[1], node.input[1])  # in half precision behind a Cast if it is large
            found.append((source, arrays[source], scale, arrays[scale]))
    return found


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
