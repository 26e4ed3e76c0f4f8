"""`votepose train --teach all`: everything at once, each part by its own losses, on the same pictures.

The backbone learns what its own heads mean (`prior_objective`); hourglass and transformer learn to vote from what it
says (`objective`); the second look learns from the people whom the votes find (`look_lesson`); and the witness, which
came as an expert on crops of one person, learns to read whole pictures, from the second look and from what its own
likelihoods mean. No other gradient passes from one part to another: what a vote wants says nothing of where a heatmap
should be low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from votepose.data.loader import Batch
from votepose.grouping import GroupingConfig
from votepose.models.estimator import halved
from votepose.models.heads.roi_align import LOGITS, Frame
from votepose.models.posenet import PoseNet
from votepose.skeleton import Skeleton
from votepose.training.losses.centernet import PriorObjective, keypoint_heatmap_loss
from votepose.training.losses.votes import Objective, ObjectiveConfig
from votepose.training.refiner_targets import LookObjective, teach


class WholeObjective(nn.Module):
    """The losses of all parts by name; `total` is what is minimised.

    `forward(network, batch)` returns a dict of scalars. The network needs a prior, a second look and a witness.

    Args:
        config: of the votes' objective.
        skeleton, grouping, levels: of the network, as its preset says.
    """

    def __init__(self, config: ObjectiveConfig, skeleton: Skeleton, grouping: GroupingConfig, levels: int) -> None:
        super().__init__()
        self.incomplete = config.incomplete
        self.prior = PriorObjective(torch.from_numpy(skeleton.kappas))
        self.votes = Objective(config, skeleton, votes_only=True)
        self.looks = LookObjective(skeleton, grouping, levels)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        assert network.second_look is not None
        network.train(self.training)
        parts = [self.votes(network, batch)]
        if any(p.requires_grad for p in network.backbone.parameters()):
            parts.append(self.prior(network, batch))
        said = [network.testimony(halved(batch.images.float(), i)) for i in range(self.looks.levels)]
        parts.append(self._witness(said, batch, network.config.stride))
        network.eval()  # people are found as they will be
        lesson = self.looks.lesson(network, batch, said)
        network.second_look.train(self.training)
        parts.append(teach(network.second_look, lesson, self.looks.kappas, self.looks.flip))
        total = sum((part.pop("total") for part in parts), torch.zeros((), device=batch.images.device))
        return {**{name: loss for part in parts for name, loss in part.items()}, "total": total}

    def _witness(self, said: Sequence[Sequence[Tensor]], batch: Batch, stride: int) -> dict[str, Tensor]:
        """What likelihoods mean, on each level of the pyramid and those beside it whose crops they will be in."""
        keypoints = batch.keypoints.shape[1]
        low = batch.boxes[:, :2] / stride
        corners = torch.stack([low, low + batch.boxes[:, 2:] / stride], dim=1)
        own = Frame.around(corners, batch.image_index).levels(len(said))
        losses = []
        for level, (near, *_) in enumerate(said):
            logits = near[:, -keypoints:].float() * LOGITS
            part = _only(batch, (own - level).abs() <= 1)
            losses.append(keypoint_heatmap_loss(logits, part, stride * 2**level, self.incomplete))
        loss = torch.stack(losses).mean()
        return {"witness": loss, "total": loss}


def _only(batch: Batch, kept: Tensor) -> Batch:
    """Of the people only those who are `kept` (N,); where the others are, nothing is known."""
    height, width = batch.ignore.shape[-2:]
    cell = batch.images.shape[-1] / width
    x, y = (torch.arange(n, device=kept.device) * cell + cell / 2 for n in (width, height))
    low, high = batch.boxes[:, None, :2], batch.boxes[:, None, :2] + batch.boxes[:, None, 2:]
    across = (x >= low[..., 0]) & (x < high[..., 0])
    down = (y >= low[..., 1]) & (y < high[..., 1])
    inside = down[:, :, None] & across[:, None, :]
    nobody = torch.zeros(batch.ignore.shape, device=kept.device)
    others, own = (nobody.index_add(0, batch.image_index[x], inside[x].float()) > 0 for x in (~kept, kept))
    return replace(
        batch,
        keypoints=batch.keypoints[kept],
        boxes=batch.boxes[kept],
        areas=batch.areas[kept],
        image_index=batch.image_index[kept],
        ignore=batch.ignore | (others & ~own),
    )
