"""The complete network of the paper: backbone -> F -> presence H -> [F;H] -> transformer -> votes.

Our additions are keypoint maps, a refiner of pooled poses, an auxiliary backbone used by refiner and votes, votes that
start from proposed poses, and a focus head.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose.errors import VoteposeError
from votepose.models.backbones.build import build_backbone, load_trunk
from votepose.models.backbones.movenet import MoveNet
from votepose.models.backbones.thunder import Thunder
from votepose.models.config import NetworkConfig
from votepose.models.features import HEATMAP_LOGIT_SCALE, FeatureMaps, FeatureSpec, context_feature
from votepose.models.heads.focus import FocusHead
from votepose.models.heads.heatmap import StackedHourglass, presence_head
from votepose.models.heads.keypoint_maps import FINER, KeypointMapHead
from votepose.models.heads.proposals import ProposalAttention
from votepose.models.heads.refiner import PoseRefiner
from votepose.models.heads.roi_align import WIDE_MARGIN, RoiGrid, roi_align
from votepose.models.heads.vote_transformer import GroupingTransformer, mlp
from votepose.models.outputs import RefinedPoses, Votes
from votepose.skeleton import COCO_17

_VECTOR_UNIT = 16.0  # in cells, so that outputs are of order one
_CORRECTION_UNIT = 4.0  # the same for votes that start from a proposed pose


class PoseNet(nn.Module):
    """Images -> presence and votes. `NetworkConfig` sets the parts; the outputs are `FeatureMaps`, `Votes`,
    `RefinedPoses`.

    Args:
        config: the parts and their sizes.
        pretrained: download the backbone's ImageNet weights with timm.
        backbone_weights, aux_weights: safetensors of the trunks of the backbone and the auxiliary backbone, or of
            networks that have them.

    Raises:
        VoteposeError: if the parts do not go together, or weights cannot be loaded.
    """

    def __init__(
        self,
        config: NetworkConfig,
        pretrained: bool = False,
        backbone_weights: Path | None = None,
        aux_weights: Path | None = None,
    ) -> None:
        super().__init__()
        _require_parts(config)
        self.config = config
        self.backbone = build_backbone(config.backbone, pretrained, backbone_weights, config.fine_refiner)
        self.aux_backbone = Thunder() if config.aux_backbone and config.refiner else None
        if self.aux_backbone is not None:
            self.aux_backbone.requires_grad_(False)  # frozen, except in the joint stage
            if aux_weights is not None:
                load_trunk(self.aux_backbone, aux_weights, "auxiliary backbone", "aux_backbone.")
        sources = (*self.backbone.channels, *(spec.channels for spec in self._aux_specs))
        project = [nn.Conv2d(c, config.channels, 1, bias=False) for c in sources]
        for aux in project[len(self.backbone.channels) :]:
            nn.init.zeros_(aux.weight)  # initially not used
        self.project = nn.ModuleList(project)
        self.norm = nn.BatchNorm2d(config.channels)
        self.presence = _presence_branch(config)
        self.transformer = _transformer(config, self.backbone.strides[0]) if config.transformer else None
        attend = config.proposals and config.transformer
        self.proposal_attention = ProposalAttention(config.channels, config.width) if attend else None
        outputs = config.keypoints * (3 if config.scales else 2)
        self.vector = (
            mlp(config.width, config.width, outputs, 1e-3 if config.proposals else None)
            if config.transformer
            else nn.Linear(config.channels + 1, outputs)  # a 1x1 convolution over [F;H]
        )
        specs = self.feature_specs
        if config.refiner and not {1, 2, 4} <= {spec.reduction for spec in specs}:
            raise VoteposeError(f"the {config.backbone} backbone lacks the three maps that the refiner needs")
        self.refiner = PoseRefiner(specs, config.keypoints, config.refiner) if config.refiner else None
        head = (config.channels, config.keypoint_maps, config.keypoints)
        self.keypoint_maps = KeypointMapHead(*head) if config.keypoint_maps else None
        self.focus = FocusHead(config.channels + 1, config.focus, config.stride) if config.focus else None

    def forward(self, images: Tensor) -> tuple[Tensor, Votes]:
        """Images (B, 3, H, W), uint8 or 0..255 -> presence logits (B, h, w) and the dense field of votes, Q = h w."""
        maps = self.encode(images)
        height, width = maps.presence[-1].shape[-2:]
        every = torch.arange(height * width, device=images.device)
        return maps.presence[-1], self.predict_votes(maps, every[None].expand(len(images), -1))

    def encode(self, images: Tensor) -> FeatureMaps:
        """Compute everything that is needed once per image. Sides must be multiples of 32."""
        maps, aux = self.backbone(images), self.aux_features(images)
        decoded = self._decode(maps, aux, images)
        features = [*self.backbone.roi_features(maps), *aux]
        if self.config.fine_refiner:
            assert decoded.keypoint_maps is not None
            features.append(decoded.keypoint_maps.logits.detach() / HEATMAP_LOGIT_SCALE)  # they have their own loss
        return replace(decoded, roi_features=features)

    def encode_frozen(self, images: Tensor) -> FeatureMaps:
        """As `encode`, but without the refiner's features, and without gradients to either backbone."""
        with torch.no_grad():
            maps, aux = self.backbone(images), self.aux_features(images)
        torch.clear_autocast_cache()  # weights cast without gradient must not be reused with gradient
        return self._decode(maps, aux, images)

    def aux_features(self, images: Tensor) -> list[Tensor]:
        """The auxiliary backbone's maps, the last of `FeatureMaps.roi_features`; empty without such a backbone."""
        if self.aux_backbone is None:
            return []
        maps: list[Tensor] = self.aux_backbone(images.to(self.backbone.mean.dtype) / 127.5 - 1)
        return maps

    def _decode(self, maps: Sequence[Tensor], aux: Sequence[Tensor], images: Tensor) -> FeatureMaps:
        """Compute the maps that cells vote from, given the backbones' maps."""
        trunk = self.backbone.trunk
        proposals = trunk.proposals(maps[0]) if isinstance(trunk, MoveNet) and self.config.proposals else None
        features = self.fuse(maps, aux, images)
        logits = self.presence(features)
        logits = [x[:, 0].float() for x in (logits if isinstance(logits, list) else [logits])]
        if proposals is not None:
            proposals = proposals.coarser(self.config.stride // self.backbone.strides[0])
            logits = [x + proposals.presence for x in logits]
        keypoint_maps = self.keypoint_maps(features) if self.keypoint_maps is not None else None
        features = torch.cat([features, logits[-1].sigmoid()[:, None].to(features.dtype)], dim=1)
        memory, positions = self.transformer.encode(features) if self.transformer else (None, None)
        return FeatureMaps(features, logits, memory, positions, [], proposals, keypoint_maps)

    def features(self, images: Tensor) -> Tensor:
        """Images -> the feature map F (B, C, h, w) alone."""
        return self.fuse(self.backbone(images), self.aux_features(images), images)

    def fuse(self, maps: Sequence[Tensor], aux: Sequence[Tensor], images: Tensor) -> Tensor:
        """The maps of both backbones -> the feature map F; of `images`, only the size is used."""
        size = [side // self.config.stride for side in images.shape[-2:]]
        projected: dict[int, Tensor] = {}  # by stride, as maps of equal size are added before resizing
        fused = [*maps[: len(self.backbone.channels)], *aux]  # the early maps are only used by the refiner
        strides = [*self.backbone.strides, *(spec.stride for spec in self._aux_specs)]
        for project, x, stride in zip(self.project, fused, strides, strict=True):
            if stride < self.config.stride:  # a mean commutes with a 1x1 convolution and is cheaper before it
                x, stride = F.avg_pool2d(x, self.config.stride // stride), self.config.stride
            x = project(x)
            projected[stride] = projected[stride] + x if stride in projected else x
        return F.relu(self.norm(sum(resize(x, size) for x in projected.values())))

    @property
    def feature_specs(self) -> tuple[FeatureSpec, ...]:
        """Specifications of `FeatureMaps.roi_features`."""
        fine = FeatureSpec(self.config.keypoints, self.config.stride // FINER, 1 / FINER, heatmaps=True)
        return self.backbone.feature_specs + self._aux_specs + ((fine,) if self.config.fine_refiner else ())

    @property
    def _aux_specs(self) -> tuple[FeatureSpec, ...]:
        """Specifications of `aux_features`."""
        return self.aux_backbone.feature_specs if self.aux_backbone is not None else ()

    def predict_votes(self, maps: FeatureMaps, cells: Tensor) -> Votes:
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
        start: Tensor | None = None
        if self.proposal_attention is not None and maps.proposals is not None:
            centres = _pick(maps.features, maps.proposals.cells)
            start = self.proposal_attention(picked, positions, centres, maps.proposals)
        return self._votes(values, start, positions, maps)

    def _votes(self, values: Tensor, start: Tensor | None, positions: Tensor, maps: FeatureMaps) -> Votes:
        k = self.config.keypoints
        # Not unflatten, whose shape the tracer turns into a constant.
        vectors = values[..., : 2 * k].reshape(*values.shape[:-1], k, 2)
        vectors = vectors * (_VECTOR_UNIT if start is None else _CORRECTION_UNIT)
        if start is not None:
            poses = start + vectors
        elif self.config.vectors == "residual":
            poses = positions[:, :, None] + vectors
        else:  # initially votes point at the map's middle
            poses = vectors + _middle(maps.presence[-1])
        if not self.config.scales:
            return Votes(poses, torch.zeros_like(poses[..., 0]))
        return Votes(poses, (values[..., 2 * k :] + math.log(4.0)).clamp(-4, 5))

    def refine(
        self,
        pyramid: Sequence[FeatureMaps],
        poses: Tensor,
        image_index: Tensor,
        kappas: Tensor,
        margin: float = WIDE_MARGIN,
    ) -> RefinedPoses:
        """Correct P poses (P, K, 2), in the first level's cells, of the images `image_index` (P,).

        Args:
            pyramid: the maps of each level, each half the size of the one before.
            poses, image_index: see above.
            kappas: (K,) OKS fall-off constants of the skeleton.
            margin: margin of the regions, see `RoiGrid.around`.
        """
        assert self.refiner is not None
        count = poses.shape[0]
        # Without poses, refine a dummy pose and drop it, since some runtimes do not accept an empty batch. In
        # `torch.export` the number of poses is unknown, so a dummy pose is always added.
        spare, spare_index = poses.new_ones(1, self.config.keypoints, 2), image_index.new_zeros(1)
        if not torch.compiler.is_exporting():
            empty = torch.ones_like(image_index).sum()[None] < 1
            spare, spare_index = spare[empty], spare_index[empty]
        poses, image_index = torch.cat([poses, spare]), torch.cat([image_index, spare_index])
        grid = RoiGrid.around(poses, image_index, margin, self.roi_pitch)
        refined = self.refiner(self.rois(pyramid, grid), grid.to_grid(poses), kappas)
        return RefinedPoses(
            grid.to_cells(refined.poses)[:count],
            refined.confidences[:count],
            refined.seen[:count],
            refined.quality[:count],
            refined.heat[:count],
        )

    def rois(self, pyramid: Sequence[FeatureMaps], grid: RoiGrid) -> list[Tensor]:
        """The regions of interest for the refiner (see `roi_align`)."""
        finest = pyramid[0].extent
        return roi_align([x.roi_features for x in pyramid], self.feature_specs, self.config.stride, grid, finest)

    @property
    def roi_pitch(self) -> float:
        """Cell width of the map that sets the regions' layout, in cells of the votes' map."""
        return context_feature(self.feature_specs).stride / self.config.stride

    @property
    def parameter_count(self) -> int:
        """Number of parameters of the whole network."""
        return sum(count for _, count in self.parts())

    def parts(self) -> Iterator[tuple[str, int]]:
        """(name, number of parameters) of each part."""
        for name, module in self.named_children():
            yield name, sum(p.numel() for p in module.parameters())


def _require_parts(config: NetworkConfig) -> None:
    if config.proposals and (config.backbone, config.keypoints) != ("movenet", len(COCO_17)):
        raise VoteposeError(f"only the movenet backbone proposes poses, of {len(COCO_17)} keypoints")
    if config.proposals and config.stride % 4:
        raise VoteposeError(f"a backbone that proposes poses needs a stride divisible by 4, not {config.stride}")
    if config.aux_backbone and config.keypoints != len(COCO_17):
        raise VoteposeError(f"the auxiliary backbone has {len(COCO_17)} keypoints, not {config.keypoints}")
    if config.fine_refiner and not (config.backbone in ("mobile", "lite") and config.refiner and config.keypoint_maps):
        raise VoteposeError("fine_refiner needs the mobile or lite backbone, a refiner and keypoint maps")


def _presence_branch(config: NetworkConfig) -> nn.Module:
    rate = 0.5 if config.proposals else 0.02  # initial probability of a keypoint
    if not config.hourglass:
        return presence_head(config.channels, rate)
    return StackedHourglass(config.channels, config.hourglass_width, config.stacks, config.depth, rate)


def _transformer(config: NetworkConfig, finest: int) -> GroupingTransformer:
    """The transformer; its positions are in cells of the backbone's finest map, even if F is coarser."""
    layers, pitch = (config.encoder_layers, config.decoder_layers), max(1, config.stride // finest)
    return GroupingTransformer(
        config.channels, config.width, config.heads, *layers, config.patch, config.relative, pitch, config.sparse_memory
    )


def _pick(maps: Tensor, cells: Tensor) -> Tensor:
    """Values (B, Q, C) of maps (B, C, h, w) at cells (B, Q), given by flat index."""
    return maps.flatten(2).gather(2, cells[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)


def _middle(presence: Tensor) -> Tensor:
    """(2,) the middle of maps (B, h, w), in cells; computed by counting, since the tracer makes sizes constants."""
    cells = torch.ones_like(presence[0])
    return torch.stack([cells[0].sum(), cells[:, 0].sum()]) / 2


def resize(x: Tensor, size: list[int]) -> Tensor:
    """Resize maps (B, C, h, w) to `size` (height, width), bilinearly."""
    if list(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
