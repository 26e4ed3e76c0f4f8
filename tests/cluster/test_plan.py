"""Which images are one piece of work, and which pieces are left."""

from __future__ import annotations

from votepose.cluster import files
from votepose.cluster.plan import Chunk, left_of, make_plan


def test_a_plan_is_kept_and_grows() -> None:
    first = make_plan("out", ["a", "b", "\udc80"], 2)
    assert first == [Chunk(0, ("a", "b")), Chunk(1, ("\udc80",))]
    assert make_plan("out", ["\udc80", "d", "a"], 1) == [*first, Chunk(2, ("d",))]
    assert make_plan("out", ["d"]) == [Chunk(2, ("d",))]
    files.write("out/records/part-00001.jsonl", b"")
    files.write("out/records/part-00002.jsonl.partial", b"")
    assert [chunk.part for chunk in left_of("out", make_plan("out", ["a", "\udc80", "d"]))] == [0, 2]
    assert [len(chunk.images) for chunk in make_plan("few", list(map(str, range(30))))] == [16, 14]
    assert [len(chunk.images) for chunk in make_plan("many", list(map(str, range(10_000))))][::30] == [156, 156, 156]
