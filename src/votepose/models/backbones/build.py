"""The backbones: pixels -> feature maps. The paper (III-B) names MobileNetV3 and MaxViT; `lite` and `movenet` are ours.

| name      | trunk                                         | channels      | strides   | million parameters |
|-----------|-----------------------------------------------|---------------|-----------|--------------------|
| `mobile`  | MobileNetV3-Large                             | 40, 112, 960  | 8, 16, 32 | 2.97               |
| `maxvit`  | MaxViT-Tiny, first three stages               | 256           | 16        | 12.27              |
| `lite`    | EfficientNet-Lite0                            | 40, 112, 320  | 8, 16, 32 | 2.96               |
| `movenet` | MoveNet MultiPose (MobileNetV2 1.5, FPN)      | 402, 144, 480 | 4, 16, 32 | 4.72               |

Classifier heads and unused stages are not built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from votepose.errors import VoteposeError
from votepose.models.backbones._torchvision import ensure_importable
from votepose.models.backbones.movenet import MoveNet
from votepose.models.features import FeatureSpec

Part = Literal["none", "stem", "trunk", "all"]


@dataclass(frozen=True)
class _Spec:
    """A backbone.

    Attributes:
        model: its name in timm.
        stages: the stages whose output is used.
        stem: its first, high-resolution parts.
        head: its last parts, which stay trainable when the trunk is frozen.
        early: the stages that only a refiner with `NetworkConfig.fine_refiner` uses.
    """

    model: str
    stages: tuple[int, ...]
    stem: tuple[str, ...]
    head: tuple[str, ...]
    early: tuple[int, ...] = ()


_EFFICIENT = ("conv_stem", "bn1", "blocks.0", "blocks.1"), ("blocks.5", "blocks.6")  # stem and head of both
# MobileNetV3 with TensorFlow's padding, as `lite` has it, so that their maps lie at the same places. MaxViT with
# relative positions from an MLP, which, unlike tables of biases, works at every input size.
_TIMM = {
    "mobile": _Spec("tf_mobilenetv3_large_100", (2, 3, 4), *_EFFICIENT, early=(1,)),
    "maxvit": _Spec("maxvit_rmlp_tiny_rw_256", (3,), ("stem", "stages_0"), ("stages_2",)),
    "lite": _Spec("tf_efficientnet_lite0", (2, 3, 4), *_EFFICIENT, early=(1,)),
}
_MOVENET = _Spec("", (), ("stem", "blocks.0", "blocks.1", "blocks.2"), ("laterals", "smooth", "hidden", "heads"))


class Backbone(nn.Module):
    """Images (B, 3, H, W) RGB, uint8 or float in 0..255, sides multiples of 32 -> feature maps, finest first (early
    maps, which only the refiner uses, come last).

    Attributes:
        channels, strides: those of each map that F is computed from.
        early: channels and stride of each early map; MoveNet describes its own.
        trunk: the network; its parameters are named as in the published weights.
        stem: names of the parts of the trunk that `freeze(..., "stem")` freezes: few weights, at high resolution.
        head: names of the parts that `freeze(..., "trunk")` leaves trainable.
        frozen: the part frozen by the last call of `freeze`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        channels: Sequence[int],
        strides: Sequence[int],
        spec: _Spec,
        mean: Sequence[float],
        std: Sequence[float],
        early: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        self.trunk, self.stem, self.head = trunk, spec.stem, spec.head
        self.channels, self.strides, self.early = tuple(channels), tuple(strides), tuple(early)
        # The trunk's input statistics, in 0..255; constants of the architecture, so not part of the weights.
        self.register_buffer("mean", 255 * torch.tensor(mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).reshape(3, 1, 1), persistent=False)
        self.frozen: Part = "none"

    def forward(self, images: Tensor) -> list[Tensor]:
        self.fit_windows(images.shape[-2], images.shape[-1])
        maps: list[Tensor] = self.trunk(self.normalised(images))
        if not self.early:
            return maps
        count = len(self.early)
        return maps[count:] + maps[:count]

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """The maps that `roi_features` returns."""
        if isinstance(self.trunk, MoveNet):
            return self.trunk.feature_specs
        finest, maps = self.strides[0], zip(self.channels, self.strides, strict=True)
        return tuple(FeatureSpec(c, s, s / finest) for c, s in (*maps, *self.early))

    def roi_features(self, maps: list[Tensor]) -> list[Tensor]:
        """The maps that the refiner uses, selected from the output of `forward`."""
        return self.trunk.roi_features(maps) if isinstance(self.trunk, MoveNet) else maps

    def normalised(self, images: Tensor) -> Tensor:
        """Images in 0..255 -> the trunk's input."""
        return (images.to(self.mean.dtype) - self.mean) / self.std

    def train(self, mode: bool = True) -> Backbone:
        """As `nn.Module.train`, but frozen parts stay in eval mode, so that their BatchNorm does not adapt."""
        super().train(mode)
        if self.frozen == "stem":
            for name in self.stem:
                self.trunk.get_submodule(name).eval()
        elif self.frozen != "none":
            self.trunk.eval()
        if self.frozen == "trunk":
            for name in self.head:
                self.trunk.get_submodule(name).train(mode)
        return self

    def fit_windows(self, height: int, width: int) -> None:
        """Set MaxViT's windows and grids to 1/32 of the input's side, as in its paper, at any input size."""
        size = (height // 32, width // 32)
        layers: list[Any] = [m for m in self.trunk.modules() if hasattr(m, "set_partition_size")]
        for layer in layers:
            if layer.partition_size != size:
                layer.set_partition_size(size)


def build_backbone(name: str, pretrained: bool = False, weights: Path | None = None, early: bool = False) -> Backbone:
    """Build a backbone.

    Args:
        name: `mobile`, `maxvit`, `lite` or `movenet`.
        pretrained: download ImageNet weights with timm; ignored if `weights` is given.
        weights: a safetensors file of the trunk's weights (`scripts/convert_*.py` write them).
        early: whether `mobile` or `lite` also returns its map of stride 4; `movenet` always returns its early maps.

    Raises:
        VoteposeError: if there is no such backbone, the download fails, or the file does not fit.
    """
    if name == "movenet":
        if pretrained and weights is None:
            raise VoteposeError("movenet has no weights to download: use --backbone-weights FILE or no --pretrained")
        trunk = MoveNet()
        backbone = Backbone(trunk, trunk.channels, trunk.strides, _MOVENET, (0.5,) * 3, (0.5,) * 3)
    elif name in _TIMM:
        backbone = _from_timm(_TIMM[name], pretrained and weights is None, early)
    else:
        raise VoteposeError(f"no backbone {name!r}: choose from {', '.join((*_TIMM, 'movenet'))}")
    if weights is not None:
        load_trunk(backbone.trunk, weights, f"{name} backbone")
    return backbone


def freeze(backbone: Backbone, part: Part) -> None:
    """Freeze a part of the backbone: `none`, `stem`, `trunk` (all but its head) or `all`."""
    stem, head = (tuple(f"{name}." for name in names) for names in (backbone.stem, backbone.head))
    for name, parameter in backbone.trunk.named_parameters():
        parameter.requires_grad = {
            "none": True,
            "stem": not name.startswith(stem),
            "trunk": name.startswith(head),
            "all": False,
        }[part]
    backbone.frozen = part
    backbone.train(backbone.training)


def _from_timm(spec: _Spec, pretrained: bool, early: bool) -> Backbone:
    ensure_importable()
    import timm  # slow to import, and not needed for `movenet`

    first = spec.early if early else ()
    try:
        trunk = timm.create_model(
            spec.model, pretrained=pretrained, features_only=True, out_indices=(*first, *spec.stages)
        )
    except Exception as error:
        if not pretrained:
            raise
        # Hub clients raise the exceptions of their HTTP library.
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise VoteposeError(
            f"cannot download the weights of {spec.model} ({reason}): "
            "use --backbone-weights FILE or --weights FILE, or leave out --pretrained"
        ) from None
    info: Any = trunk.feature_info
    config: Any = timm.get_pretrained_cfg(spec.model)
    maps = list(zip(info.channels(), info.reduction(), strict=True))
    channels, strides = zip(*maps[len(first) :], strict=True)
    return Backbone(trunk, channels, strides, spec, config.mean, config.std, maps[: len(first)])


def load_trunk(trunk: nn.Module, path: Path, name: str, prefix: str = "backbone.trunk.") -> None:
    """Load a trunk's weights, of any float precision; the trunk is unchanged if that fails.

    Args:
        trunk: the trunk.
        path: safetensors of the trunk alone, or of a whole network, whose names of the trunk's tensors have `prefix`.
        name: name of the trunk in messages.
        prefix: see `path`.

    Raises:
        VoteposeError: if the file does not fit.
    """
    if not path.is_file():
        raise VoteposeError(f"{path}: no such weights file for the {name}")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise VoteposeError(f"{path}: not a readable safetensors file ({error}): use one for the {name}") from None
    state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)} or state
    state, wanted = (
        {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
        for tensors in (state, trunk.state_dict())
    )
    wrong = [k for k, v in wanted.items() if k not in state or state[k].shape != v.shape]
    if wrong or len(state) != len(wanted):
        raise VoteposeError(
            f"{path}: not weights of the {name} ({len(state)} tensors instead of {len(wanted)}, "
            f"{len(wrong)} missing or of another shape): convert them with scripts/"
        )
    trunk.load_state_dict(state, strict=False)
