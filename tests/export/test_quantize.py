"""Packed weights: fewer bytes, nearly the same answers, small tensors untouched; fewer bits, less to compress."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from votepose.export.quantize import halve, pack
from votepose.export.rounding import second_moments

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


def test_fewer_bits_leave_less_to_compress_and_a_file_as_large(graph: onnx.ModelProto) -> None:
    files = []
    for bits in (np.inf, 5.0, 3.0):
        packed = onnx.ModelProto()
        packed.CopyFrom(graph)
        pack(packed, bits=bits)
        files.append(packed.SerializeToString())
    whole, five, three = (len(zlib.compress(file)) for file in files)
    assert three < five < whole < len(files[0])
    assert len({len(file) for file in files}) == 1
    weights = 64 * 64 * 9 + 2 * 64 * 512
    assert abs(8 * (five - three) / weights - 2.0) < 0.4


def test_the_backbone_keeps_more(graph: onnx.ModelProto) -> None:
    (convolution,) = [node for node in graph.graph.node if node.op_type == "Conv"]

    def levels(scope: str) -> int:
        packed = onnx.ModelProto()
        packed.CopyFrom(graph)
        (node,) = [node for node in packed.graph.node if node.op_type == "Conv"]
        node.name = f"{scope}/Conv"
        pack(packed, bits=3.0)
        (tensor,) = [x for x in packed.graph.initializer if x.name == f"{convolution.input[1]}_int8"]
        return int(np.abs(onnx.numpy_helper.to_array(tensor)).max())

    assert levels("/network/backbone") > 4 * levels("/network/transformer")


def test_pictures_make_coarse_weights_answer_better(graph: onnx.ModelProto) -> None:
    wanted = answers(graph)
    moments = second_moments(graph, [{"x": INPUT}])
    errors = []
    for known in ({}, moments):
        packed = onnx.ModelProto()
        packed.CopyFrom(graph)
        pack(packed, known, bits=3.0)
        errors.append([np.square(x - y).mean() for x, y in zip(answers(packed), wanted, strict=True)])
    blind, seeing = errors
    assert seeing[0] < 0.7 * blind[0]
    assert seeing[1] < 0.8 * blind[1]  # its inputs hardly go together
