"""GPU kernels (Triton) of the layers that a training step would otherwise spend most of its time in.

`accelerate` and `graphs` are for use from outside. The kernels are imported where there is a CUDA device alone, since
Triton exists nowhere else.
"""
