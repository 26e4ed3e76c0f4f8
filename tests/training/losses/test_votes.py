"""The losses of presence and votes: the paper's, written again from its equations, and the weights of ours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from votepose.models.outputs import Votes
from votepose.training.losses.functional import asymmetric_loss, laplace_loss, oks_loss
from votepose.training.losses.votes import PAPER, VoteCriterion, VoteLossConfig
from votepose.training.targets import GroundTruth, Targets, VoteTargets

KAPPAS = torch.tensor([0.05, 0.1, 0.2])


@dataclass(frozen=True)
class Scene:
    """Random outputs of two stacks for three images, with two people, none and one; some joints are unlabelled."""

    presence: list[Tensor]
    votes: Votes
    owners: Tensor
    targets: VoteTargets

    @staticmethod
    def random() -> Scene:
        rng = np.random.default_rng(0)
        keypoints = rng.uniform(0, 6, (3, 3, 3))
        keypoints[..., 2] = [[2, 1, 0], [1, 2, 2], [0, 2, 1]]
        arrays = (keypoints, rng.uniform(2, 4, 3), (rng.random((3, 6, 8)) < 0.2) * 1.0, rng.random((3, 6, 8)))
        keypoints, sizes, cells, weights = (torch.from_numpy(x) for x in arrays)
        people = GroundTruth(keypoints, sizes, torch.tensor([0, 0, 2]), torch.ones(3, 6, 8) > 0)
        votes = Votes(torch.from_numpy(rng.uniform(0, 6, (3, 4, 3, 2))), torch.from_numpy(rng.normal(0, 1, (3, 4, 3))))
        owners = torch.tensor([[0, 1, 1, 0], [-1, -1, -1, -1], [2, 2, 2, 2]])
        presence = [torch.from_numpy(rng.normal(-1, 2, (3, 6, 8))) for _ in range(2)]
        return Scene(presence, votes, owners, VoteTargets(people, Targets(cells, owners), weights))


def equation_2(logits: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    p = 1 / (1 + np.exp(-logits))
    loss = -y * np.log(p) * (1 - p) - (1 - y) * np.log(1 - p) * p**4
    return float((weights * loss).sum() / y.sum())


def equation_3(logits: np.ndarray, points: np.ndarray, weights: np.ndarray) -> float:
    p = weights / (1 + np.exp(-logits))
    if not len(points):
        return float(p.mean())
    y, x = np.mgrid[:6, :8] + 0.5
    squared = (x[..., None] - points[:, 0]) ** 2 + (y[..., None] - points[:, 1]) ** 2
    back = -np.log((p[..., None] * np.exp(-squared)).sum(axis=(0, 1)))
    return float((p * squared.min(axis=-1)).sum() / p.sum() + np.maximum(back, 0).mean())


def test_the_papers_losses_are_its_equations() -> None:
    scene = Scene.random()
    keypoints, images = scene.targets.people.keypoints.numpy(), scene.targets.people.image_index.numpy()
    weights, y = scene.targets.weights.numpy(), scene.targets.cells.presence.numpy()
    heatmap = 0.0
    for logits in (x.numpy() for x in scene.presence):
        sets = [keypoints[images == i].reshape(-1, 3) for i in range(3)]
        chamfer = [equation_3(logits[i], sets[i][sets[i][:, 2] > 0, :2], weights[i]) for i in range(3)]
        heatmap += (equation_2(logits, y, weights) + 0.05 * float(np.mean(chamfer))) / 2
    errors = [  # equation 4
        (scene.votes.poses[image, vote, joint].numpy() - keypoints[person, joint, :2]) ** 2
        for (image, vote), person in np.ndenumerate(scene.owners.numpy())
        for joint in range(3)
        if person >= 0 and keypoints[person, joint, 2] > 0
    ]
    parts = VoteCriterion(PAPER, KAPPAS)(scene.presence, scene.votes, scene.owners, scene.targets)
    np.testing.assert_allclose(parts["presence"].item(), heatmap, rtol=1e-5)
    np.testing.assert_allclose(parts["votes"].item(), np.mean(errors), rtol=1e-5)


def test_our_losses_have_their_weights() -> None:
    scene = Scene.random()
    config = VoteLossConfig(oks=0.7, presence=0.3, vectors=0.6, gamma_positive=0.5, gamma_negative=3.0)
    people, votes = scene.targets.people, scene.votes
    target, sizes = people.keypoints[scene.owners.clamp(min=0)], people.sizes[scene.owners.clamp(min=0)]
    labelled = (target[..., 2] > 0) & (scene.owners >= 0)[..., None]
    likelihood = laplace_loss(votes.poses, votes.log_scales, target[..., :2], sizes, labelled)
    distance = oks_loss(votes.poses, target[..., :2], sizes, KAPPAS, labelled)
    cells = [asymmetric_loss(x, scene.targets.cells.presence, 0.5, 3.0, scene.targets.weights) for x in scene.presence]
    parts = VoteCriterion(config, KAPPAS)(scene.presence, votes, scene.owners, scene.targets)
    torch.testing.assert_close(parts["votes"], likelihood + 0.7 * distance)
    torch.testing.assert_close(parts["presence"], torch.stack(cells).mean())
    torch.testing.assert_close(parts["total"], 0.3 * parts["presence"] + 0.6 * parts["votes"])
