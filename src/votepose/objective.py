"""A batch -> its losses: what the network is asked in training, and how its answers are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from votepose import losses
from votepose.data.loader import Batch
from votepose.grouping import GroupingConfig, group, oks
from votepose.network.posenet import Maps, PoseNet, Votes
from votepose.targets import TargetConfig, Targets, choose_cells, paint


@dataclass(frozen=True)
class ObjectiveConfig:
    """What is punished, and how much.

    Attributes:
        form: `paper`: asymmetric + Chamfer against MSE, balanced by eq. 5. `likelihood`: asymmetric presence, votes and
            looks under their own Laplace scale plus a heavy-tailed OKS, fixed weights.
        votes: cells asked an image.
        chamfer, oks: weights of these terms inside the heatmap's and the vectors' losses.
        gamma_positive, gamma_negative: of the asymmetric loss.
        presence, vectors, looks: weights of the parts in the `likelihood` form.
        incomplete: weight of empty cells in pictures where people may be unlabelled.
    """

    form: Literal["paper", "likelihood"] = "likelihood"
    votes: int = 128
    chamfer: float = 0.0
    oks: float = 0.5
    gamma_positive: float = 0.0
    gamma_negative: float = 2.0
    presence: float = 0.5
    vectors: float = 1.0
    looks: float = 1.0
    incomplete: float = 0.3
    targets: TargetConfig = TargetConfig()  # noqa: RUF009 - frozen


PAPER = ObjectiveConfig("paper", chamfer=0.05, gamma_positive=1.0, gamma_negative=4.0, targets=TargetConfig(disc=0.0))


@dataclass(frozen=True)
class _Truth:
    """The labelled people of a batch, in cells."""

    keypoints: Tensor  # (N, K, 3)
    sizes: Tensor  # (N,)
    image_index: Tensor  # (N,)
    targets: Targets
    weights: Tensor  # (B, h, w) of cells in the presence loss
    certain: Tensor  # (B, h, w) bool: if nobody is labelled here, nobody is here


class Objective(nn.Module):
    """Losses by name; `total` is what is minimised.

    `forward(network, batch)` returns a dict of scalars.
    """

    kappas: Tensor

    def __init__(self, config: ObjectiveConfig, kappas: Tensor) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("kappas", kappas, persistent=False)
        self.balance = losses.BalancedSum() if config.form == "paper" else None

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        maps = network.encode(batch.images)
        truth = self._truth(batch, network.config.stride, maps.presence[-1].shape)
        cells, owners = choose_cells(truth.targets, self.config.votes)
        votes = network.ask(maps, cells)
        parts = {"presence": self._presence(maps, truth), "votes": self._votes(votes, owners, truth)}
        if self.balance is not None:
            return {**parts, "total": self.balance(parts["presence"], parts["votes"])}
        total = self.config.presence * parts["presence"] + self.config.vectors * parts["votes"]
        if network.second_look is not None:
            parts["looks"], parts["quality"] = self._looks(network, maps, votes, owners, truth)
            total = total + self.config.looks * (parts["looks"] + parts["quality"])
        return {**parts, "total": total}

    def _truth(self, batch: Batch, stride: int, shape: tuple[int, ...]) -> _Truth:
        keypoints = torch.cat([batch.keypoints[..., :2] / stride, batch.keypoints[..., 2:]], dim=-1)
        sizes = batch.areas.clamp(min=16).sqrt() / stride
        targets = paint(
            keypoints, sizes, batch.image_index, (shape[0], shape[1], shape[2]), self.kappas, self.config.targets
        )
        ignore = F.interpolate(batch.ignore[:, None].float(), size=shape[1:], mode="nearest")[:, 0] > 0
        known = ~ignore | (targets.owner >= 0)
        empty = torch.where(batch.complete, 1.0, self.config.incomplete)[:, None, None]
        weights = torch.where(targets.owner >= 0, torch.ones_like(empty), empty) * known
        return _Truth(keypoints, sizes, batch.image_index, targets, weights, known & batch.complete[:, None, None])

    def _presence(self, maps: Maps, truth: _Truth) -> Tensor:
        """Mean over the stacks (intermediate supervision)."""
        config, total = self.config, torch.zeros((), device=truth.weights.device)
        for logits in maps.presence:
            total = total + losses.asymmetric_loss(
                logits, truth.targets.presence, config.gamma_positive, config.gamma_negative, truth.weights
            )
            if config.chamfer:
                total = total + config.chamfer * self._chamfer(logits, truth)
        return total / len(maps.presence)

    def _chamfer(self, logits: Tensor, truth: _Truth) -> Tensor:
        values = []
        for i, image_logits in enumerate(logits):
            keypoints = truth.keypoints[truth.image_index == i].flatten(0, 1)
            points = keypoints[keypoints[:, 2] > 0, :2]
            values.append(losses.chamfer_loss(image_logits, points, weights=truth.weights[i]))
        return torch.stack(values).mean()

    def _votes(self, votes: Votes, owners: Tensor, truth: _Truth) -> Tensor:
        chosen = owners >= 0
        if not chosen.any():
            return votes.poses.sum() * 0
        person = owners[chosen]
        return self._poses(votes.poses[chosen], votes.log_scales[chosen], person, truth)

    def _poses(self, poses: Tensor, log_scales: Tensor, person: Tensor, truth: _Truth) -> Tensor:
        """The loss of poses (n, K, 2) that should be those of the people `person` (n,)."""
        target, labelled = truth.keypoints[person][..., :2], truth.keypoints[person][..., 2] > 0
        if self.config.form == "paper":
            return losses.vector_mse_loss(poses, target, labelled)
        sizes = truth.sizes[person]
        nll = losses.laplace_loss(poses, log_scales, target, sizes, labelled)
        return nll + self.config.oks * losses.oks_loss(poses, target, sizes, self.kappas, labelled)

    def _looks(
        self, network: PoseNet, maps: Maps, votes: Votes, owners: Tensor, truth: _Truth
    ) -> tuple[Tensor, Tensor]:
        """Losses of the second look, and of the quality it predicts, over people pooled from the network's votes."""
        with torch.no_grad():
            poses, image_index = self._people(network, maps, votes, owners)
            person, likeness = _match(poses, image_index, truth, self.kappas)
        if not len(poses):
            return votes.poses.sum() * 0, votes.poses.sum() * 0
        matched = likeness > 0.1
        looks = network.look_again(maps, poses, image_index)
        placed, judged = votes.poses.sum() * 0, votes.poses.sum() * 0
        for look in looks:
            if matched.any():
                target = person[matched]
                visible = truth.keypoints[target][..., 2]
                placed = placed + self._poses(look.poses[matched], look.log_scales[matched], target, truth)
                seen = F.binary_cross_entropy_with_logits(look.seen[matched], (visible == 2).float(), reduction="none")
                placed = placed + 0.2 * (seen * (visible > 0)).sum() / (visible > 0).sum().clamp(min=1)
            quality, weight = self._quality(look.poses.detach(), person, matched, image_index, truth)
            error = F.binary_cross_entropy_with_logits(look.quality, quality, reduction="none")
            judged = judged + (error * weight).sum() / weight.sum().clamp(min=1)
        return placed / len(looks), judged / len(looks)

    def _people(self, network: PoseNet, maps: Maps, votes: Votes, owners: Tensor) -> tuple[Tensor, Tensor]:
        """People to look at again: as pooled from a few true cells of each person, and as inference would find them."""
        poses, image_index = _pool_some(votes, owners)
        config = GroupingConfig(presence_threshold=0.3, candidates=96)
        presence = maps.presence[-1].sigmoid().flatten(1)
        presence, cells = presence.topk(min(config.candidates, presence.shape[1]))
        found = network.ask(maps, cells)
        width = maps.features.shape[-1]
        centres = torch.stack([cells % width, cells // width], dim=-1) + 0.5
        with torch.autocast(presence.device.type, enabled=False):  # a bf16 product would round coordinates
            groups = group(found.poses, found.log_scales, centres, presence, self.kappas, config)
        ranked = torch.where(groups.leader, groups.support, -1.0).topk(8)
        image, row = (ranked.values > 0).nonzero(as_tuple=True)
        leaders = ranked.indices[image, row]
        return torch.cat([poses, groups.poses[image, leaders]]), torch.cat([image_index, image])

    def _quality(self, poses: Tensor, person: Tensor, matched: Tensor, image_index: Tensor,
                 truth: _Truth) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The OKS that each pose reaches, and a weight: 0 where people may be unlabelled."""
        quality = torch.zeros(len(poses), device=poses.device)
        if matched.any():
            target = truth.keypoints[person[matched]]
            quality[matched] = oks(poses[matched], target[..., :2], truth.sizes[person[matched]], self.kappas,
                                   (target[..., 2] > 0).float())  # fmt: skip
        height, width = truth.certain.shape[-2:]
        centre = poses.mean(dim=1).floor().long()
        x, y = centre[:, 0].clamp(0, width - 1), centre[:, 1].clamp(0, height - 1)
        return quality, (matched | truth.certain[image_index, y, x]).float()


def _pool_some(votes: Votes, owners: Tensor) -> tuple[Tensor, Tensor]:
    """Each person's pose as a random few of its own cells vote it: (N', K, 2) and images (N',)."""
    image, column = (owners >= 0).nonzero(as_tuple=True)
    people, index = owners[image, column].unique(return_inverse=True)
    # Votes raised to random powers: now one vote decides, now many.
    chance = torch.rand(len(image), device=owners.device) ** 4 + 1e-3
    weights = chance[:, None] * torch.exp(-2 * votes.log_scales[image, column])
    poses = votes.poses[image, column] * weights[..., None]
    total = torch.zeros(len(people), *weights.shape[1:], device=owners.device).index_add(0, index, weights.float())
    pooled = torch.zeros(len(people), *poses.shape[1:], device=owners.device).index_add(0, index, poses.float())
    images = torch.zeros(len(people), dtype=torch.long, device=owners.device).index_copy(0, index, image)
    return pooled / total.clamp(min=1e-12)[..., None], images


def _match(poses: Tensor, image_index: Tensor, truth: _Truth, kappas: Tensor) -> tuple[Tensor, Tensor]:
    """The labelled person of the same image that each pose (P, K, 2) is most like, and its OKS; looser than COCO's, so
    that a far pose is drawn to its person too."""
    if not len(truth.sizes) or not len(poses):
        return torch.zeros(len(poses), dtype=torch.long, device=poses.device), poses.new_zeros(len(poses))
    labelled = (truth.keypoints[..., 2] > 0).float()
    likeness = oks(poses[:, None], truth.keypoints[None, ..., :2], truth.sizes[None], 2 * kappas, labelled[None])
    likeness = likeness.masked_fill(image_index[:, None] != truth.image_index[None], 0.0)
    best = likeness.max(dim=1)
    return best.indices, best.values
