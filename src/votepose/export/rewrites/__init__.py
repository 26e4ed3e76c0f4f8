"""Rewrites of a traced graph that leave its answers as they are and let onnxruntime compute them sooner."""
