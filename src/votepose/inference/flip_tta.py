"""The flip test: runs the model on an image and its mirror image, and averages the poses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from votepose.oks import body_sizes, oks, oks_nms, without_doubles
from votepose.poses import Poses

Finder = Callable[[np.ndarray], Poses]  # an image (height, width, 3) uint8 -> its people, in its pixels

_SAME = 0.5  # minimum OKS of a person in one view with the same person in the other
_DUPLICATE = 0.7  # minimum OKS of two duplicates in the result


def find_in_both_views(find: Finder, image: np.ndarray) -> Poses:
    """Find people in an image (height, width, 3) and its mirror image, match them by OKS and average them; best first.

    Joints are weighted by their confidences. A person found in only one view keeps half of its score.
    """
    poses, mirrored = find(image), _mirrored(find(np.ascontiguousarray(image[:, ::-1])))
    if not len(poses) or not len(mirrored):
        seen = poses if len(poses) else mirrored
        return replace(seen, scores=seen.scores / 2)
    kappas = poses.skeleton.kappas
    likeness = oks(poses.keypoints[:, None], mirrored.keypoints[None], body_sizes(poses.keypoints)[:, None], kappas)
    partner = likeness.argmax(axis=1)
    mutual = (likeness.argmax(axis=0)[partner] == np.arange(len(poses))) & (likeness.max(axis=1) > _SAME)
    both = _averaged(poses[mutual], mirrored[partner[mutual]])
    alone = poses[~mutual], mirrored[np.setdiff1d(np.arange(len(mirrored)), partner[mutual])]
    joined = _joined([both, *(replace(view, scores=view.scores / 2) for view in alone)])
    joined = joined[np.argsort(-joined.scores, kind="stable")]
    same_image = np.zeros(len(joined), int)
    kept: np.ndarray = oks_nms(joined.keypoints, joined.scores, same_image, kappas, _DUPLICATE)
    joined = joined[kept]
    return joined[without_doubles(joined.keypoints, joined.confidences, kappas)]


def _mirrored(poses: Poses) -> Poses:
    flip, width = poses.skeleton.flip, poses.image_size[0]
    keypoints = poses.keypoints[:, flip] * np.array([-1, 1], np.float32) + np.array([width, 0], np.float32)
    return replace(poses, keypoints=keypoints, confidences=poses.confidences[:, flip], seen=poses.seen[:, flip])


def _joined(parts: Sequence[Poses]) -> Poses:
    keypoints, confidences, seen, scores = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("keypoints", "confidences", "seen", "scores")
    )
    return replace(parts[0], keypoints=keypoints, confidences=confidences, seen=seen, scores=scores)


def _averaged(poses: Poses, others: Poses) -> Poses:
    weight, other = poses.confidences + np.float32(1e-6), others.confidences + np.float32(1e-6)
    share = (weight / (weight + other))[..., None]
    return replace(
        poses,
        keypoints=share * poses.keypoints + (1 - share) * others.keypoints,
        confidences=(poses.confidences + others.confidences) / 2,
        scores=(poses.scores + others.scores) / 2,
        seen=np.where(weight >= other, poses.seen, others.seen),
    )
