"""Rewrites of a traced graph: its answers stay, and what they are for happens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.export.rewrites.concatenations import split_convolutions
from votepose.export.rewrites.copies import drop_copies
from votepose.export.rewrites.pads import fold_pads
from votepose.export.rewrites.pixel_shuffles import merge_pixel_shuffles

INPUT = np.random.default_rng(0).normal(size=(2, 3, 12, 10)).astype(np.float32)


class Padded(nn.Module):
    """Pads before convolutions that can take them over, and six that they cannot."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.plain, self.own = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(3, 4, 3, 2, padding=1)
        self.channels = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        shared = F.pad(x, (2, 0, 0, 0))
        return (
            self.plain(F.pad(x, (0, 1, 0, 1))),
            self.own(F.pad(x, (0, 1, 2, 0))),
            self.plain(shared),
            shared,
            self.plain(F.pad(x, (-1, 0, 0, 0))),
            self.channels(F.pad(x, (0, 0, 0, 0, 1, 0))),
            self.plain(F.pad(x, (0, 1, 0, 1), value=114.0)),
            self.plain(F.pad(x, (0, 1, 0, 1), mode="reflect")),
            self.plain(F.pad(x, (0, x.shape[-1] % 4, 0, 1))),
        )


def test_convolutions_pad_for_themselves_where_they_can(tmp_path: Path) -> None:
    model = traced(Padded(), tmp_path)
    before = answers(model)
    fold_pads(model)
    onnx.checker.check_model(model)
    assert sum(node.op_type == "Pad" for node in model.graph.node) == 6
    assert all(used(model, node) for node in model.graph.node)
    for ours, theirs in zip(answers(model), before, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def traced(net: nn.Module, folder: Path, any_size: bool = True) -> onnx.ModelProto:
    torch.onnx.export(
        net.eval(),
        (torch.from_numpy(INPUT),),
        str(folder / "net.onnx"),
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {2: "height", 3: "width"} if any_size else {0: "batch"}},
        do_constant_folding=False,
    )
    return onnx.load(folder / "net.onnx")


def used(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    read = {name for other in model.graph.node for name in other.input} | {value.name for value in model.graph.output}
    return not read.isdisjoint(node.output)


def answers(model: onnx.ModelProto) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(x) for x in session.run(None, {"x": INPUT})]


class Concatenated(nn.Module):
    """Two maps of whole blocks of channels and three of others, concatenated and read in every way that is known."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.parts = nn.ModuleList(nn.Conv2d(3, count, 1) for count in (32, 5, 3, 16, 2))
        self.wide, self.plain = nn.Conv2d(58, 8, 3), nn.Conv2d(58, 8, 1, bias=False)
        self.grouped = nn.Conv2d(58, 58, 3, groups=58)
        self.odd = nn.Conv2d(65, 8, 3, padding=1)
        self.grown = nn.Conv2d(3, 65, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = torch.cat([part(x) for part in self.parts], dim=1).float()
        half = torch.cat([part(x[..., ::2, ::2]) for part in self.parts], dim=1)
        return (
            self.wide(maps),
            self.wide(half),
            self.plain(F.avg_pool2d(maps, 2)),
            maps[:, -18:] * 2,
            maps[:, 32:40].split([5, 3], dim=1)[1] * 2,
            maps[:, 1:40] * 2,
            self.grouped(maps),
            self.odd(self.grown(x)),
        )


def test_convolutions_of_concatenated_maps_become_sums(tmp_path: Path) -> None:
    model = traced(Concatenated(), tmp_path)
    before = answers(model)
    drop_copies(model)
    split_convolutions(model)
    onnx.checker.check_model(model)
    assert all(used(model, node) for node in model.graph.node)
    for ours, theirs in zip(answers(model), before, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    channels = [
        tensor.dims[1]
        for node in model.graph.node
        for tensor in model.graph.initializer
        if node.op_type == "Conv" and tensor.name == node.input[1]
    ]
    read = {name for node in model.graph.node for name in node.input}
    assert all(tensor.name in read for tensor in model.graph.initializer)
    assert channels.count(32) == channels.count(16) == 3  # `wide` twice, and `plain`
    assert channels.count(64) == 1  # `odd`
    assert channels.count(8) == 3  # the two small maps between stay together
    assert 58 not in channels
    assert 65 not in channels


class Copies(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        whole = x.round()
        return torch.cat([whole]).float() + 1, whole.long() + 1, whole.float()


def test_only_copies_are_dropped(tmp_path: Path) -> None:
    model = traced(Copies(), tmp_path)
    before = answers(model)
    drop_copies(model)
    assert not any(node.op_type == "Concat" for node in model.graph.node)
    assert sum(node.op_type == "Cast" for node in model.graph.node) <= 2  # to int64, and what is an output itself
    for ours, theirs in zip(answers(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Shuffled(nn.Module):
    """Pixel shuffles that convolutions can take over, and three that they cannot."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.biased, self.plain = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 18, 1, bias=False)
        self.wide, self.strided, self.read = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1, 2), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        read = self.read(x)
        return (
            F.pixel_shuffle(self.biased(x), 2),
            F.pixel_shuffle(self.plain(x), 3),
            F.pixel_shuffle(self.wide(x), 2),
            F.pixel_shuffle(self.strided(x), 2),
            F.pixel_shuffle(read, 2) + read.sum(),
        )


@pytest.mark.parametrize(("any_size", "merged"), [(False, 2), (True, 1)])
def test_pointwise_convolutions_shuffle_pixels_where_they_can(tmp_path: Path, any_size: bool, merged: int) -> None:
    """A bias is merged only if the map's size is known."""
    model = traced(Shuffled(), tmp_path, any_size)
    before = answers(model)
    merge_pixel_shuffles(model)
    onnx.checker.check_model(model)
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("ConvTranspose"), kinds.count("DepthToSpace")) == (merged, 5 - merged)
    assert all(used(model, node) for node in model.graph.node)
    for ours, theirs in zip(answers(model), before, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
