"""Packed weights: fewer bytes, nearly the same outputs, small tensors untouched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from votepose.export.quantize import halve, pack

INPUT = np.random.default_rng(0).normal(size=(3, 64, 5, 7)).astype(np.float32)


class Net(nn.Module):
    """A convolution, a product and a linear layer of three dimensions, large enough to be packed; and a small one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.linear, self.small = nn.Conv2d(64, 64, 3, padding=1), nn.Linear(64, 512), nn.Linear(512, 4)
        with torch.no_grad():  # channels of very different sizes: each needs a scale of its own
            self.conv.weight *= torch.logspace(-3, 2, 64)[:, None, None, None]
            self.linear.weight *= torch.logspace(-3, 2, 512)[:, None]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = self.conv(x)
        z = self.linear(x.flatten(2).transpose(1, 2))
        return y, z, self.small(z), torch.addmm(self.linear.bias, x[:, :, 0, 0], self.linear.weight.t())


@pytest.fixture
def graph(tmp_path: Path) -> onnx.ModelProto:
    path = tmp_path / "net.onnx"
    torch.onnx.export(Net().eval(), (torch.from_numpy(INPUT),), str(path), dynamo=False, input_names=["x"])
    return onnx.load(path)


def answers(model: onnx.ModelProto) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(x) for x in session.run(None, {"x": INPUT})]


@pytest.mark.parametrize(("store", "bytes_a_number", "error"), [(halve, 2, 5e-3), (pack, 1, 5e-2)])
def test_packed_weights_are_smaller_and_answer_alike_channel_by_channel(
    graph: onnx.ModelProto, store: Callable[[onnx.ModelProto], None], bytes_a_number: int, error: float
) -> None:
    wanted, size = answers(graph), len(graph.SerializeToString())
    store(graph)
    assert len(graph.SerializeToString()) < size * bytes_a_number / 4 * 1.2
    for ours, theirs, channels in zip(answers(graph), wanted, (1, 2, 2, 1), strict=True):
        others = tuple(i for i in range(theirs.ndim) if i != channels)
        assert (np.abs(ours - theirs).max(axis=others) <= error * np.abs(theirs).max(axis=others)).all()


def test_small_weights_are_left_alone(graph: onnx.ModelProto) -> None:
    pack(graph)
    kept = [
        x for x in graph.graph.initializer if x.data_type == onnx.TensorProto.FLOAT and not x.name.endswith("_scale")
    ]
    assert {int(np.prod(x.dims)) for x in kept} >= {64, 512, 4 * 512}
