"""Remarks on data are counted by kind, and say whether anything is left out."""

from __future__ import annotations

from votepose.data.remarks import Remark, count_remarks

CLIPPED = Remark("an annotation's box exceeds the image; clipped", adjusted=True)


def test_a_kind_is_one_line_with_its_first_example() -> None:
    remarks = [
        CLIPPED.at("a.jpg"),
        Remark("is 20x30, unlike in the json; its labels were scaled", adjusted=True, place="a.jpg"),
        CLIPPED.at("b.jpg"),
        Remark("is 40x50, unlike in the json; its labels were scaled", adjusted=True, place="c.jpg"),
        Remark("cannot identify image file 'd.jpg'", place="d.jpg"),
        Remark("cannot identify image file 'e.jpg'", place="e.jpg"),
        Remark("2 annotations have an image_id without a usable image (7, 8); left out"),
    ]
    kinds = count_remarks(remarks)
    assert [str(kind) for kind in kinds] == [
        "a.jpg: an annotation's box exceeds the image; clipped (and 1 more like this)",
        "a.jpg: is 20x30, unlike in the json; its labels were scaled (and 1 more like this)",
        "d.jpg: cannot identify image file 'd.jpg' (and 1 more like this)",
        "2 annotations have an image_id without a usable image (7, 8); left out",
    ]
    assert [kind.count for kind in kinds] == [2, 2, 2, 1]
    assert [kind.first.adjusted for kind in kinds] == [True, True, False, False]


def test_places_are_named_from_the_outside_in() -> None:
    assert str(CLIPPED.at("line 2").at("labels/a.txt")).startswith("labels/a.txt, line 2: an annotation's box")
