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
        "l{}|r{}",
        "{}L|{}R",
        "FL_{}|FR_{}",
        "rl_{}|rr_{}",
        "upper{}left|upper{}right",
        "{}_lft|{}_rgt",
        "左{}|右{}",
    ]
)


def test_coco_17_is_coco() -> None:
    assert len(COCO_17) == 17
    assert COCO_17.flip.tolist() == [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    assert len(COCO_17.links) == 19
    assert repr(COCO_17) == "Skeleton(person, 17 keypoints)"
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


@pytest.mark.parametrize(
    "names",
    [
        "LShoulder RShoulder LBigToe RBigToe",  # OpenPose, HALPE, Pose2Sim, Human3.6M
        "lshoulder rshoulder",
        "earL earR",
        "FL_paw FR_paw RL_paw RR_paw",
        "LF RF LR RR",
        "FLPaw FRPaw",
        "frontleft frontright",
        "upperleftarm upperrightarm",
        "LASI RASI LFHD RFHD",  # Vicon
        "L_F_Paw R_F_Paw L_B_Paw R_B_Paw",  # AP-10K
        "kneeLInner kneeRInner",
        "eye.L eye.R",
        "left_eye_left_corner right_eye_right_corner left_eye_right_corner right_eye_left_corner",
        "Left-Eye right_eye",
    ],
)
def test_sides_are_recognised_as_the_field_names_them(names: str) -> None:
    skeleton = Skeleton.from_coco_category({"keypoints": ["Nose", *names.split()]})
    pairs = [(k, k + 1) for k in range(1, len(skeleton), 2)]
    assert skeleton.pairs == tuple(pairs)
    assert skeleton.sides.tolist() == [0] + [-1, 1] * len(pairs)
    assert not skeleton.side_remark


@pytest.mark.parametrize("names", ["heel tail rear lip rib", "leg arm ear", "L1 L2 L3", "thumb1 thumb2"])
def test_names_without_sides_make_no_pairs_and_the_remark_says_so(names: str) -> None:
    skeleton = Skeleton.from_coco_category({"keypoints": names.split()})
    assert not skeleton.pairs
    assert f"{len(skeleton)} of {len(skeleton)} keypoints have no left-right counterpart" in skeleton.side_remark
    assert "flip_pairs" in skeleton.side_remark


def test_a_side_without_counterpart_is_remarked_on() -> None:
    skeleton = Skeleton.from_coco_category({"keypoints": ["left_eye", "right_eye", "left_ear", "ear_r", "nose"]})
    assert "2 of 5 keypoints" in skeleton.side_remark
    assert "(left_ear, ear_r)" in skeleton.side_remark


@pytest.mark.parametrize("pairs", [[["a", "b"], ["d", "c"]], [[1, 2], [4, 3]]])
def test_a_category_may_state_the_pairs(pairs: list[list[str | int]]) -> None:
    skeleton = Skeleton.from_coco_category({"keypoints": ["a", "b", "c", "d"], "flip_pairs": pairs})
    assert skeleton.flip.tolist() == [1, 0, 3, 2]
    assert skeleton.sides.tolist() == [-1, 1, 1, -1]
    assert not skeleton.side_remark
    assert Skeleton.from_coco_category(json.loads(json.dumps(skeleton.to_coco_category()))) == skeleton


def test_a_category_may_state_that_there_are_no_pairs() -> None:
    skeleton = Skeleton.from_coco_category({"keypoints": ["left_a", "right_a"], "flip_pairs": []})
    assert skeleton.flip.tolist() == [0, 1]
    assert not skeleton.side_remark


def test_skeletons_that_state_the_pairs_equal_those_whose_names_do() -> None:
    named = Skeleton.from_coco_category({"keypoints": ["a_l", "a_r"]})
    stated = Skeleton.from_coco_category({"keypoints": ["a_l", "a_r"], "flip_pairs": [[1, 2]]})
    assert named.joints == stated.joints


def test_coco_17_is_recognised_without_sigmas() -> None:
    category = COCO_17.to_coco_category()
    assert Skeleton.from_coco_category({"keypoints": category["keypoints"]}) is COCO_17
    assert Skeleton.from_coco_category(category | {"skeleton": []}) is COCO_17


def test_a_category_with_cocos_names_keeps_what_it_states_otherwise() -> None:
    stated = {"name": "dancer", "sigmas": [0.5] * 17, "skeleton": [[1, 2]], "flip_pairs": []}
    skeleton = Skeleton.from_coco_category(COCO_17.to_coco_category() | stated)
    assert (skeleton.category, skeleton.links, skeleton.pairs) == ("dancer", ((0, 1),), ())
    np.testing.assert_allclose(skeleton.kappas, 1)
    assert skeleton.joints != COCO_17.joints


@pytest.mark.parametrize(
    ("category", "said"),
    [
        ({"name": "cat"}, "'cat' lists no keypoints"),
        ({"keypoints": ["a", "a"]}, "repeat"),
        ({"keypoints": ["a", "b"], "skeleton": [[0, 1]]}, "outside"),
        ({"keypoints": ["a", "b"], "skeleton": [[1, 3]]}, "outside"),
        ({"keypoints": ["a", "b"], "skeleton": [["a", "b"]]}, "pairs of keypoint numbers"),
        ({"keypoints": ["a", "b"], "skeleton": [[1, 2, 1]]}, "pairs of keypoint numbers"),
        ({"keypoints": ["a", "b"], "sigmas": [0.1]}, "2 keypoints but 1 sigmas"),
        ({"keypoints": ["a", "b"], "sigmas": ["wide", 0.1]}, "`sigmas` numbers"),
        ({"keypoints": ["a", "b"], "flip_pairs": [["a", "c"]]}, "flip_pairs should be pairs"),
        ({"keypoints": ["a", "b"], "flip_pairs": [1, 0]}, "flip_pairs should be pairs"),
        ({"keypoints": ["a", "b", "c"], "flip_pairs": [[1, 2], [2, 3]]}, "each keypoint at most once"),
    ],
)
def test_an_inconsistent_category_says_what_is_wrong(category: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Skeleton.from_coco_category(category)
