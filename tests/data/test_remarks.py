"""Remarks on data are counted by kind, and say whether anything is left out."""

from __future__ import annotations

import pytest

from votepose.data.remarks import Remarks, count_remarks


def test_a_kind_is_one_line_with_its_first_example() -> None:
    lines = [
        "a.jpg: an annotation's box exceeds the image; clipped",
        "a.jpg: is 20x30, unlike in the json; its labels were scaled",
        "b.jpg: an annotation's box exceeds the image; clipped",
        "c.jpg: is 40x50, unlike in the json; its labels were scaled",
        "d.jpg: cannot identify image file 'd.jpg'",
        "e.jpg: cannot identify image file 'e.jpg'",
        "2 annotations have an image_id without a usable image (7, 8); left out",
    ]
    assert [str(remarks) for remarks in count_remarks(lines)] == [
        f"{lines[0]} (and 1 more like this)",
        f"{lines[1]} (and 1 more like this)",
        f"{lines[4]} (and 1 more like this)",
        lines[6],
    ]


@pytest.mark.parametrize(
    ("text", "adjusted"),
    [
        ("an annotation's box exceeds the image; clipped", True),
        ("is 20x30, unlike in the json; its labels were scaled", True),
        ("listed twice, with ids 1 and 2; read as one", True),
        ("a person is annotated twice with identical values; read once", True),
        ("an annotation's area is nan; taken from its box", True),
        ("a person labelled at one point, without box: size unknown, taken to be 40 pixels", True),
        ("an annotation's box is not four numbers; left out", False),
        ("an annotation has 3 keypoint numbers instead of 51; ignored region", False),
        ("an annotation has keypoints that are not numbers; taken as unlabelled", False),
        ("neither in data/images nor in a zip", False),
    ],
)
def test_adjusted_labels_are_not_left_out(text: str, adjusted: bool) -> None:
    assert Remarks(f"a.jpg: {text}", 1).adjusted == adjusted
