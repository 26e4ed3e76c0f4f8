"""The loss of each method, as its paper says: `LOSSES[method](labels)` makes the targets of a batch and returns a
function from a head's output to its loss, so that heads of one method share the targets."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from research.grouping.heads import FINER, JOINTS, LINKS, affinity_fields, centre_maps, tag_maps, votes_at
from research.grouping.labels import Labels
from votepose.data.loader import cells_inside
from votepose.training.losses.functional import laplace_loss, oks_loss
from votepose.training.losses.heatmaps import REACH, focal_loss, paint_gaussians
from votepose.training.targets import TargetConfig, choose_cells, paint

Loss = Callable[[Tensor], Tensor]
_VOTES = 128  # cells of each picture that vote, as in `VoteLossConfig`
_OKS = 0.5  # weight of that term, likewise
_LIMB = 1.0  # cells: half a limb's width
_SPREAD = 0.054  # standard deviation of a centre's Gaussian as a share of the box's root area
_BESIDE = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))


def vote_loss(labels: Labels) -> Loss:
    """Every cell on a joint votes for its whole person: likelihood under the predicted Laplace scales, and OKS."""
    keypoints = torch.cat([labels.points, labels.labelled[..., None] * 2.0], dim=-1)
    cells = paint(keypoints, labels.sizes, labels.image, labels.shape, labels.kappas, TargetConfig())
    chosen, owner = choose_cells(cells, _VOTES, labels.generator)
    if not len(labels.points):
        return lambda output: output.sum() * 0
    person = owner.clamp(min=0)
    target, sizes = labels.points[person], labels.sizes[person]
    labelled = labels.labelled[person] & (owner >= 0)[..., None]

    def loss(output: Tensor) -> Tensor:
        votes = votes_at(output, chosen)
        likelihood = laplace_loss(votes.poses, votes.log_scales, target, sizes, labelled)
        return likelihood + _OKS * oks_loss(votes.poses, target, sizes, labels.kappas, labelled)

    return loss


def tag_loss(labels: Labels) -> Loss:
    """Associative embedding, section 3.2: a person's tags are pulled to their mean, the means of two pushed apart."""
    x, y = (labels.points * FINER).long().unbind(dim=-1)
    image, joint = labels.image[:, None].expand_as(x), torch.arange(JOINTS).expand_as(x)
    mask, people = labels.labelled.float(), torch.bincount(labels.image, minlength=labels.shape[0])
    counts = mask.sum(dim=1).clamp(min=1)
    of_picture = people[labels.image].float()  # (N,) people in each one's picture
    apart = (labels.image[:, None] == labels.image) & ~torch.eye(len(x), dtype=torch.bool)
    pair = apart / (of_picture * (of_picture - 1)).clamp(min=1)

    def loss(output: Tensor) -> Tensor:
        tags = tag_maps(output)[image, joint, y, x]
        means = (tags * mask).sum(dim=1) / counts
        pull = (((tags - means[:, None]) ** 2 * mask).sum(dim=1) / counts / of_picture).sum()
        push = (torch.exp(-0.5 * (means[:, None] - means) ** 2) * pair).sum()
        return (pull + push) / labels.shape[0]

    return loss


def affinity_loss(labels: Labels) -> Loss:
    """Part affinity fields, section 2.3: L2 to the limbs' unit vectors, averaged where limbs cross."""
    batch, height, width = labels.shape
    link = torch.tensor(LINKS)
    both = labels.labelled[:, link].all(dim=-1)  # (N, L)
    person, limb = both.nonzero(as_tuple=True)
    starts, ends = labels.points[person, link[limb, 0]], labels.points[person, link[limb, 1]]
    lengths = (ends - starts).norm(dim=-1, keepdim=True).clamp(min=1e-6)
    unit = (ends - starts) / lengths
    grid = torch.cartesian_prod(torch.arange(height), torch.arange(width)).flip(-1) + 0.5
    normal = torch.stack([-unit[:, 1], unit[:, 0]], dim=-1)
    along = unit @ grid.T - (unit * starts).sum(dim=-1, keepdim=True)  # (M, h w)
    across = normal @ grid.T - (normal * starts).sum(dim=-1, keepdim=True)
    inside = ((along >= -0.5) & (along <= lengths + 0.5) & (across.abs() <= _LIMB)).float()
    map_index = labels.image[person] * len(LINKS) + limb
    field = torch.zeros(3, batch * len(LINKS), height * width)
    for plane, value in zip(field, (unit[:, :1], unit[:, 1:], 1.0), strict=True):
        plane.index_add_(0, map_index, inside * value)
    field = field.view(3, batch, len(LINKS), height, width).permute(1, 2, 0, 3, 4)
    on_limb = field[:, :, 2] > 0
    target = field[:, :, :2] / field[:, :, 2:].clamp(min=1)
    every = (labels.image[:, None] * len(LINKS) + torch.arange(len(LINKS))).flatten()
    boxes = labels.boxes.repeat_interleave(len(LINKS), dim=0)
    unlabelled = cells_inside(boxes, every, (batch * len(LINKS), height, width), counted=~both.flatten())
    known = ~labels.ignored[:, None] & ~unlabelled.view_as(on_limb)
    weight = torch.where(on_limb, 1.0, known * labels.empty[:, None, None, None])[:, :, None]
    total = on_limb.sum().clamp(min=1)
    return lambda output: ((affinity_fields(output) - target) ** 2 * weight).sum() / total


def centre_loss(labels: Labels) -> Loss:
    """CenterNet: a focal loss of the centres, and L1 of all joints, in body sizes, at a centre and beside it."""
    batch, height, width = labels.shape
    middle = labels.boxes[:, :2] + labels.boxes[:, 2:] / 2
    spread = (_SPREAD * labels.boxes[:, 2:].prod(dim=-1).clamp(min=1).sqrt()).clamp(0.5, REACH / 3)
    shape, every = torch.Size((batch, 1, height, width)), torch.zeros_like(labels.image)
    heat = paint_gaussians(middle, labels.image, every, spread, shape)
    known, empty = (~labels.ignored)[:, None].float(), labels.empty[:, None, None, None]
    cells = (middle.floor()[:, None] + _BESIDE).long()  # (N, 9, 2)
    inside = (cells >= 0).all(dim=-1) & (cells[..., 0] < width) & (cells[..., 1] < height)
    person, beside = inside.nonzero(as_tuple=True)
    cells, image = cells[person, beside], labels.image[person]
    mask = labels.labelled[person]

    def loss(output: Tensor) -> Tensor:
        logits, offsets = centre_maps(output)
        poses = cells[:, None] + 0.5 + offsets[image, :, :, cells[:, 1], cells[:, 0]]
        distance = (poses - labels.points[person]).abs().sum(dim=-1) / labels.sizes[person, None]
        return focal_loss(logits, heat, known, empty) + (distance * mask).sum() / mask.sum().clamp(min=1)

    return loss


LOSSES: dict[str, Callable[[Labels], Loss]] = {
    "votes": vote_loss,
    "tags": tag_loss,
    "affinity": affinity_loss,
    "centres": centre_loss,
}
