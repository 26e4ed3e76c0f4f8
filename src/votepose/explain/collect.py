"""Builds an `Explanation` of an image: runs the model, then groups its votes again in NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

import numpy as np

from votepose.errors import VoteposeError
from votepose.explain.explanation import Explanation, VoteGroup
from votepose.grouping import GroupingConfig, group, joint_confidences, vote_distances, vote_strengths
from votepose.inference.graph_outputs import PEOPLE, PRESENCE, VOTES, people_rows, to_poses
from votepose.io.images import read_image
from votepose.io.sources import ImageSource, source_name
from votepose.letterbox import Letterbox
from votepose.oks import body_sizes, oks
from votepose.poses import Poses
from votepose.predictor import Predictor

_COPY = 0.5  # minimum OKS for a group without a person to count as a copy of a person


def gather(predictor: Predictor, image: ImageSource) -> Explanation:
    """Run the model on an image and keep its presence map, its votes and how they were grouped.

    Raises:
        VoteposeError: if the image cannot be read, or the model file does not output its votes.
    """
    pixels = read_image(image)
    box = Letterbox.fit(pixels.shape[1], pixels.shape[0], predictor.input_size)
    raw = _outputs(predictor, box.apply(pixels))
    config = _grouping_config(predictor)
    rows = people_rows(raw, 0, predictor.skeleton.kappas)
    poses = replace(to_poses(raw, rows, box, predictor.skeleton), source=source_name(image))
    rank = np.full(len(raw["scores"]) + 1, -1)  # of each row of the output, and of -1: no person
    rank[rows] = np.arange(len(rows))

    stride, kappas = float(predictor.metadata["stride"]), predictor.skeleton.kappas
    votes, log_scales, cells, presence, person = _votes(raw, stride, config.presence_threshold)
    strengths = vote_strengths(presence, joint_confidences(log_scales, body_sizes(votes), kappas))
    order = np.argsort(-strengths, kind="stable")
    votes, log_scales, cells, presence, person, strengths = (
        x[order] for x in (votes, log_scales, cells, presence, person, strengths)
    )
    repeated, person = (person >= 0) & (rank[person] < 0), rank[person]
    distances = vote_distances(votes, log_scales, config) if len(votes) else np.zeros((0, 0), np.float32)
    found = group(votes, log_scales, cells, presence, kappas, config)
    scale = box.to_image(np.full(2, stride, np.float32), stride=1)
    return Explanation(
        image=pixels,
        name=PurePath(source_name(image) or "image").name,
        poses=poses,
        score_threshold=predictor.score_threshold,
        presence=raw[PRESENCE][0],
        cell=(float(scale[0]), float(scale[1])),
        cells=cells * scale,
        votes=votes * scale,
        scales=np.exp(log_scales) * scale.mean(),
        likelihoods=presence,
        strengths=strengths,
        person=person,
        follows=_first_steps(distances, strengths, config.threshold),
        leads=found.follow,
        distances=distances,
        groups=_groups(found.follow, person, repeated, found.poses * scale, poses, predictor.score_threshold),
        config=config,
        focus=bool(predictor.metadata.get("focus")),
    )


def _first_steps(distances: np.ndarray, strengths: np.ndarray, threshold: float) -> np.ndarray:
    """(V,) the strongest vote that each vote agrees with: the first links of the chains that `group` follows."""
    if not len(strengths):
        return np.zeros(0, int)
    return np.where(distances < threshold, strengths, 0).argmax(axis=1)


def _outputs(predictor: Predictor, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """The needed outputs of the model, by name, for pixels (H, W, 3).

    Raises:
        VoteposeError: if the file does not output its votes, or the run fails.
    """
    wanted = (*PEOPLE, PRESENCE, *VOTES)
    if set(wanted) - {output.name for output in predictor.session.get_outputs()}:
        raise VoteposeError("this model file does not output its votes: export it again with `votepose export`")
    return predictor.run(pixels[None], wanted)


def _grouping_config(predictor: Predictor) -> GroupingConfig:
    """The file's grouping options, with the predictor's presence threshold."""
    return GroupingConfig(**predictor.metadata["grouping"] | {"presence_threshold": predictor.presence_threshold})


def _votes(raw: dict[str, np.ndarray], stride: float, threshold: float) -> tuple[np.ndarray, ...]:
    """Votes (V, K, 2), log scales (V, K), cells (V, 2), presence (V,) and person (V,) of the first image, in cells."""
    votes, scales, presence = raw["vote_poses"] / stride, raw["vote_scales"] / stride, raw["vote_presence"]
    finite = np.isfinite(votes).all(axis=(1, 2)) & np.isfinite(scales).all(axis=1)
    # the graph outputs a fixed number of cells, including those below the threshold
    chosen = (raw["vote_image"] == 0) & finite & (presence >= threshold) & (presence > 0)
    log_scales = np.log(np.maximum(scales[chosen], 1e-6))
    return votes[chosen], log_scales, raw["vote_cells"][chosen] / stride, presence[chosen], raw["vote_person"][chosen]


def _groups(
    leads: np.ndarray, person: np.ndarray, repeated: np.ndarray, pooled: np.ndarray, poses: Poses, least: float
) -> tuple[VoteGroup, ...]:
    """The groups among V votes, the largest first, each with its outcome.

    Votes with a `repeated` (V,) person belong to a pose that was left out because a better one shows the same person.
    """
    groups = []
    for leader in np.unique(leads):
        members = np.flatnonzero(leads == leader)
        whose = person[members]
        chosen = int(np.bincount(whose[whose >= 0]).argmax()) if (whose >= 0).any() else -1
        outcome = _outcome(chosen, bool(repeated[members].any()), pooled[leader], poses, least)
        groups.append(VoteGroup(int(leader), tuple(int(m) for m in members), chosen, outcome))
    return tuple(sorted(groups, key=lambda g: (-len(g.members), g.leader)))


def _outcome(person: int, repeated: bool, pooled: np.ndarray, poses: Poses, least: float) -> str:
    if person >= 0:
        score = float(poses.scores[person])
        if score >= least:
            return f"person {person + 1}, score {score:.2f}"
        return f"left out: its score, {score:.2f}, is below the threshold of {least:g}"
    if len(poses):
        likeness = oks(poses.keypoints, pooled[None], body_sizes(poses.keypoints), poses.skeleton.kappas)
        if likeness.max() >= _COPY:
            copied = int(likeness.argmax()) + 1
            return f"left out: it duplicates person {copied} (OKS {likeness.max():.2f}), who has a higher score"
    if repeated:
        return "left out: a better pose shows the same person"
    return "left out: the refined person's score was too low"
