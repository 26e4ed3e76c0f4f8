"""The losses of presence and votes: the paper's (V-C), or our defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from votepose.models.outputs import Votes
from votepose.training.losses import functional as losses
from votepose.training.targets import TargetConfig, VoteTargets


@dataclass(frozen=True)
class VoteLossConfig:
    """The form and weights of the losses.

    Attributes:
        form: `paper`: asymmetric + Chamfer loss and MSE, balanced by eq. 5. `likelihood`: asymmetric loss of presence,
            Laplace likelihood of votes plus a heavy-tailed OKS, refinement as in `losses.refiner`, fixed weights.
        votes: number of cells per image that vote.
        refined: average number of poses per image that the refiner trains on.
        chamfer, oks: weights of these terms in the losses of heatmap and vectors.
        gamma_positive, gamma_negative: exponents of the asymmetric loss.
        presence, vectors, refiner: weights of the parts in the `likelihood` form.
        keypoint_maps: weight of the keypoint maps, if the network has any, in either form.
        incomplete: weight of empty cells in images where people may be unlabelled.
        targets: options of the cells' targets.
    """

    form: Literal["paper", "likelihood"] = "likelihood"
    votes: int = 128
    refined: int = 2
    chamfer: float = 0.0
    oks: float = 0.5
    gamma_positive: float = 0.0
    gamma_negative: float = 2.0
    presence: float = 0.5
    vectors: float = 1.0
    refiner: float = 1.0
    keypoint_maps: float = 1.0
    incomplete: float = 0.3
    targets: TargetConfig = TargetConfig()


PAPER = VoteLossConfig("paper", chamfer=0.05, gamma_positive=1.0, gamma_negative=4.0, targets=TargetConfig(disc=0.0))


class VoteCriterion(nn.Module):
    """`forward(presence, votes, owners, targets)` returns scalars: `presence`, `votes`, and their `total`.

    Args:
        config: the form and weights of the losses.
        kappas: (K,) OKS fall-off constants of the skeleton.
    """

    kappas: Tensor

    def __init__(self, config: VoteLossConfig, kappas: Tensor) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("kappas", kappas, persistent=False)
        self.balance = losses.BalancedSum() if config.form == "paper" else None

    def forward(
        self, presence: Sequence[Tensor], votes: Votes, owners: Tensor, targets: VoteTargets
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            presence: presence logits (B, h, w) of every stack.
            votes: votes of Q cells per image.
            owners: (B, Q) row of each vote's labelled person, -1 for none.
            targets: targets of the batch.
        """
        parts = {"presence": self._presence(presence, targets), "votes": self._votes(votes, owners, targets)}
        if self.balance is not None:
            return {**parts, "total": self.balance(parts["presence"], parts["votes"])}
        return {**parts, "total": self.config.presence * parts["presence"] + self.config.vectors * parts["votes"]}

    def _presence(self, presence: Sequence[Tensor], targets: VoteTargets) -> Tensor:
        """Mean over the stacks (intermediate supervision)."""
        config, total = self.config, torch.zeros((), device=targets.weights.device)
        for logits in presence:
            total = total + losses.asymmetric_loss(
                logits, targets.cells.presence, config.gamma_positive, config.gamma_negative, targets.weights
            )
            if config.chamfer:
                total = total + config.chamfer * self._chamfer(logits, targets)
        return total / len(presence)

    def _chamfer(self, logits: Tensor, targets: VoteTargets) -> Tensor:
        values = []
        for i, image_logits in enumerate(logits):
            keypoints = targets.people.keypoints[targets.people.image_index == i].flatten(0, 1)
            points = keypoints[keypoints[:, 2] > 0, :2]
            values.append(losses.chamfer_loss(image_logits, points, weights=targets.weights[i]))
        return torch.stack(values).mean()

    def _votes(self, votes: Votes, owners: Tensor, targets: VoteTargets) -> Tensor:
        if not len(targets.people.keypoints):
            return votes.poses.sum() * 0
        person = owners.clamp(min=0)
        keypoints = targets.people.keypoints[person]
        target, labelled = keypoints[..., :2], (keypoints[..., 2] > 0) & (owners >= 0)[..., None]
        if self.config.form == "paper":
            return losses.vector_mse_loss(votes.poses, target, labelled)
        sizes = targets.people.sizes[person]
        likelihood = losses.laplace_loss(votes.poses, votes.log_scales, target, sizes, labelled)
        return likelihood + self.config.oks * losses.oks_loss(votes.poses, target, sizes, self.kappas, labelled)
