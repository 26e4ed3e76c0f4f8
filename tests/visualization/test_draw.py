"""Drawings: they mark where people are, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_model import some_poses
from votepose.errors import VoteposeError
from votepose.poses import Poses
from votepose.skeleton import Skeleton
from votepose.visualization.draw import PALETTE, Style, draw, limb_radius, person_colours

STICK = Skeleton(("left_end", "right_end"), ((0, 1),), (0.1, 0.1), "stick")


def stick(start: tuple[float, float], end: tuple[float, float], seen: bool = True, confidence: float = 1.0) -> Poses:
    """One person of two keypoints in an image of 200 x 100."""
    row = np.full((1, 2), confidence), np.full((1, 2), seen)
    return Poses(np.array([[start, end]]), *row, np.ones(1), STICK, (200, 100))


def coverage(poses: Poses, style: Style | None = None) -> np.ndarray:
    """(100, 200) float: by how much a white image was changed."""
    white = np.full((100, 200, 3), 255, np.uint8)
    return np.abs(np.asarray(draw(white, poses, style)).astype(float) - 255).sum(axis=2)


def test_without_people_the_picture_is_unchanged_and_the_input_never_changes(poses: Poses) -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    before = image.copy()
    np.testing.assert_array_equal(np.asarray(draw(image, Poses.empty())), image)
    assert (np.asarray(draw(image, poses, Style(scores=True))) != image).any()
    np.testing.assert_array_equal(image, before)


def test_a_pose_is_refused_with_what_to_pass_instead(poses: Poses) -> None:
    with pytest.raises(VoteposeError, match=r"poses\[\[0\]\]"):
        draw(np.zeros((480, 640, 3), np.uint8), poses[0])  # type: ignore[arg-type]


def test_what_is_drawn_lies_where_the_person_is() -> None:
    drawn = coverage(stick((50.5, 50.5), (150.5, 50.5)))
    rows, columns = np.nonzero(drawn)
    assert abs(rows.mean() - 50) < 0.1
    assert abs(columns.mean() - 100) < 0.1
    assert columns.min() > 40
    assert columns.max() < 160


def test_a_drawing_moves_with_its_person_and_mirrors_with_it() -> None:
    drawn = coverage(stick((40.25, 30.5), (90.25, 60.5)))
    np.testing.assert_array_equal(coverage(stick((60.25, 40.5), (110.25, 70.5)))[10:, 20:], drawn[:-10, :-20])
    mirrored = coverage(stick((159.75, 30.5), (109.75, 60.5)))
    np.testing.assert_allclose(mirrored[:, ::-1], drawn, atol=3)


def test_inferred_limbs_are_fainter_and_their_joints_hollow() -> None:
    seen, inferred = (coverage(stick((50, 50), (150, 50), seen)) for seen in (True, False))
    assert 0 < inferred.sum() < 0.7 * seen.sum()
    style = Style(limb=0.05, joint=4)
    disc, ring = (coverage(stick((20, 20), (180, 90), seen), style) for seen in (True, False))
    assert disc[20, 20] > 0
    assert ring[20, 20] == 0
    assert ring[:20, 20].max() > 0


def test_keypoints_fade_with_their_confidence() -> None:
    amounts = [coverage(stick((50, 50), (150, 50), confidence=c)).sum() for c in (0.0, 0.05, 0.1, 0.2, 0.9)]
    assert amounts[0] == 0
    assert amounts[0] < amounts[1] < amounts[2] < amounts[3] == amounts[4]


def test_lines_grow_with_the_person_within_what_the_picture_bears() -> None:
    radii = [limb_radius(stick((0, 0), (s, s))[0], 2000, 1000, Style()) for s in (1, 300, 500, 700, 10**6)]
    assert radii == sorted(radii)
    assert radii[1] < radii[2] < radii[3]
    assert 0.5 < radii[0] < radii[-1] < 20


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_any_keypoints_can_be_drawn(numbers: list[float]) -> None:
    with np.errstate(all="raise", under="ignore"):
        coverage(stick((numbers[0], numbers[1]), (numbers[2], numbers[3])), Style(scores=True))


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (100, 1)])
def test_any_picture_can_be_drawn_on(shape: tuple[int, int]) -> None:
    picture = draw(np.zeros(shape, np.uint8), some_poses(3), Style(scores=True))
    assert picture.size == shape[::-1]
    assert picture.mode == "RGB"


@given(st.integers(0, 40))
def test_colours_repeat_only_when_all_are_in_use(people: int) -> None:
    colours = person_colours(some_poses(people))
    assert len(set(colours.tolist())) == min(people, len(PALETTE))


def test_ids_keep_their_colours_with_other_people_present() -> None:
    tracked = replace(some_poses(3), ids=np.array([9, 1, 2]))
    assert person_colours(tracked).tolist() == [1, 0, 1]
    assert person_colours(tracked[[2, 0]]).tolist() == [1, 1]


def test_ids_are_written_above_their_people() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    poses = some_poses(1)
    tracked = replace(poses, ids=np.array([1]))
    plain, labelled = draw(image, poses), draw(image, tracked)
    assert plain.tobytes() != labelled.tobytes()
    assert draw(image, tracked, Style(ids=False)).tobytes() == plain.tobytes()
    assert draw(image, replace(tracked, ids=np.array([8]))).tobytes() != labelled.tobytes()


def test_the_best_persons_label_is_on_top() -> None:
    first, second = stick((90, 60), (110, 60)), stick((96, 60), (116, 60))
    points = np.concatenate([first.keypoints, second.keypoints])
    both = replace(first, keypoints=points, confidences=np.ones((2, 2)), seen=np.ones((2, 2)), scores=np.ones(2))
    label = np.asarray(draw(np.zeros((100, 200, 3), np.uint8), replace(both, ids=np.array([1, 4])), Style()))[35:50]
    best, other = ((label == PALETTE[k].astype(int)).all(axis=2).sum() for k in (0, 3))
    assert best > 2 * other > 0


def test_neighbours_in_a_row_differ_in_colour() -> None:
    row = stick((0, 0), (10, 50))
    points = row.keypoints + np.arange(30)[:, None, None] * np.array([20, 0])
    many = replace(row, keypoints=points, confidences=np.ones((30, 2)), seen=np.ones((30, 2)), scores=np.ones(30))
    colours = person_colours(many)
    assert (colours[1:] != colours[:-1]).all()
    assert (colours[2:] != colours[:-2]).all()


@pytest.mark.parametrize("style", ["left_{}|right_{}", "{}_l|{}_r", "Left{}|Right{}", "{} (left)|{} (right)"])
def test_the_left_side_is_drawn_lighter_however_it_is_named(style: str) -> None:
    names = tuple(side.format("eye") for side in style.split("|"))
    poses = replace(stick((50, 50), (150, 50)), skeleton=Skeleton(names, (), (0.1, 0.1)))
    picture = np.asarray(draw(np.zeros((100, 200, 3), np.uint8), poses)).astype(int)
    left, right = picture[50, 50], picture[50, 150]
    assert (left >= right).all()
    assert (left > right).any()
