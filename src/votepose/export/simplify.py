"""Simplifies a traced graph, so that it takes less time to load."""

from __future__ import annotations

from pathlib import Path

import onnx

from votepose.inference.runtime import import_onnxruntime


def simplified(model: onnx.ModelProto, work: Path) -> onnx.ModelProto:
    """The graph with constant expressions evaluated and equal ones computed once, by onnxruntime's basic optimisations.

    The result has only standard operators, so other runtimes can run it. onnxruntime would do the same at every start.

    Args:
        model: the graph; its weights must not be packed yet, since unpacking is a constant expression.
        work: a file to write in between.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(work)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = onnx.load(work)
    used = {node.domain for node in found.graph.node}
    imports = [one for one in found.opset_import if one.domain in used]
    del found.opset_import[:]
    found.opset_import.extend(imports)
    return found
