"""Checks before an evaluation: options in range, and data that match the weights."""

from __future__ import annotations

from pathlib import Path

from votepose.data.labelled import LabelledDataset
from votepose.data.remarks import count_remarks
from votepose.errors import VoteposeError
from votepose.letterbox import require_input_size
from votepose.skeleton import Skeleton

_KINDS = 8  # maximum number of remarks printed


def check_options(
    limit: int | None = None,
    input_size: int | None = None,
    levels: int | None = None,
    presence_threshold: float | None = None,
) -> None:
    """Raise VoteposeError unless the given options are in range."""
    require_positive("limit", limit)
    require_positive("levels", levels)
    if input_size is not None:
        require_input_size(input_size)
    if presence_threshold is not None and not 0 <= presence_threshold <= 1:
        raise VoteposeError(f"--presence-threshold should be in [0, 1], but is {presence_threshold}")


def require_positive(option: str, value: int | None) -> None:
    """Raise VoteposeError if the value of `--option` is below 1."""
    if value is not None and value < 1:
        raise VoteposeError(f"--{option} should be at least 1, but is {value}")


def print_left_out(dataset: LabelledDataset, folder: Path) -> None:
    """Print remarks on data that was left out or adjusted, and on keypoint names without a clear side."""
    if dataset.skeleton.side_remark:
        print(f"{folder}: {dataset.skeleton.side_remark}")
    kinds = count_remarks(dataset.left_out)
    for kind in kinds[:_KINDS]:
        print(f"{folder}: {kind}")
    if len(kinds) > _KINDS:
        more = sum(kind.count for kind in kinds[_KINDS:])
        print(f"{folder}: and {more} more remarks; `votepose check {folder}` prints all")


def require_labelled(dataset: LabelledDataset) -> None:
    """Raise VoteposeError if the data have no labelled people."""
    if not any(len(sample.keypoints) for sample in dataset.samples):
        raise VoteposeError(f"{dataset.annotations}: has no labelled keypoints to measure on")


def check_match(dataset: LabelledDataset, skeleton: Skeleton, weights: Path) -> None:
    """Raise VoteposeError unless the data label the keypoints that the weights predict."""
    require_labelled(dataset)
    theirs, ours = dataset.skeleton, skeleton
    if theirs.names != ours.names:
        differing = sorted(set(theirs.names) ^ set(ours.names))
        detail = f"only one of them has {differing[0]!r}" if differing else "in another order"
        raise VoteposeError(
            f"{weights}: has a different skeleton ({len(ours)} keypoints) from {dataset.annotations} "
            f"({len(theirs)} keypoints; {detail}); use weights that were trained on such data"
        )
