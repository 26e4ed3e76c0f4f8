"""Votes -> people: what holds whatever the votes, and the paper's rule worked out by hand."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers.bodies import KAPPAS, matched, people_apart
from votepose.grouping import (
    PAPER,
    GroupingConfig,
    Groups,
    group,
    joint_confidences,
    vote_distances,
    vote_strengths,
)
from votepose.oks import body_sizes, oks, oks_nms

CONFIGS = [GroupingConfig(), replace(PAPER, threshold=8.0)]
seeds = st.integers(0, 2**31)


def cast(people: np.ndarray, votes: int, rng: np.random.Generator, noise: float = 0.0) -> list[np.ndarray]:
    """Votes (Q, K, 2), log scales, cells and presence of people (P, K, 2), each asked at `votes` of its joints."""
    owner = np.repeat(np.arange(len(people)), votes)
    poses = people[owner] + noise * rng.normal(size=(len(owner), 17, 2))
    joints = np.concatenate([rng.permutation(17)[:votes] for _ in people]) if len(people) else np.zeros(0, int)
    cells = np.floor(people[owner, joints]) + 0.5
    log_scales = rng.uniform(-2, 0, (len(owner), 17))
    presence = rng.uniform(0.85, 1.0, len(owner))
    return [x.astype(np.float32) for x in (poses, log_scales, cells, presence)]


def decided(votes: list[np.ndarray], config: GroupingConfig) -> bool:
    """Whether no two votes are so nearly at the threshold that rounding decides if they agree."""
    distances = vote_distances(votes[0], votes[1], config)
    return bool(np.abs(distances / config.threshold - 1).min() > 1e-3)


def found(groups: Groups) -> np.ndarray:
    """(P, K, 2) people."""
    return groups.poses[groups.leader]


@pytest.mark.parametrize("config", CONFIGS)
@given(seed=seeds, count=st.integers(1, 12), votes=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_perfect_votes_give_the_people_back(config: GroupingConfig, seed: int, count: int, votes: int) -> None:
    rng = np.random.default_rng(seed)
    people = people_apart(count, rng)
    groups = group(*cast(people, votes, rng), KAPPAS, config)
    assert matched(found(groups), people) < 1e-3
    np.testing.assert_array_equal(groups.support > 0, groups.leader)


@pytest.mark.parametrize("config", CONFIGS)
@given(seed=seeds, noise=st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_the_order_of_votes_does_not_matter(config: GroupingConfig, seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    votes = cast(people_apart(5, rng, columns=3), 6, rng, noise)
    order = rng.permutation(len(votes[0]))
    assume(decided(votes, config))
    one, other = group(*votes, KAPPAS, config), group(*(x[order] for x in votes), KAPPAS, config)
    assert matched(found(one), found(other)) < 1e-3
    np.testing.assert_array_equal(one.leader[order], other.leader)
    np.testing.assert_allclose(one.scores[order][other.leader], other.scores[other.leader], atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS)
@given(seed=seeds, noise=st.floats(0, 0.3))
@settings(max_examples=25, deadline=None)
def test_separated_people_are_never_merged(config: GroupingConfig, seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    groups = group(*cast(people_apart(12, rng), 5, rng, noise), KAPPAS, config)
    owner = np.repeat(np.arange(12), 5)
    np.testing.assert_array_equal(owner[groups.follow], owner)


@pytest.mark.parametrize("config", CONFIGS)
@given(seed=seeds, noise=st.floats(0, 5))
@settings(max_examples=25, deadline=None)
def test_a_person_is_joined_by_agreeing_votes_and_led_by_one_of_them(
    config: GroupingConfig, seed: int, noise: float
) -> None:
    rng = np.random.default_rng(seed)
    poses, log_scales, cells, presence = cast(people_apart(4, rng, columns=2), 5, rng, noise)
    near = vote_distances(poses, log_scales, config) < config.threshold
    joined = np.linalg.matrix_power(near.astype(float), 20) > 0  # by a chain of agreement
    groups = group(poses, log_scales, cells, presence, KAPPAS, config)
    assert joined[np.arange(20), groups.follow].all()
    np.testing.assert_array_equal(groups.follow[groups.follow], groups.follow)
    np.testing.assert_array_equal(np.unique(groups.follow), np.flatnonzero(groups.leader))


@pytest.mark.parametrize("config", CONFIGS)
def test_no_candidates_give_an_empty_result(config: GroupingConfig) -> None:
    empty = cast(people_apart(0, np.random.default_rng(0)), 3, np.random.default_rng(0))
    for votes, kappas in ((empty, KAPPAS), ([torch.from_numpy(x) for x in empty], torch.from_numpy(KAPPAS))):
        groups = group(*votes, kappas, config)
        assert tuple(found(groups).shape) == (0, 17, 2)
        assert all(len(getattr(groups, f.name)) == 0 for f in fields(groups))


@pytest.mark.parametrize("config", CONFIGS)
def test_votes_below_the_presence_threshold_do_not_count(config: GroupingConfig) -> None:
    rng = np.random.default_rng(0)
    people = people_apart(3, rng)
    poses, log_scales, cells, presence = cast(people, 4, rng)
    poses[4:8] += 1000 * rng.normal(size=(4, 17, 2)).astype(np.float32)
    presence[4:8] = np.nextafter(np.float32(config.presence_threshold), np.float32(0))
    groups = group(poses, log_scales, cells, presence, KAPPAS, config)
    assert matched(found(groups), people[[0, 2]]) < 1e-3
    silent = group(poses, log_scales, cells, np.zeros_like(presence), KAPPAS, replace(config, presence_threshold=0.0))
    assert not silent.leader.any()


@pytest.mark.parametrize("config", CONFIGS)
def test_two_hundred_people_are_found(config: GroupingConfig) -> None:
    rng = np.random.default_rng(0)
    people = people_apart(200, rng)
    votes = cast(people, 4, rng, noise=0.05)
    groups = group(*votes, KAPPAS, config)
    assert matched(found(groups), people) < 0.3


@pytest.mark.parametrize("config", [*CONFIGS, GroupingConfig(rule="scaled", pooling="mean")])
@given(seed=seeds, noise=st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_numpy_equals_pytorch(config: GroupingConfig, seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    images = [cast(people_apart(5, rng, columns=3), 6, rng, noise) for _ in range(2)]
    batch = [np.stack(x) for x in zip(*images, strict=True)]
    assume(decided(batch, config))
    one = group(*batch, KAPPAS, config)
    other = group(*(torch.from_numpy(x) for x in batch), torch.from_numpy(KAPPAS), config)
    for field in fields(Groups):
        theirs: Any = getattr(other, field.name).numpy()
        ours: Any = getattr(one, field.name)
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours.astype(float), theirs.astype(float), atol=2e-3, rtol=1e-4)


def test_images_of_a_batch_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    votes = [cast(people_apart(3, rng), 4, rng) for _ in range(2)]
    both = group(*(np.stack(x) for x in zip(*votes, strict=True)), KAPPAS, GroupingConfig())
    for i, alone in enumerate(votes):
        groups = group(*alone, KAPPAS, GroupingConfig())
        np.testing.assert_array_equal(both.follow[i], groups.follow)
        np.testing.assert_allclose(both.poses[i], groups.poses, atol=1e-3)


def test_the_papers_rule_by_hand() -> None:
    body = people_apart(1, np.random.default_rng(0))[0]
    poses = np.stack([body, body, body])
    poses[1, 0, 0] += 9.0  # 9 cells away as whole vectors
    poses[2, 3, 1] += 17.0  # 17 cells from the first, more from the second
    log_scales = np.random.default_rng(1).uniform(-3, 3, (3, 17)).astype(np.float32)  # the paper knows none
    presence = np.array([0.9, 0.85, 0.8], np.float32)
    groups = group(poses, log_scales, np.zeros((3, 2), np.float32), presence, KAPPAS, PAPER)
    assert len(np.unique(groups.follow[:2])) == 1
    assert groups.leader.sum() == 2
    assert groups.leader[2]
    leader = groups.follow[0]
    np.testing.assert_allclose(groups.poses[leader], (poses[0] + poses[1]) / 2, rtol=1e-6)
    np.testing.assert_allclose(groups.support[leader], 0.9 + 0.85, rtol=1e-6)


def test_a_chain_of_agreement_leads_to_its_strongest_vote() -> None:
    body = people_apart(1, np.random.default_rng(0))[0]
    poses = np.stack([body + np.float32(2 * i) for i in range(9)])  # neighbours are 2 sqrt(34) = 11.7 cells apart
    presence = np.linspace(0.8, 1, 9, dtype=np.float32)
    groups = group(poses, np.zeros((9, 17), np.float32), np.zeros((9, 2), np.float32), presence, KAPPAS, PAPER)
    assert groups.follow.tolist() == [8] * 9


def test_a_vote_below_the_threshold_leads_nobody() -> None:
    body = people_apart(1, np.random.default_rng(0))[0]
    log_scales = np.array([[2.0] * 17, [-3.0] * 17], np.float32)  # the second is surer, and stronger if it counted
    presence = np.array([0.5, 0.3], np.float32)
    groups = group(np.stack([body, body]), log_scales, np.zeros((2, 2), np.float32), presence, KAPPAS, GroupingConfig())
    assert groups.leader.tolist() == [True, False]


def test_strengths_confidences_and_scores_by_hand() -> None:
    body = np.zeros((1, 17, 2), np.float32)
    body[0, 0] = 16, 9  # its size is 12
    kappas, log_scales = np.full(17, 0.25), np.full((1, 17), np.log(6.0), np.float32)
    confidences = joint_confidences(log_scales, body_sizes(body), kappas)
    np.testing.assert_allclose(confidences, 0.2, rtol=1e-6)  # 1 / (1 + (6 / 3)^2)
    presence = np.array([0.6], np.float32)
    np.testing.assert_allclose(vote_strengths(presence, confidences), 0.6 * 0.25, rtol=1e-6)
    groups = group(body, log_scales, np.zeros((1, 2), np.float32), presence, kappas, GroupingConfig())
    np.testing.assert_allclose(groups.scores, (1 - np.exp(-0.6 / 3)) * 0.2, rtol=1e-6)


def test_a_joint_of_a_small_person_is_seen_from_a_cell_away() -> None:
    body = np.tile(np.float32(5), (1, 17, 2))
    cells = np.array([[5.5, 5.5]], np.float32)  # 0.7 cells away, more than half of kappa times the size
    groups = group(body, np.zeros((1, 17), np.float32), cells, np.ones(1, np.float32), KAPPAS, GroupingConfig())
    assert groups.seen.all()


def test_euclidean_distances_by_definition() -> None:
    poses = np.random.default_rng(0).uniform(0, 64, (6, 17, 2)).astype(np.float32)
    expected = np.linalg.norm((poses[:, None] - poses[None]).reshape(6, 6, 34), axis=-1)
    np.testing.assert_allclose(vote_distances(poses, np.zeros((6, 17), np.float32), PAPER), expected, atol=0.05)


def test_scaled_distances_by_definition() -> None:
    rng = np.random.default_rng(0)
    poses = rng.uniform(0, 64, (6, 17, 2)).astype(np.float32)
    log_scales = rng.uniform(-1, 1, (6, 17)).astype(np.float32)
    weights = np.exp(-log_scales)
    both = weights[:, None] * weights[None]
    squared = ((poses[:, None] - poses[None]) ** 2).sum(-1)
    sizes = body_sizes(poses)
    expected = np.sqrt((both * squared).sum(-1) / both.sum(-1) / (sizes[:, None] * sizes[None]))
    np.testing.assert_allclose(vote_distances(poses, log_scales, GroupingConfig()), expected, atol=2e-3)


def test_scaled_agreement_does_not_depend_on_the_picture_being_large() -> None:
    rng = np.random.default_rng(0)
    poses, log_scales, _, _ = cast(people_apart(3, rng, size=16.0), 3, rng, noise=1.0)
    config = GroupingConfig()
    np.testing.assert_allclose(
        vote_distances(4 * poses, log_scales + np.log(np.float32(4)), config),
        vote_distances(poses, log_scales, config),
        atol=5e-3,
    )


def test_certain_pooling_by_hand() -> None:
    body = people_apart(1, np.random.default_rng(0))[0]
    poses = np.stack([body, body])
    poses[1, 0, 0] += 1.0
    log_scales = np.log(np.array([[1.0] * 17, [2.0] + [1.0] * 16], np.float32))
    presence = np.array([0.9, 0.6], np.float32)
    groups = group(poses, log_scales, np.zeros((2, 2), np.float32), presence, KAPPAS, GroupingConfig())
    weights = np.array([0.9, 0.6 / 2**2])  # presence over the squared scale
    expected = body[0, 0] + weights[1] / weights.sum()
    np.testing.assert_allclose(groups.poses[groups.leader][0, 0, 0], expected, rtol=1e-6)
    doubt = np.log(2) * weights[1] / weights.sum()
    np.testing.assert_allclose(groups.log_scales[groups.leader][0], [doubt, *[0.0] * 16], rtol=1e-6)


def test_joints_are_seen_where_a_member_was_cast_and_otherwise_inferred() -> None:
    people = people_apart(2, np.random.default_rng(0), size=30.0)
    joints = np.array([0, 5, 5, 9])
    owner = np.array([0, 0, 1, 1])
    zeros = np.zeros((4, 17), np.float32)
    cells = (np.floor(people[owner, joints]) + 0.5).astype(np.float32)
    groups = group(people[owner], zeros, cells, np.ones(4, np.float32), KAPPAS, GroupingConfig())
    for person, cast_at in enumerate(([0, 5], [5, 9])):
        seen = groups.seen[groups.follow[2 * person]]
        distances = np.linalg.norm(people[person][:, None] - cells[owner == person], axis=-1).min(axis=1)
        tolerance = np.maximum(0.5 * KAPPAS * body_sizes(people[person]), 1.0)
        assert seen[cast_at].all()
        np.testing.assert_array_equal(seen, distances < tolerance)


@given(seed=seeds, noise=st.floats(0, 10))
@settings(max_examples=25, deadline=None)
def test_scores_and_confidences_are_shares(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    poses, log_scales, cells, presence = cast(people_apart(4, rng), 4, rng, noise)
    groups = group(poses, log_scales * 10, cells, presence, KAPPAS, GroupingConfig())
    confidences = joint_confidences(groups.log_scales, body_sizes(groups.poses), KAPPAS)
    for values in (groups.scores, confidences):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        assert (values <= 1).all()


def test_more_and_surer_votes_make_a_higher_score() -> None:
    rng = np.random.default_rng(0)
    people = people_apart(1, rng)

    def score(votes: int, doubt: float) -> float:
        poses, log_scales, cells, presence = cast(people, votes, np.random.default_rng(0))
        return float(group(poses, 0 * log_scales + doubt, cells, presence, KAPPAS, GroupingConfig()).scores.max())

    assert score(1, -2.0) < score(4, -2.0)
    assert score(4, 1.0) < score(4, -2.0)


def test_oks_by_hand() -> None:
    poses, others = np.zeros((1, 2, 2)), np.array([[[3.0, 4.0], [0.0, 0.0]]])
    kappas, sizes = np.array([1.0, 1.0]), np.array([5.0])
    half = np.exp(-25 / (2 * 25))
    np.testing.assert_allclose(oks(poses, others, sizes, kappas), [(half + 1) / 2])
    np.testing.assert_allclose(oks(poses, others, sizes, kappas, np.array([[1.0, 0.0]])), [half])


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_of_people_found_twice_the_best_stays(kind: str) -> None:
    people = people_apart(3, np.random.default_rng(0))
    poses = np.concatenate([people, people + 0.05])
    scores = np.array([0.9, 0.2, 0.5, 0.8, 0.3, 0.6], np.float32)
    images = np.array([0, 0, 0, 0, 0, 1])  # the third person's double stands in another image
    arrays: list[Any] = [poses, scores, images, KAPPAS]
    if kind == "torch":
        arrays = [torch.from_numpy(x) for x in arrays]
    assert oks_nms(*arrays, 0.7).tolist() == [True, False, True, False, True, True]
    assert oks_nms(*(x[:0] for x in arrays[:3]), arrays[3], 0.7).tolist() == []
