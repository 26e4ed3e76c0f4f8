"""GPU kernels (Triton) of the layers that a training step would otherwise spend most of its time in.

Only `accelerate` is for use from outside; it imports the kernels where there is a CUDA device, since Triton exists
nowhere else.
"""
