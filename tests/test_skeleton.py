"""Skeletons: mirror images are found by name, and a COCO category is read and written without loss."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from votepose.skeleton import COCO_17, Skeleton

PARTS = st.sets(st.sampled_from(["eye", "ear", "paw", "wrist_upper", "tail"]), min_size=1).map(sorted)
STYLES = st.sampled_from(
    [
        "left_{}|right_{}",
        "l_{}|r_{}",
        "L_{}|R_{}",
        "{}_left|{}_right",
        "{}_l|{}_r",
        "{} (left)|{} (right)",
        "Left{}|Right{}",
    ]
)


def test_coco_17_is_coco() -> None:
    assert len(COCO_17) == 17
    assert COCO_17.flip.tolist() == [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    assert len(COCO_17.links) == 19
    np.testing.assert_allclose(COCO_17.kappas[[0, 11]], [0.052, 0.214], rtol=1e-6)  # float32


@given(PARTS, STYLES, st.booleans())
def test_flip_twice_is_the_identity_and_swaps_left_and_right(parts: list[str], style: str, centre: bool) -> None:
    left, right = style.split("|")
    names = [side.format(part) for part in parts for side in (left, right)] + ["nose"] * centre
    skeleton = Skeleton(tuple(names), (), (0.1,) * len(names))
    assert skeleton.flip[skeleton.flip].tolist() == list(range(len(names)))
    for k in range(len(parts)):
        assert skeleton.flip[2 * k] == 2 * k + 1
    assert not centre or skeleton.flip[-1] == len(names) - 1


@given(PARTS, STYLES)
def test_sides_follow_the_names(parts: list[str], style: str) -> None:
    names = [side.format(part) for part in parts for side in style.split("|")] + ["nose"]
    assert Skeleton(tuple(names), (), (0.1,) * len(names)).sides.tolist() == [-1, 1] * len(parts) + [0]


def test_sides_of_coco_17_and_of_a_keypoint_without_its_mirror_image() -> None:
    assert COCO_17.sides.tolist() == [0] + [-1, 1] * 8
    assert Skeleton(("left_eye", "nose"), (), (0.1, 0.1)).sides.tolist() == [0, 0]


def test_a_side_without_its_mirror_image_stays() -> None:
    assert Skeleton(("left_eye", "nose"), (), (0.1, 0.1)).flip.tolist() == [0, 1]


@given(st.integers(1, 6), st.data())
def test_a_category_survives_json(joints: int, data: st.DataObject) -> None:
    index = st.integers(0, joints - 1)
    links = tuple(data.draw(st.lists(st.tuples(index, index), max_size=4)))
    sigmas = tuple(data.draw(st.lists(st.floats(0.01, 0.3), min_size=joints, max_size=joints)))
    skeleton = Skeleton(tuple(f"k{k}" for k in range(joints)), links, sigmas, "cat")
    assert Skeleton.from_coco_category(json.loads(json.dumps(skeleton.to_coco_category()))) == skeleton


def test_coco_17_is_recognised_without_sigmas() -> None:
    category = COCO_17.to_coco_category()
    assert Skeleton.from_coco_category({"keypoints": category["keypoints"]}) is COCO_17


@pytest.mark.parametrize(
    ("category", "said"),
    [
        ({"name": "cat"}, "'cat' lists no keypoints"),
        ({"keypoints": ["a", "a"]}, "repeat"),
        ({"keypoints": ["a", "b"], "skeleton": [[0, 1]]}, "outside"),
        ({"keypoints": ["a", "b"], "skeleton": [[1, 3]]}, "outside"),
        ({"keypoints": ["a", "b"], "sigmas": [0.1]}, "2 keypoints but 1 sigmas"),
    ],
)
def test_an_inconsistent_category_says_what_is_wrong(category: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Skeleton.from_coco_category(category)
