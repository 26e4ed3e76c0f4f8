"""Rewrites of a traced graph that keep its outputs and make onnxruntime faster."""
