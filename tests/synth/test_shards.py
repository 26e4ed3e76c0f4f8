"""A folder of generated images is valid at any time, and a resumed run continues where it stopped."""

import json

import pytest

from votepose.errors import VoteposeError
from votepose.synth.shards import Scene, ShardFolder

CONTENT = {"seed": 1, "size": 64}


def scene(index: int) -> Scene:
    person = {
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": [1, 2, 2] * 17,
        "num_keypoints": 17,
        "area": 9,
        "bbox": [0, 0, 3, 3],
    }
    return Scene(index, 64, 48, b"jpeg%d" % index, [person] * (index % 3))


def write_all(folder: ShardFolder) -> int:
    with folder:
        for first, last in folder.missing():
            folder.write(first, map(scene, range(first, last)))
        return folder.merge()


def test_every_picture_is_listed_once_with_the_zip_that_holds_it(tmp_path):
    people = write_all(ShardFolder(tmp_path / "out", CONTENT, count=5, shard=2))
    data = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [image["id"] for image in data["images"]] == [0, 1, 2, 3, 4]
    assert [image["shard"] for image in data["images"]] == [f"images-0000{k}.zip" for k in (0, 0, 1, 1, 2)]
    assert people == len(data["annotations"]) == 4
    assert [annotation["id"] for annotation in data["annotations"]] == [1, 2, 3, 4]
    assert data["info"]["options"]["seed"] == 1


def test_equal_scenes_make_equal_bytes(tmp_path):
    for name in "ab":
        write_all(ShardFolder(tmp_path / name, CONTENT, count=3, shard=2))
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_a_stopped_run_goes_on_with_the_first_missing_shard(tmp_path):
    folder = ShardFolder(tmp_path / "out", CONTENT, count=5, shard=2)

    def stopping(first, last):
        yield scene(first)
        raise KeyboardInterrupt

    with folder:
        folder.write(0, map(scene, range(2)))
    with pytest.raises(KeyboardInterrupt), folder:
        folder.write(2, stopping(2, 4))
    assert not list((tmp_path / "out").rglob("*.partial*"))
    again = ShardFolder(tmp_path / "out", CONTENT, count=5, shard=2)
    assert again.missing() == [(2, 4), (4, 5)]
    assert write_all(again) == 4
    assert ShardFolder(tmp_path / "out", CONTENT, count=5, shard=2).missing() == []


def test_more_pictures_can_be_asked_for_later(tmp_path):
    write_all(ShardFolder(tmp_path / "out", CONTENT, count=3, shard=2))
    longer = ShardFolder(tmp_path / "out", CONTENT, count=6, shard=2)
    assert longer.missing() == [(2, 4), (4, 6)]  # the last shard was not full


def test_fewer_pictures_can_be_asked_for_and_none_is_lost(tmp_path):
    write_all(ShardFolder(tmp_path / "out", CONTENT, count=6, shard=4))
    fewer = ShardFolder(tmp_path / "out", CONTENT, count=5, shard=4)
    assert fewer.missing() == []
    write_all(fewer)
    data = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [image["id"] for image in data["images"]] == [0, 1, 2, 3, 4]
    assert ShardFolder(tmp_path / "out", CONTENT, count=6, shard=4).missing() == []


def test_a_lost_zip_is_made_again(tmp_path):
    write_all(ShardFolder(tmp_path / "out", CONTENT, count=4, shard=2))
    (tmp_path / "out" / "images-00001.zip").unlink()
    assert ShardFolder(tmp_path / "out", CONTENT, count=4, shard=2).missing() == [(2, 4)]


def test_a_folder_of_other_pictures_is_refused_and_left_alone(tmp_path):
    write_all(ShardFolder(tmp_path / "out", CONTENT, count=2, shard=2))
    with pytest.raises(VoteposeError, match="made with seed 1, not 2; use a new folder"):
        ShardFolder(tmp_path / "out", CONTENT | {"seed": 2}, count=2, shard=2)
    other = tmp_path / "photos"
    other.mkdir()
    (other / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(VoteposeError, match="holds other files"):
        ShardFolder(other, CONTENT, count=2, shard=2)
    with pytest.raises(VoteposeError, match="is a file"):
        ShardFolder(other / "holiday.jpg", CONTENT, count=2, shard=2)


def test_a_disk_that_fills_up_leaves_nothing_half_written(tmp_path):
    folder = ShardFolder(tmp_path / "out", CONTENT, count=4, shard=2)

    def filling(first, last):
        yield scene(first)
        raise OSError(28, "No space left on device", "images-00001.zip")

    with folder:
        folder.write(0, map(scene, range(2)))
    with pytest.raises(OSError, match="No space"), folder:
        folder.write(2, filling(2, 4))
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.*")) == ["00000.json", "images-00000.zip", "synth.json"]
