"""GPU kernels (Triton) for the layers that would otherwise take most of a training step.

`accelerate` and `graphs` are the public modules. The kernels are imported only if there is a CUDA device, since Triton
needs one.
"""
