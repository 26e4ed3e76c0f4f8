"""Parts of a training step as CUDA graphs: their thousands of kernels are launched as one.

Launching a kernel from Python takes tens of microseconds, which for small networks is longer than most kernels run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from votepose.models.features import FeatureMaps, KeypointMaps, PoseProposals
from votepose.models.heads.refiner import PoseRefiner
from votepose.models.outputs import RefinedPoses, Votes
from votepose.models.posenet import PoseNet


class Recorder:
    """Runs functions of tensors, with their gradients, as CUDA graphs that their first calls record.

    A function must call the same kernels on the same shapes every time. One that cannot be recorded runs as it is.
    """

    def __init__(self) -> None:
        self._graphs: dict[str, tuple[list[torch.Size], nn.Module]] = {}

    def fits(self, name: str, *inputs: Tensor) -> bool:
        """Whether the function of this name has not been recorded yet, or was with these shapes."""
        return name not in self._graphs or self._graphs[name][0] == [x.shape for x in inputs]

    def __call__(self, name: str, module: Callable[[], nn.Module], *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs of `module()`, which is called at the first call of this name."""
        if name not in self._graphs:
            self._graphs[name] = ([x.shape for x in inputs], _recorded(name, module(), inputs))
        outputs: tuple[Tensor, ...] = self._graphs[name][1](*inputs)
        return outputs


def _recorded(name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> nn.Module:
    samples = tuple(x.detach().clone().requires_grad_(x.requires_grad) for x in inputs)
    before = [buffer.clone() for buffer in module.buffers()]
    precision = torch.get_autocast_dtype("cuda")
    try:
        with torch.autocast("cuda", precision, enabled=torch.is_autocast_enabled("cuda"), cache_enabled=False):
            graph: Any = torch.cuda.make_graphed_callables(module, samples, allow_unused_input=True)
        return graph
    except RuntimeError as error:
        print(f"{name}: no CUDA graph ({str(error).splitlines()[0]}); training is slower without")
        module.__dict__.pop("forward", None)
        return module
    finally:
        for buffer, value in zip(module.buffers(), before, strict=True):  # recording ran the module a few times
            buffer.data.copy_(value)  # not seen by autograd, which may have kept it for another module's backward pass


class Encode(nn.Module):
    """`PoseNet.encode`, of tensors: the maps' tensors, in the order of their fields."""

    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        self.network = network
        self.layout: FeatureMaps | None = None

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.network.encode(images)
        tensors = _tensors(maps)
        self.layout = _with_tensors(maps, (x.detach() for x in tensors))
        return tuple(tensors)

    def maps(self, tensors: Sequence[Tensor]) -> FeatureMaps:
        """What `PoseNet.encode` would have returned, of the outputs of `forward`."""
        assert self.layout is not None
        return _with_tensors(self.layout, iter(tensors))


def _tensors(maps: FeatureMaps) -> list[Tensor]:
    """What depends on the image."""
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
    """`PoseNet.predict_votes`, of tensors: features, memory and cells -> poses and log scales."""

    def __init__(self, network: PoseNet, maps: FeatureMaps) -> None:
        super().__init__()
        self.network = network
        self.layout = _with_tensors(maps, (x.detach() for x in _tensors(maps)))

    def forward(self, features: Tensor, memory: Tensor, cells: Tensor) -> tuple[Tensor, ...]:
        votes = self.network.predict_votes(replace(self.layout, features=features, memory=memory), cells)
        return votes.poses, votes.log_scales


class Refine(nn.Module):
    """The refiner, of tensors: poses, their drawing, regions -> the fields of `RefinedPoses`."""

    def __init__(self, refiner: PoseRefiner, kappas: Tensor) -> None:
        super().__init__()
        self.refiner, self.kappas = refiner, kappas

    def forward(self, poses: Tensor, drawn: Tensor, *rois: Tensor) -> tuple[Tensor, ...]:
        refined = self.refiner(rois, poses, self.kappas, drawn)
        return tuple(getattr(refined, f.name) for f in fields(refined))


def _recordable(network: PoseNet) -> bool:
    """Whether no gradient passes from votes to proposals, which their graph reads as if they were constants."""
    return not network.config.proposals or network.backbone.frozen == "all"


class RecordedNetwork:
    """The three parts of a network that train, each as one CUDA graph once `record` was called."""

    def __init__(self) -> None:
        self._run: Recorder | None = None
        self._encode: Encode | None = None

    def record(self) -> None:
        """Record graphs from now on. Tensors must lie on a CUDA device."""
        self._run = Recorder()

    def encode(self, network: PoseNet, images: Tensor) -> FeatureMaps:
        """As `PoseNet.encode`."""
        if self._run is None or not _recordable(network) or not self._run.fits("encode", images):
            return network.encode(images)
        self._encode = self._encode or Encode(network)
        encode = self._encode
        return encode.maps(self._run("encode", lambda: encode, images))

    def predict_votes(self, network: PoseNet, maps: FeatureMaps, cells: Tensor) -> Votes:
        """As `PoseNet.predict_votes`."""
        if self._run is None or not _recordable(network) or maps.memory is None:
            return network.predict_votes(maps, cells)
        inputs = maps.features, maps.memory, cells
        if not self._run.fits("votes", *inputs):
            return network.predict_votes(maps, cells)
        return Votes(*self._run("votes", lambda: PredictVotes(network, maps), *inputs))

    def refine(
        self, refiner: PoseRefiner, rois: list[Tensor], poses: Tensor, kappas: Tensor, drawn: Tensor
    ) -> RefinedPoses:
        """As `PoseRefiner.forward`."""
        inputs = poses, drawn, *rois
        if self._run is None or not self._run.fits("refiner", *inputs):
            refined: RefinedPoses = refiner(rois, poses, kappas, drawn)
            return refined
        return RefinedPoses(*self._run("refiner", lambda: Refine(refiner, kappas), *inputs))
