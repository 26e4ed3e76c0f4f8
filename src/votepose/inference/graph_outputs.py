"""The inputs and outputs of the exported graph, and the people that they describe. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from votepose.letterbox import Letterbox
from votepose.oks import without_doubles
from votepose.poses import Poses
from votepose.skeleton import Skeleton

INPUTS = ("images", "presence_threshold")
PEOPLE = ("image_index", "keypoints", "confidences", "seen", "scores")  # a row per person
PRESENCE = "presence"
VOTES = ("vote_image", "vote_cells", "vote_poses", "vote_scales", "vote_presence", "vote_person")  # a row per vote
OUTPUTS = (*PEOPLE, PRESENCE, *VOTES)  # the fields of `models.outputs.PoseOutputs` and `VoteOutputs`, in order


def people_rows(
    outputs: Mapping[str, np.ndarray], image: int, kappas: np.ndarray, score_threshold: float = 0.0
) -> np.ndarray:
    """(P,) the rows of the people in an image of the batch, best first.

    Rows with a lower score than the threshold, with keypoints that are not finite (half precision may overflow), and
    those that show the same person as a better one are left out.
    """
    scores, keypoints = outputs["scores"], outputs["keypoints"]
    finite = np.isfinite(keypoints).all(axis=(1, 2))
    rows = np.flatnonzero((outputs["image_index"] == image) & (scores >= score_threshold) & finite)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return rows[without_doubles(keypoints[rows], outputs["confidences"][rows], kappas)]


def to_poses(outputs: Mapping[str, np.ndarray], rows: np.ndarray, box: Letterbox, skeleton: Skeleton) -> Poses:
    """The people in these rows, in pixels of the image that the letterbox was applied to."""
    _, keypoints, confidences, seen, scores = (outputs[name][rows] for name in PEOPLE)
    size = box.width, box.height
    return Poses(box.to_image(keypoints, stride=1), confidences, seen, scores, skeleton, size)
