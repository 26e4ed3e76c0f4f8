"""A batch -> its losses: what the network is asked in training, and how its answers are judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from votepose.data.loader import Batch
from votepose.grouping import GroupingConfig, group
from votepose.models.posenet import Maps, PoseNet, Votes
from votepose.skeleton import Skeleton
from votepose.training.losses import functional as losses
from votepose.training.refiner_targets import Labelled, prepare, teach
from votepose.training.targets import TargetConfig, Targets, choose_cells, paint


@dataclass(frozen=True)
class ObjectiveConfig:
    """What is punished, and how much.

    Attributes:
        form: `paper`: asymmetric + Chamfer against MSE, balanced by eq. 5. `likelihood`: asymmetric presence, votes
            under their own Laplace scale plus a heavy-tailed OKS, looks as `look_losses` says, fixed weights.
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
    targets: TargetConfig = TargetConfig()


PAPER = ObjectiveConfig("paper", chamfer=0.05, gamma_positive=1.0, gamma_negative=4.0, targets=TargetConfig(disc=0.0))


@dataclass(frozen=True)
class _Truth:
    """What a batch should answer: the labelled people, in cells; what each cell says of them; and the weight of that
    (B, h, w) in the presence loss."""

    people: Labelled
    targets: Targets
    weights: Tensor


class Objective(nn.Module):
    """Losses by name; `total` is what is minimised.

    `forward(network, batch)` returns a dict of scalars.

    Args:
        config: what is punished.
        skeleton: of the people.
        votes_only: the second look is not taught, and no gradient reaches the backbone.
    """

    kappas: Tensor
    flip: Tensor

    def __init__(self, config: ObjectiveConfig, skeleton: Skeleton, votes_only: bool = False) -> None:
        super().__init__()
        self.config, self.votes_only = config, votes_only
        self.register_buffer("kappas", torch.from_numpy(skeleton.kappas), persistent=False)
        self.register_buffer("flip", torch.from_numpy(skeleton.flip), persistent=False)
        self.balance = losses.BalancedSum() if config.form == "paper" else None

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        maps = network.encode_for_votes(batch.images) if self.votes_only else network.encode(batch.images)
        truth = self._truth(batch, network.config.stride, maps.presence[-1].shape)
        cells, owners = choose_cells(truth.targets, self.config.votes)
        votes = network.ask(maps, cells)
        parts = {"presence": self._presence(maps, truth), "votes": self._votes(votes, owners, truth)}
        if self.balance is not None:
            return {**parts, "total": self.balance(parts["presence"], parts["votes"])}
        total = self.config.presence * parts["presence"] + self.config.vectors * parts["votes"]
        if network.second_look is not None and not self.votes_only:
            poses, image_index = self._people(network, maps, votes, owners)
            lesson = prepare(network, [maps], poses, image_index, truth.people, self.kappas)
            looks = teach(network.second_look, lesson, self.kappas, self.flip)
            total = total + self.config.looks * looks.pop("total")
            parts |= looks
        return {**parts, "total": total}

    def _truth(self, batch: Batch, stride: int, shape: tuple[int, ...]) -> _Truth:
        ignore = batch.ignored(shape[1:])
        people = Labelled.of(batch, stride, ~ignore)
        targets = paint(
            people.keypoints,
            people.sizes,
            people.image_index,
            (shape[0], shape[1], shape[2]),
            self.kappas,
            self.config.targets,
        )
        owned = targets.owner >= 0
        known = ~ignore | owned
        empty = torch.where(batch.complete, 1.0, self.config.incomplete)[:, None, None]
        weights = torch.where(owned, torch.ones_like(empty), empty) * known
        people = replace(people, certain=known & batch.complete[:, None, None])
        return _Truth(people, targets, weights)

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
            keypoints = truth.people.keypoints[truth.people.image_index == i].flatten(0, 1)
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
        target, labelled = truth.people.keypoints[person][..., :2], truth.people.keypoints[person][..., 2] > 0
        if self.config.form == "paper":
            return losses.vector_mse_loss(poses, target, labelled)
        sizes = truth.people.sizes[person]
        nll = losses.laplace_loss(poses, log_scales, target, sizes, labelled)
        return nll + self.config.oks * losses.oks_loss(poses, target, sizes, self.kappas, labelled)

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
