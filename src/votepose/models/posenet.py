"""The network of the paper, whole: backbone -> F -> presence H -> [F;H] -> transformer -> votes.

And what we added to it: a second look at each person, and a witness whom it and the votes may hear.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.errors import VoteposeError
from votepose.models.backbones.build import build_backbone, fill_trunk
from votepose.models.backbones.movenet import MoveNet
from votepose.models.backbones.thunder import Thunder
from votepose.models.heads.heatmap import StackedHourglass, presence_head
from votepose.models.heads.proposals import Pointer, Prior
from votepose.models.heads.refiner import Look, SecondLook
from votepose.models.heads.roi_align import MARGIN, Detail, Frame, crop
from votepose.models.heads.vote_transformer import GroupingTransformer, mlp
from votepose.skeleton import COCO_17

_VECTOR_UNIT = 16.0  # cells: outputs are of order one
_CORRECTION_UNIT = 4.0  # cells: likewise, where a vote starts from a proposed pose


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that sets one network apart from another.

    Attributes:
        backbone: `mobile`, `maxvit`, `lite` or `movenet` (see `network.backbone`).
        keypoints: K; a pose vector has 2 K numbers.
        stride: input pixels a map cell; a 512-pixel input at stride 8 makes the paper's M = 64.
        channels: of the feature map F (256 in the paper).
        hourglass, transformer: False replaces the branch by a 1x1 head (paper V-F).
        stacks, depth, hourglass_width: of the stacked hourglass.
        width, heads, encoder_layers, decoder_layers, patch: of the transformer; a memory token is `patch` cells wide.
        vectors: `absolute` (paper) or `residual`, offsets from the cell that votes.
        relative: rotary positions in the transformer in place of added sine embeddings.
        scales: each vote also says how unsure it is of each joint (log of a Laplace scale).
        second_look: channels of the second look at each person, at its finest; 0 leaves it out.
        witness: second look and votes also hear MoveNet Thunder (17 keypoints; see `network.thunder`).
        prior: presence and votes start from the backbone's own beliefs (`movenet` only; see `network.prior`).
    """

    backbone: str
    keypoints: int = 17
    stride: int = 8
    channels: int = 256
    hourglass: bool = True
    stacks: int = 2
    depth: int = 4
    hourglass_width: int = 128
    transformer: bool = True
    width: int = 256
    heads: int = 8
    encoder_layers: int = 2
    decoder_layers: int = 2
    patch: int = 4
    vectors: Literal["absolute", "residual"] = "residual"
    relative: bool = True
    scales: bool = True
    second_look: int = 0
    witness: bool = False
    prior: bool = False


@dataclass(frozen=True)
class Maps:
    """What the network knows of a batch before any cell is asked.

    Attributes:
        features: [F;H] (B, C + 1, h, w).
        presence: presence logits of every stack, each (B, h, w); the last counts.
        memory, memory_positions: the encoder's (B, T, D) and (T, 2) in cells; None without transformer.
        details: what the second look crops: the backbone's maps, or the most telling channels of them, and the
            witness'.
        prior: what the backbone believes by itself; None where it believes nothing.
    """

    features: Tensor
    presence: list[Tensor]
    memory: Tensor | None
    memory_positions: Tensor | None
    details: list[Tensor]
    prior: Prior | None


@dataclass(frozen=True)
class Votes:
    """Pose vectors of Q cells an image.

    Attributes:
        poses: (B, Q, K, 2) joints in map coordinates, whatever the parametrisation.
        log_scales: (B, Q, K) log of the Laplace scale in cells; zeros where the network has none.
    """

    poses: Tensor
    log_scales: Tensor


class PoseNet(nn.Module):
    """Images -> presence and votes. `NetworkConfig` sets the parts; `Maps`, `Votes` and `Look` are what comes out."""

    def __init__(
        self,
        config: NetworkConfig,
        pretrained: bool = False,
        backbone_weights: Path | None = None,
        witness_weights: Path | None = None,
    ) -> None:
        super().__init__()
        if config.prior and (config.backbone, config.keypoints, config.stride) != ("movenet", len(COCO_17), 4):
            raise VoteposeError(f"only the movenet backbone has a prior, of {len(COCO_17)} keypoints at stride 4")
        if config.witness and config.keypoints != len(COCO_17):
            raise VoteposeError(f"the witness knows {len(COCO_17)} keypoints, not {config.keypoints}")
        self.config = config
        self.backbone = build_backbone(config.backbone, pretrained, backbone_weights)
        self.witness = Thunder() if config.witness and config.second_look else None
        if self.witness is not None:
            self.witness.requires_grad_(False)  # a witness is not taught what to say, unless all is taught
            if witness_weights is not None:
                fill_trunk(self.witness, witness_weights, "witness")
        sources = (*self.backbone.channels, *(detail.channels for detail in self._heard))
        project = [nn.Conv2d(c, config.channels, 1, bias=False) for c in sources]
        for heard in project[len(self.backbone.channels) :]:
            nn.init.zeros_(heard.weight)  # a fresh network does not listen
        self.project = nn.ModuleList(project)
        self.norm = nn.BatchNorm2d(config.channels)
        rate = 0.5 if config.prior else 0.02  # of cells that lie on a keypoint, as a fresh network believes
        self.presence: nn.Module = (
            StackedHourglass(config.channels, config.hourglass_width, config.stacks, config.depth, rate)
            if config.hourglass
            else presence_head(config.channels, rate)
        )
        self.transformer = (
            GroupingTransformer(
                config.channels,
                config.width,
                config.heads,
                config.encoder_layers,
                config.decoder_layers,
                config.patch,
                config.relative,
            )
            if config.transformer
            else None
        )
        self.pointer = Pointer(config.channels, config.width) if config.prior and config.transformer else None
        outputs = config.keypoints * (3 if config.scales else 2)
        self.vector = (
            mlp(config.width, config.width, outputs, 1e-3 if config.prior else None)
            if config.transformer
            else nn.Linear(config.channels + 1, outputs)  # a 1x1 convolution over [F;H]
        )
        detailed = self.detailed
        if config.second_look and not {1, 2, 4} <= {detail.reduction for detail in detailed}:
            raise VoteposeError(f"the {config.backbone} backbone has not the three maps that a second look wants")
        self.second_look = SecondLook(detailed, config.keypoints, config.second_look) if config.second_look else None

    def forward(self, images: Tensor) -> tuple[Tensor, Votes]:
        """Images (B, 3, H, W), uint8 or 0..255 -> presence logits (B, h, w) and the dense field of votes, Q = h w."""
        maps = self.encode(images)
        height, width = maps.presence[-1].shape[-2:]
        every = torch.arange(height * width, device=images.device)
        return maps.presence[-1], self.ask(maps, every[None].expand(len(images), -1))

    def encode(self, images: Tensor) -> Maps:
        """Everything that is computed once an image. Sides must be multiples of 32."""
        maps, testimony = self.backbone(images), self.testimony(images)
        return replace(self._believe(maps, testimony, images), details=[*self.backbone.details(maps), *testimony])

    def encode_for_votes(self, images: Tensor) -> Maps:
        """Likewise for votes alone: without details, and no gradient reaches backbone and witness."""
        with torch.no_grad():
            maps, testimony = self.backbone(images), self.testimony(images)
        torch.clear_autocast_cache()  # or weights cast without gradient would be taken again where it is wanted
        return self._believe(maps, testimony, images)

    def testimony(self, images: Tensor) -> list[Tensor]:
        """What the witness sees: the last of `Maps.details`."""
        return self.witness(images.to(self.backbone.mean.dtype) / 127.5 - 1) if self.witness is not None else []

    def _believe(self, maps: Sequence[Tensor], testimony: Sequence[Tensor], images: Tensor) -> Maps:
        """The backbone's maps and the witness' -> what cells can be asked about."""
        prior = (
            self.backbone.trunk.prior(maps[0])
            if isinstance(self.backbone.trunk, MoveNet) and self.config.prior
            else None
        )
        features = self._joined(maps, testimony, images)
        logits = self.presence(features)
        logits = [x[:, 0].float() for x in (logits if isinstance(logits, list) else [logits])]
        if prior is not None:
            logits = [x + prior.presence for x in logits]
        features = torch.cat([features, logits[-1].sigmoid()[:, None].to(features.dtype)], dim=1)
        memory, positions = self.transformer.encode(features) if self.transformer else (None, None)
        return Maps(features, logits, memory, positions, [], prior)

    def features(self, images: Tensor) -> Tensor:
        """Images -> the feature map F (B, C, h, w) alone."""
        return self._joined(self.backbone(images), self.testimony(images), images)

    def _joined(self, maps: Sequence[Tensor], testimony: Sequence[Tensor], images: Tensor) -> Tensor:
        """The backbone's maps and the witness' -> the feature map F."""
        size = [side // self.config.stride for side in images.shape[-2:]]
        total: Tensor | None = None
        told = [*maps[: len(self.backbone.channels)], *testimony]  # early maps are for the second look alone
        for project, x in zip(self.project, told, strict=True):
            x = resize(project(x), size)
            total = x if total is None else total + x
        return F.relu(self.norm(total))

    @property
    def detailed(self) -> tuple[Detail, ...]:
        """What `Maps.details` holds."""
        return self.backbone.detailed + self._heard

    @property
    def _heard(self) -> tuple[Detail, ...]:
        """What `testimony` holds."""
        return self.witness.detailed if self.witness is not None else ()

    def ask(self, maps: Maps, cells: Tensor) -> Votes:
        """The votes of chosen cells (B, Q), given by flat index: row * width + column."""
        width = maps.features.shape[-1]
        picked = _pick(maps.features, cells)
        positions = torch.stack([cells % width, torch.div(cells, width, rounding_mode="floor")], dim=-1) + 0.5
        if self.transformer is not None:
            assert maps.memory is not None
            assert maps.memory_positions is not None
            picked = self.transformer.decode(picked, positions, maps.memory, maps.memory_positions)
        with torch.autocast(picked.device.type, enabled=False):  # bf16 would round coordinates to a quarter of a cell
            values = self.vector(picked.float())
        if self.pointer is not None and maps.prior is not None:
            start = self.pointer(picked, positions, _pick(maps.features, maps.prior.cells), maps.prior)
            return self._votes(values, start, positions, maps)
        return self._votes(values, None, positions, maps)

    def _votes(self, values: Tensor, start: Tensor | None, positions: Tensor, maps: Maps) -> Votes:
        k = self.config.keypoints
        vectors = values[..., : 2 * k].unflatten(-1, (k, 2)) * (_VECTOR_UNIT if start is None else _CORRECTION_UNIT)
        if start is not None:
            poses = start + vectors
        elif self.config.vectors == "residual":
            poses = positions[:, :, None] + vectors
        else:  # a fresh network points at the map's middle
            height, width = maps.features.shape[-2:]
            poses = vectors + torch.tensor([width / 2, height / 2], device=vectors.device)
        if not self.config.scales:
            return Votes(poses, torch.zeros_like(poses[..., 0]))
        return Votes(poses, (values[..., 2 * k :] + math.log(4.0)).clamp(-4, 5))

    def look_again(
        self, pyramid: Sequence[Maps], poses: Tensor, image_index: Tensor, kappas: Tensor, margin: float = MARGIN
    ) -> Look:
        """Look again at P poses (P, K, 2), in the first level's cells, of the images `image_index` (P,).

        `pyramid`: the maps of each level, each half the size of the one before. `kappas`: (K,) of the skeleton.
        `margin`: of the crops, see `Frame.around`.
        """
        assert self.second_look is not None
        # Somebody more, who is dropped again: not every runtime knows how to reduce, pool or convolve nobody.
        poses = torch.cat([poses, poses.new_ones(1, self.config.keypoints, 2)])
        image_index = torch.cat([image_index, torch.zeros(1, dtype=torch.long, device=poses.device)])
        frame = Frame.around(poses, image_index, margin)
        crops = self.crop(pyramid, frame)
        look = self.second_look(crops, frame.into(poses), kappas)
        return Look(
            frame.back(look.poses)[:-1], look.confidences[:-1], look.seen[:-1], look.quality[:-1], look.heat[:-1]
        )

    def crop(self, pyramid: Sequence[Maps], frame: Frame) -> list[Tensor]:
        """What the second look sees of the people in `frame` (see `crops.crop`)."""
        return crop([maps.details for maps in pyramid], self.detailed, self.config.stride, frame)

    def parts(self) -> Iterator[tuple[str, int]]:
        """(name, number of parameters) of each part."""
        for name, module in self.named_children():
            yield name, sum(p.numel() for p in module.parameters())


def _pick(maps: Tensor, cells: Tensor) -> Tensor:
    """Values of maps (B, C, h, w) at cells (B, Q), flat: (B, Q, C)."""
    return maps.flatten(2).gather(2, cells[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)


def resize(x: Tensor, size: list[int]) -> Tensor:
    if list(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
