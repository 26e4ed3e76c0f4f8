"""Runs parts of a training step as CUDA graphs, which launch thousands of kernels at once.

Launching a kernel from Python takes tens of microseconds, longer than most kernels of a small network run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from votepose.models.features import FeatureMaps, KeypointMaps, PoseProposals
from votepose.models.heads.refiner import PoseRefiner, draw
from votepose.models.heads.roi_align import RoiGrid
from votepose.models.outputs import RefinedPoses, Votes
from votepose.models.posenet import PoseNet


def _recorded(module: nn.Module, *inputs: Tensor) -> nn.Module:
    """Record the module's forward and backward passes for inputs of these shapes as one graph each.

    No other autograd graph that leads to its parameters may be alive.
    """
    samples = tuple(x.detach().clone().requires_grad_(x.requires_grad) for x in inputs)
    precision = torch.get_autocast_dtype("cuda")
    with torch.autocast("cuda", precision, enabled=torch.is_autocast_enabled("cuda"), cache_enabled=False):
        graph: Any = torch.cuda.make_graphed_callables(module, samples, allow_unused_input=True)
    return graph


class Encode(nn.Module):
    """`PoseNet.encode` on tensors; returns the maps' tensors, in the order of their fields."""

    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        transformer = network.transformer
        assert transformer is not None
        parts = network.backbone, network.project, network.norm, network.presence, network.keypoint_maps
        tokens = transformer.embed_patches, transformer.encoder, transformer.memory_norm
        self.parts = nn.ModuleList(part for part in (*parts, *tokens) if part is not None)
        self._network = [network]  # in a list, so that the network's other parameters do not become this module's
        self.layout: FeatureMaps | None = None

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self._network[0].encode(images)
        tensors = _tensors(maps)
        self.layout = _with_tensors(maps, (x.detach() for x in tensors))
        return tuple(tensors)

    def maps(self, tensors: Sequence[Tensor]) -> FeatureMaps:
        """Convert the outputs of `forward` to the return value of `PoseNet.encode`."""
        assert self.layout is not None
        return _with_tensors(self.layout, iter(tensors))


def _tensors(maps: FeatureMaps) -> list[Tensor]:
    """The tensors that depend on the image."""
    found = [maps.features, *maps.presence, *maps.roi_features]
    found += [maps.memory] if maps.memory is not None else []
    found += [getattr(maps.proposals, f.name) for f in fields(PoseProposals)] if maps.proposals is not None else []
    return found + ([maps.keypoint_maps.logits, maps.keypoint_maps.offsets] if maps.keypoint_maps is not None else [])


def _with_tensors(maps: FeatureMaps, tensors: Iterator[Tensor]) -> FeatureMaps:
    """The maps with other tensors, in the order of `_tensors`."""
    return replace(
        maps,
        features=next(tensors),
        presence=[next(tensors) for _ in maps.presence],
        roi_features=[next(tensors) for _ in maps.roi_features],
        memory=next(tensors) if maps.memory is not None else None,
        proposals=PoseProposals(*(next(tensors) for _ in fields(PoseProposals)))
        if maps.proposals is not None
        else None,
        keypoint_maps=KeypointMaps(next(tensors), next(tensors)) if maps.keypoint_maps is not None else None,
    )


class PredictVotes(nn.Module):
    """`PoseNet.predict_votes` on tensors: features, memory and cells -> poses and log scales.

    Args:
        network: the network.
        maps: the other maps, which receive no gradient.
    """

    def __init__(self, network: PoseNet, maps: FeatureMaps) -> None:
        super().__init__()
        transformer = network.transformer
        assert transformer is not None
        parts = network.vector, network.proposal_attention
        tokens = transformer.embed_cell, transformer.decoder, transformer.norm
        self.parts = nn.ModuleList(part for part in (*parts, *tokens) if part is not None)
        self._network = [network]
        self.layout = maps

    def forward(self, features: Tensor, memory: Tensor, cells: Tensor) -> tuple[Tensor, ...]:
        votes = self._network[0].predict_votes(replace(self.layout, features=features, memory=memory), cells)
        return votes.poses, votes.log_scales


class Refine(nn.Module):
    """The refiner on tensors: poses, their drawing, regions -> the fields of `RefinedPoses`."""

    def __init__(self, refiner: PoseRefiner, kappas: Tensor) -> None:
        super().__init__()
        self.refiner, self.kappas = refiner, kappas

    def forward(self, poses: Tensor, drawn: Tensor, *rois: Tensor) -> tuple[Tensor, ...]:
        refined = self.refiner(rois, poses, self.kappas, drawn)
        return tuple(getattr(refined, f.name) for f in fields(refined))


class RecordedNetwork:
    """The three trainable parts of a network, which run as CUDA graphs after `record` has been called.

    Shapes other than the recorded ones run without graphs.
    """

    def __init__(self) -> None:
        self._encode: Encode | None = None
        self._votes: nn.Module | None = None
        self._refine: nn.Module | None = None
        self._shape: torch.Size | None = None  # of the images
        self._poses_shape: torch.Size | None = None

    def record(self, network: PoseNet, images: Tensor, votes: int, poses: int, kappas: Tensor) -> None:
        """Record graphs for steps with `images`, `votes` cells per image, and `poses` to refine, if any.

        Call it before the first step, see `_recorded`. Networks that cannot be recorded are unchanged.
        """
        if network.transformer is None or (network.config.proposals and network.backbone.frozen != "all"):
            return  # proposals would be constants in the votes' graph
        before = [buffer.clone() for buffer in network.buffers()]
        encode = Encode(network)
        _recorded(encode, images)
        with torch.no_grad():
            maps = encode.maps(encode(images))
        cells = torch.zeros(len(images), votes, dtype=torch.long, device=images.device)
        assert maps.memory is not None
        inputs = (x.detach().requires_grad_() for x in (maps.features, maps.memory))
        self._votes = _recorded(PredictVotes(network, maps), *inputs, cells)
        if network.refiner is not None and poses:
            found = torch.rand(poses, network.config.keypoints, 2, device=images.device) * maps.features.shape[-1]
            grid = RoiGrid.around(found, torch.arange(poses, device=images.device) % len(images))
            with torch.no_grad():
                rois = network.rois([maps], grid)
            regions = [x.detach().requires_grad_(network.backbone.frozen != "all") for x in rois]
            shown = grid.to_grid(found)
            self._refine = _recorded(Refine(network.refiner, kappas), shown, draw(shown), *regions)
            self._poses_shape = shown.shape
        torch.clear_autocast_cache()  # weights cast without gradient must not be reused with gradient
        for buffer, value in zip(network.buffers(), before, strict=True):  # undo the updates by the warm-up runs
            buffer.copy_(value)
        self._encode, self._shape = encode, images.shape

    def encode(self, network: PoseNet, images: Tensor) -> FeatureMaps:
        """As `PoseNet.encode`."""
        if self._encode is None or images.shape != self._shape:
            return network.encode(images)
        return self._encode.maps(self._encode(images))

    def predict_votes(self, network: PoseNet, maps: FeatureMaps, cells: Tensor) -> Votes:
        """As `PoseNet.predict_votes`."""
        if self._votes is None or self._shape is None or len(cells) != self._shape[0]:
            return network.predict_votes(maps, cells)
        return Votes(*self._votes(maps.features, maps.memory, cells))

    def refine(
        self, refiner: PoseRefiner, rois: list[Tensor], poses: Tensor, kappas: Tensor, drawn: Tensor
    ) -> RefinedPoses:
        """As `PoseRefiner.forward`."""
        if self._refine is None or poses.shape != self._poses_shape:
            refined: RefinedPoses = refiner(rois, poses, kappas, drawn)
            return refined
        return RefinedPoses(*self._refine(poses, drawn, *rois))
