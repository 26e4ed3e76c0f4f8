"""`votepose train --teach looks`: the second look alone is taught, on the people that the rest of the network finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn

from votepose.data.loader import Batch
from votepose.grouping import GroupingConfig
from votepose.models.estimator import PoseEstimator
from votepose.models.heads.refiner import SecondLook
from votepose.models.heads.roi_align import CLOSER, MARGIN, Frame
from votepose.models.posenet import Maps, PoseNet
from votepose.oks import oks
from votepose.skeleton import Skeleton
from votepose.training.losses.refiner import LookTruth, drawn_in_part, look_losses, spoilt

_ALIKE = 0.1  # OKS, by twice the tolerance, from which a pose is somebody's
_FAINT = 0.02  # score below which a pose is not looked at
_CROWD = 8  # people a picture are looked at in training, if there are so many
_ROUND = 32  # and a multiple of this: for each new number of people a GPU chooses its kernels anew
_AGAIN = 0.5  # of the people, who are looked at for the second time


@dataclass(frozen=True)
class Labelled:
    """The N labelled people of a batch, in cells, and where there is nobody else.

    Attributes:
        keypoints: (N, K, 3) with COCO's v. sizes: (N,) root of the area. image_index: (N,).
        certain: (B, h, w) bool: if nobody is labelled here, nobody is here.
    """

    keypoints: Tensor
    sizes: Tensor
    image_index: Tensor
    certain: Tensor

    @staticmethod
    def of(batch: Batch, stride: int, certain: Tensor) -> Labelled:
        keypoints = torch.cat([batch.keypoints[..., :2] / stride, batch.keypoints[..., 2:]], dim=-1)
        return Labelled(keypoints, batch.sizes / stride, batch.image_index, certain)

    def match(self, poses: Tensor, image_index: Tensor, kappas: Tensor) -> tuple[Tensor, Tensor]:
        """(P,) whom of the same image each pose (P, K, 2) is most like, and whether at all; looser than COCO's OKS, so
        that a far pose is drawn to its person too."""
        if not len(self.sizes) or not len(poses):
            nobody = torch.zeros(len(poses), dtype=torch.long, device=poses.device)
            return nobody, nobody > 0
        labelled = (self.keypoints[..., 2] > 0).float()
        likeness = oks(poses[:, None], self.keypoints[None, ..., :2], self.sizes[None], 2 * kappas, labelled[None])
        best = likeness.masked_fill(image_index[:, None] != self.image_index[None], 0.0).max(dim=1)
        return best.indices, best.values > _ALIKE

    def missed(self, poses: Tensor, image_index: Tensor, kappas: Tensor) -> tuple[Tensor, Tensor]:
        """Poses (M, K, 2) and images (M,) of the people whom none of the poses (P, K, 2) is like; their unlabelled
        joints lie amid the labelled ones."""
        person, somebody = self.match(poses, image_index, kappas)
        found = torch.isin(torch.arange(len(self.sizes), device=poses.device), person[somebody])
        keypoints, images = self.keypoints[~found], self.image_index[~found]
        labelled = keypoints[..., 2:] > 0
        middle = (keypoints[..., :2] * labelled).sum(dim=1) / labelled.sum(dim=1).clamp(min=1)
        return torch.where(labelled, keypoints[..., :2], middle[:, None]), images

    def certain_at(self, poses: Tensor, image_index: Tensor) -> Tensor:
        """(P,) bool: if a pose (P, K, 2) is of nobody labelled, it is nobody's."""
        height, width = self.certain.shape[-2:]
        x, y = poses.mean(dim=1).floor().long().unbind(dim=-1)
        return self.certain[image_index, y.clamp(0, height - 1), x.clamp(0, width - 1)]


@dataclass(frozen=True)
class Lesson:
    """What the second look is shown of P people, and who they really are.

    Attributes:
        crops: of the maps, as `crops.crop` gives them.
        poses: (P, K, 2) as they were found, in the crops' grid.
        truth: of the same people.
    """

    crops: list[Tensor]
    poses: Tensor
    truth: LookTruth

    def __len__(self) -> int:
        return len(self.poses)

    def to(self, device: torch.device | str) -> Lesson:
        truth = LookTruth(*(getattr(self.truth, field.name).to(device) for field in fields(self.truth)))
        return Lesson([crop.to(device) for crop in self.crops], self.poses.to(device), truth)


def prepare(
    network: PoseNet, pyramid: Sequence[Maps], poses: Tensor, image_index: Tensor, people: Labelled, kappas: Tensor
) -> Lesson:
    """The lesson that poses (P, K, 2), in cells, of the images `image_index` (P,) give: half of them as they are, half
    as a first look corrects them, from nearer."""
    again = torch.rand(len(poses), device=poses.device) < _AGAIN
    poses = torch.where(again[:, None, None], _corrected(network, pyramid, poses, image_index, kappas), poses)
    person, somebody = people.match(poses, image_index, kappas)
    frame = Frame.around(poses, image_index, torch.where(again, CLOSER, MARGIN))
    truth = LookTruth(
        torch.zeros(*poses.shape[:2], 3, device=poses.device),
        torch.ones_like(frame.spacings),
        somebody,
        (somebody | people.certain_at(poses, image_index)).float(),
    )
    if somebody.any():
        keypoints = people.keypoints[person]
        inside = torch.cat([frame.into(keypoints[..., :2]), keypoints[..., 2:]], dim=-1) * somebody[:, None, None]
        sizes = torch.where(somebody, people.sizes[person] / frame.spacings, truth.sizes)
        truth = LookTruth(inside, sizes, somebody, truth.weight)
    return Lesson(network.crop(pyramid, frame), frame.into(poses), truth)


@torch.no_grad()
def _corrected(network: PoseNet, pyramid: Sequence[Maps], poses: Tensor, image_index: Tensor, kappas: Tensor) -> Tensor:
    """The poses after a look at them, as inference takes it."""
    assert network.second_look is not None
    training = network.second_look.training
    network.second_look.eval()
    corrected = network.look_again(pyramid, poses, image_index, kappas).poses
    network.second_look.train(training)
    torch.clear_autocast_cache()  # or weights cast without gradient would be taken again where it is wanted
    return corrected


def teach(second_look: SecondLook, lesson: Lesson, kappas: Tensor, flip: Tensor) -> dict[str, Tensor]:
    """The losses of a lesson: see `look_losses`."""
    if not len(lesson):
        return {"total": second_look.joint.sum() * 0}
    shown = spoilt(lesson.poses, lesson.truth, kappas, flip)
    return look_losses(second_look(lesson.crops, shown, kappas, drawn_in_part(shown)), lesson.truth, kappas)


class LookObjective(nn.Module):
    """What the second look is taught over the whole image pyramid, the rest of the network frozen: on the people whom
    the votes find, and on those whom they miss.

    `forward(network, batch)` returns a dict of scalars; `total` is what is minimised.
    """

    kappas: Tensor
    flip: Tensor

    def __init__(self, skeleton: Skeleton, grouping: GroupingConfig, levels: int) -> None:
        super().__init__()
        self.grouping, self.levels = grouping, levels
        self.register_buffer("kappas", torch.from_numpy(skeleton.kappas), persistent=False)
        self.register_buffer("flip", torch.from_numpy(skeleton.flip), persistent=False)

    def forward(self, network: PoseNet, batch: Batch) -> dict[str, Tensor]:
        assert network.second_look is not None
        network.eval()  # what is not taught must not drift by its running statistics
        network.second_look.train(self.training)
        return teach(network.second_look, self.lesson(network, batch), self.kappas, self.flip)

    def lesson(self, network: PoseNet, batch: Batch, testimony: Sequence[Sequence[Tensor]] = ()) -> Lesson:
        """Everybody whom the network's votes find in a batch, and whom they miss. There is no gradient in it but that
        of `testimony`, which takes the place of what the witness says of each level, if it is given."""
        maps, poses, image_index = self._found(network, batch)
        if testimony:
            maps = [
                replace(level, details=[*level.details[: -len(said)], *said])
                for level, said in zip(maps, testimony, strict=True)
            ]
        known = ~batch.ignored(maps[0].features.shape[-2:])
        people = Labelled.of(batch, network.config.stride, known & batch.complete[:, None, None])
        missed, missed_image = people.missed(poses, image_index, self.kappas)
        poses, image_index = torch.cat([poses, missed]), torch.cat([image_index, missed_image])
        chosen = self._chosen(people.match(poses, image_index, self.kappas)[1], len(batch))
        return prepare(network, maps, poses[chosen], image_index[chosen], people, self.kappas)

    @staticmethod
    def _chosen(somebody: Tensor, pictures: int) -> Tensor:
        """Whom of P poses to look at, of whom it is known whether they are `somebody` (P,): where there are many, a
        round number of them, and rather somebody than nobody."""
        if len(somebody) < 2 * _ROUND:
            return torch.arange(len(somebody), device=somebody.device)
        count = min(len(somebody), max(_CROWD * pictures, 2 * _ROUND)) // _ROUND * _ROUND
        return (torch.rand(len(somebody), device=somebody.device) + somebody).topk(count).indices

    @torch.no_grad()
    def _found(self, network: PoseNet, batch: Batch) -> tuple[list[Maps], Tensor, Tensor]:
        """The maps of each level, and the poses (P, K, 2), in cells, of the images (P,) that the votes find on them."""
        estimator = PoseEstimator(network, self.kappas, self.grouping, self.levels)
        threshold = torch.as_tensor(self.grouping.presence_threshold)
        levels, groups = estimator.vote(batch.images.permute(0, 2, 3, 1), threshold)
        _, image_index, poses, _, _, scores = estimator.pooled(groups)
        shown = scores > _FAINT
        torch.clear_autocast_cache()  # or weights cast without gradient would be taken again where it is wanted
        return [level.maps for level in levels], poses[shown], image_index[shown]
