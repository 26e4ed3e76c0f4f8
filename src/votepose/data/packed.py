"""Packs many small arrays into one block of memory, to transfer them between processes and devices at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

_ALIGNED = 8  # alignment of each array, in bytes


@dataclass(frozen=True)
class Packed:
    """Arrays in one block of memory.

    Attributes:
        memory: (bytes,) uint8.
        layout: dtype and shape of each array.
    """

    memory: Tensor
    layout: tuple[tuple[torch.dtype, tuple[int, ...]], ...]

    @staticmethod
    def of(arrays: Iterable[np.ndarray]) -> Packed:
        tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
        layout = tuple((tensor.dtype, tuple(tensor.shape)) for tensor in tensors)
        memory = torch.zeros(sum(_room(tensor.nbytes) for tensor in tensors), dtype=torch.uint8)
        packed = Packed(memory, layout)
        for target, tensor in zip(packed.tensors(), tensors, strict=True):
            target.copy_(tensor)
        return packed

    def tensors(self) -> list[Tensor]:
        """Views of all arrays."""
        found, start = [], 0
        for dtype, shape in self.layout:
            size = dtype.itemsize * int(np.prod(shape))
            found.append(self.memory[start : start + size].view(dtype).view(shape))
            start += _room(size)
        return found

    def __reduce__(self) -> tuple[Any, ...]:  # as bytes, since torch's shared memory takes milliseconds
        return _of_memory, (self.memory.numpy(), self.layout)

    def to(self, device: torch.device | str) -> Packed:
        # Pinned in this thread, since a loader's pinning thread would disturb the recording of CUDA graphs.
        memory = self.memory.pin_memory() if torch.device(device).type == "cuda" else self.memory
        return Packed(memory.to(device, non_blocking=True), self.layout)


def _of_memory(memory: np.ndarray, layout: tuple[tuple[torch.dtype, tuple[int, ...]], ...]) -> Packed:
    return Packed(torch.from_numpy(memory), layout)


def _room(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
