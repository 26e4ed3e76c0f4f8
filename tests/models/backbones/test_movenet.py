"""MoveNet as a backbone: TensorFlow's padding, and the conversion of its weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers.scripts_of import script
from votepose.models.backbones.build import load_trunk
from votepose.models.backbones.mobilenetv2_fpn import Conv, InvertedResidual
from votepose.models.backbones.movenet import MoveNet
from votepose.models.backbones.thunder import Thunder

convert_movenet = script("convert_movenet")


def save_tfjs(stem: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write tensors as TensorFlow.js does: fp16 values end to end, and a json that says what lies where."""
    entries = [
        {"name": n, "shape": list(v.shape), "dtype": "float32", "quantization": {"dtype": "float16"}}
        for n, v in tensors.items()
    ]
    stem.with_suffix(".json").write_text(json.dumps({"weightsManifest": [{"weights": entries}]}))
    stem.with_suffix(".bin").write_bytes(b"".join(v.astype(np.float16).tobytes() for v in tensors.values()))


def same_convolution(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """A 3x3 convolution (H, W) as TensorFlow documents SAME: output ceil(n / stride), the odd padding pixel last."""
    outputs = [-(-n // stride) for n in x.shape]
    totals = [max((m - 1) * stride + 3 - n, 0) for m, n in zip(outputs, x.shape, strict=True)]
    padded = np.pad(x, [(t // 2, t - t // 2) for t in totals])
    return np.array(
        [
            [
                (padded[i * stride : i * stride + 3, j * stride : j * stride + 3] * kernel).sum()
                for j in range(outputs[1])
            ]
            for i in range(outputs[0])
        ]
    )


@pytest.mark.parametrize("stride", [1, 2])
@torch.no_grad()
def test_padding_is_tensorflows_same(stride: int) -> None:
    random = np.random.default_rng(0)
    x, kernel = random.normal(size=(8, 6)), random.normal(size=(3, 3))
    layer = Conv(1, 1, 3, stride, activation="none", bias=False).double()
    layer.weight.copy_(torch.from_numpy(kernel))
    np.testing.assert_allclose(layer(torch.from_numpy(x)[None, None])[0, 0], same_convolution(x, kernel, stride))


def test_there_is_no_batch_norm_to_keep_quiet() -> None:
    assert not any(isinstance(m, nn.BatchNorm2d) for m in MoveNet().modules())


def test_a_tfjs_file_is_read_by_name_in_order(tmp_path: Path) -> None:
    tensors = {"b": np.arange(6.0).reshape(1, 2, 3), "scalar": np.array(7.0), "a": np.array([-1.0, 0.5])}
    save_tfjs(tmp_path / "tiny", tensors)
    read = convert_movenet.read_tfjs(tmp_path / "tiny")
    assert list(read) == list(tensors)
    assert all(np.array_equal(read[n], v) and read[n].dtype == np.float16 for n, v in tensors.items())


def source(network: nn.Module) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(Tensors of a TensorFlow.js file, by their names there; the same, by their names in the network.)"""
    random, tensors, expected = np.random.default_rng(0), {}, {}
    state = network.state_dict()
    boxes = [f"{convert_movenet.ROOT}box_scale_0"] if isinstance(network, MoveNet) else []  # only MultiPose has boxes
    for module, (kernel_name, bias_name) in convert_movenet.source_names(boxes).items():
        weight = random.standard_normal(tuple(state[module + ".weight"].shape), np.float32).astype(np.float16)
        outputs, inputs, height, width = weight.shape
        # TensorFlow's order: (h, w, channels, 1) for depthwise kernels, (h, w, inputs, outputs) for others
        depthwise = module.endswith("depthwise")
        last = (outputs, inputs) if depthwise else (inputs, outputs)
        kernel = np.zeros((height, width, *last), np.float16)
        for i in range(height):
            for j in range(width):
                kernel[i, j] = weight[:, :, i, j] if depthwise else weight[:, :, i, j].T
        tensors[kernel_name], expected[module + ".weight"] = kernel, weight
        if bias_name is not None:
            expected[module + ".bias"] = tensors[bias_name] = random.standard_normal(outputs).astype(np.float16)
    return tensors, expected


@pytest.mark.parametrize("build", [MoveNet, Thunder])
@torch.no_grad()
def test_converted_weights_fill_the_network_and_keep_their_places(
    tmp_path: Path, build: type[MoveNet | Thunder]
) -> None:
    network = build()
    tensors, expected = source(network)
    save_tfjs(tmp_path / "source", tensors)
    convert_movenet.convert(tmp_path / "source", tmp_path / "converted.safetensors")
    load_trunk(network, tmp_path / "converted.safetensors", "network")
    filled = network.state_dict()
    assert set(filled) == set(expected)
    assert all(np.array_equal(filled[name].numpy(), value.astype(np.float32)) for name, value in expected.items())


@torch.no_grad()
def test_thunder_says_what_is_in_its_maps_and_moves_with_the_picture() -> None:
    torch.manual_seed(0)
    thunder, image = Thunder().eval(), torch.rand(1, 3, 128, 160) * 2 - 1
    maps = thunder(image)
    assert [tuple(x.shape[1:]) for x in maps] == [
        (d.channels, 128 // d.stride, 160 // d.stride) for d in thunder.feature_specs
    ]
    flat = thunder(torch.zeros(1, 3, 128, 160))[0][0, :, 16, 20]  # far from the borders
    torch.testing.assert_close(flat, thunder(torch.zeros(1, 3, 256, 256))[0][0, :, 32, 32], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("strips", "stride"), [(8, 1), (8, 2), (4, 2)])
def test_strips_give_what_the_whole_map_gives(strips: int, stride: int) -> None:
    torch.manual_seed(0)
    block = InvertedResidual(8, 8, stride, 6, strips)
    x = torch.randn(2, 8, strips * stride * 2, 10)
    with torch.no_grad():
        in_strips = block(x)
    torch.testing.assert_close(in_strips, block(x).detach(), atol=1e-5, rtol=0)
