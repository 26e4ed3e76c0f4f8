"""The four backbones: shapes, sizes, pixels in, and what freezing leaves trainable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from helpers import tiny
from votepose.errors import VoteposeError
from votepose.models.backbones.build import Backbone, build_backbone, freeze
from votepose.models.checkpoint import load_network

NAMES = ("mobile", "maxvit", "lite", "movenet")
PARAMETERS = {"mobile": 2_971_952, "maxvit": 12_271_608, "lite": 2_958_848, "movenet": 4_723_346}


@pytest.fixture(scope="module")
def backbones() -> dict[str, Backbone]:
    """Every backbone with random weights, in eval mode; not to be changed."""
    return {name: build_backbone(name).eval() for name in NAMES}


def pixels(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, 3, height, width), dtype=torch.uint8, generator=generator)


def batch_norms(module: nn.Module) -> dict[str, nn.BatchNorm2d]:
    return {name: m for name, m in module.named_modules() if isinstance(m, nn.BatchNorm2d)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160), (128, 32)])
@torch.no_grad()
def test_maps_have_the_announced_channels_and_strides(
    backbones: dict[str, Backbone], name: str, height: int, width: int
) -> None:
    backbone = backbones[name]
    maps = backbone(pixels(height, width))
    expected = [(1, c, height // s, width // s) for c, s in zip(backbone.channels, backbone.strides, strict=True)]
    assert [tuple(x.shape) for x in maps[: len(expected)]] == expected
    feature_specs = [(1, d.channels, height // d.stride, width // d.stride) for d in backbone.feature_specs]
    assert [tuple(x.shape) for x in backbone.roi_features(maps)] == feature_specs
    assert list(backbone.strides) == sorted(backbone.strides)


@torch.no_grad()
def test_lite_s_early_map_comes_last_and_changes_no_other(backbones: dict[str, Backbone]) -> None:
    early = build_backbone("lite", early=True).eval()
    early.trunk.load_state_dict(backbones["lite"].trunk.state_dict())
    image = pixels(64, 96)
    plain, maps = backbones["lite"](image), early(image)
    assert (early.channels, early.strides) == (backbones["lite"].channels, backbones["lite"].strides)
    assert all(torch.equal(a, b) for a, b in zip(plain, maps[:3], strict=True))
    assert maps[3].shape == (1, 24, 16, 24)
    assert [spec.reduction for spec in early.feature_specs] == [1, 2, 4, 0.5]


@torch.no_grad()
def test_maxvit_gives_the_same_after_it_has_seen_another_size(backbones: dict[str, Backbone]) -> None:
    backbone, small = backbones["maxvit"], pixels(64, 96)
    before = backbone(small)[0]
    backbone(pixels(128, 128))
    torch.testing.assert_close(backbone(small)[0], before)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_counted_exactly_and_all_of_them_are_used(name: str) -> None:
    backbone = build_backbone(name).train()
    assert sum(p.numel() for p in backbone.parameters()) == PARAMETERS[name]
    torch.stack([x.float().square().sum() for x in backbone(pixels(64, 64).expand(2, -1, -1, -1))]).sum().backward()
    assert [n for n, p in backbone.named_parameters() if p.grad is None] == []


def test_sizes_agree_with_the_paper(backbones: dict[str, Backbone]) -> None:
    """MaxViT's first three stages hold 12.6 M (paper, Table 1, as DESIGN reads it)."""
    assert sum(p.numel() for p in backbones["maxvit"].parameters()) == pytest.approx(12.6e6, rel=0.05)
    assert sum(p.numel() for p in backbones["mobile"].parameters()) == pytest.approx(3.0e6, rel=0.05)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_bytes_and_floats_of_the_same_picture_are_the_same(backbones: dict[str, Backbone], name: str) -> None:
    image = pixels(64, 64)
    for a, b in zip(backbones[name](image), backbones[name](image.float()), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["lite", "movenet"])
def test_pixels_are_brought_to_minus_one_to_one(backbones: dict[str, Backbone], name: str) -> None:
    backbone = backbones[name]
    ends = torch.tensor([0.0, 127.5, 255.0])
    assert torch.equal((ends - backbone.mean[0, 0]) / backbone.std[0, 0], torch.tensor([-1.0, 0.0, 1.0]))


def test_normalisation_is_not_part_of_the_weights(backbones: dict[str, Backbone]) -> None:
    assert all(key.startswith("trunk.") for backbone in backbones.values() for key in backbone.state_dict())


@pytest.mark.parametrize("name", NAMES)
def test_freezing_the_trunk_leaves_its_head(name: str) -> None:
    backbone = build_backbone(name).train()
    freeze(backbone, "trunk")
    trains = {n for n, p in backbone.trunk.named_parameters() if p.requires_grad}
    assert trains == {n for n, _ in backbone.trunk.named_parameters() if n.startswith(backbone.head)}
    assert 0 < len(trains) < len(list(backbone.parameters()))
    assert all(m.training == n.startswith(backbone.head) for n, m in batch_norms(backbone.trunk).items())


@pytest.mark.parametrize("name", NAMES)
def test_freezing_the_stem_leaves_the_rest(name: str) -> None:
    backbone = build_backbone(name).train()
    freeze(backbone, "stem")
    stem = tuple(f"{part}." for part in backbone.stem)
    frozen = {n for n, p in backbone.trunk.named_parameters() if not p.requires_grad}
    assert frozen
    assert frozen == {n for n, _ in backbone.trunk.named_parameters() if n.startswith(stem)}
    assert all(m.training != f"{n}.".startswith(stem) for n, m in batch_norms(backbone.trunk).items())


def test_movenets_trunk_is_its_stem_blocks_and_top() -> None:
    backbone = build_backbone("movenet")
    freeze(backbone, "trunk")
    frozen = {n.partition(".")[0] for n, p in backbone.trunk.named_parameters() if not p.requires_grad}
    assert frozen == {"stem", "blocks", "top"}


def test_frozen_batch_norm_does_not_learn_and_thaws() -> None:
    backbone = build_backbone("lite")
    freeze(backbone, "all")
    backbone.train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    backbone(pixels(64, 64))
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())
    assert not any(p.requires_grad for p in backbone.parameters())
    freeze(backbone, "none")
    assert all(m.training for m in backbone.modules())
    assert all(p.requires_grad for p in backbone.parameters())
    backbone(pixels(64, 64))
    assert any(not torch.equal(v, before[k]) for k, v in backbone.state_dict().items())


def test_freezing_does_not_wake_a_network_at_rest() -> None:
    backbone = build_backbone("movenet").eval()
    freeze(backbone, "none")
    assert not any(m.training for m in backbone.modules())


def test_weights_are_read_back(tmp_path: Path) -> None:
    source, path = build_backbone("lite").eval(), tmp_path / "lite.safetensors"
    state = {k: v for k, v in source.trunk.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file({k: v.half().contiguous() for k, v in state.items()}, path)
    filled = build_backbone("lite", pretrained=True, weights=path).trunk.state_dict()  # a file: nothing to download
    assert all(torch.equal(filled[k], v.half().float()) for k, v in state.items())


def test_the_backbone_is_read_from_the_weights_of_a_network(tmp_path: Path) -> None:
    path = tiny.write_weights(tmp_path / "network.safetensors", seed=3)
    trained = load_network(path)[0].backbone.trunk.state_dict()
    filled = build_backbone("movenet", weights=path).trunk.state_dict()
    assert all(torch.equal(filled[name], value) for name, value in trained.items())
    with pytest.raises(VoteposeError, match=r"not weights of the lite backbone"):
        build_backbone("lite", weights=path)


def test_weights_of_another_backbone_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"stem.weight": torch.zeros(1)}, path)
    with pytest.raises(VoteposeError, match=r"not weights of the movenet backbone") as caught:
        build_backbone("movenet", weights=path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"no weights"])
def test_missing_and_broken_weights_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VoteposeError, match=r"w\.safetensors: "):
        build_backbone("movenet", weights=path)


def test_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    build_backbone("mobile")  # makes timm importable
    import timm

    def offline(*_: object, **__: object) -> nn.Module:
        raise ConnectionError("no route to host\nand much more")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(VoteposeError, match=r"no route to host.*or leave out --pretrained$") as caught:
        build_backbone("mobile", pretrained=True)
    assert "\n" not in str(caught.value)


def test_movenet_has_nothing_to_download() -> None:
    with pytest.raises(VoteposeError, match=r"--backbone-weights FILE or no --pretrained$"):
        build_backbone("movenet", pretrained=True)


def test_unknown_backbones_are_refused() -> None:
    with pytest.raises(VoteposeError, match="choose from mobile, maxvit, lite, movenet"):
        build_backbone("resnet")


def test_timm_imports_even_after_a_failed_import_of_torchvision() -> None:
    """Beside a CPU-only torch the first import fails and leaves half-made modules; elsewhere there is nothing to do."""
    script = """
try:
    import torchvision
except RuntimeError:
    pass
from votepose.models.backbones._torchvision import ensure_importable
assert ensure_importable() is ensure_importable()
import timm, torchvision
assert hasattr(torchvision, "ops")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
