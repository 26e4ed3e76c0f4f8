"""Files are valid at every moment, a stopped run keeps its results, and the next run continues after them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.written import FORMATS, NAMES, RESUMABLE, expected, opened, rows
from votepose.errors import VoteposeError
from votepose.io.results.writer import Format, Results
from votepose.poses import Poses
from votepose.skeleton import COCO_17


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_stopped_run_keeps_what_it_did(tmp_path: Path, poses: Poses, form: Format, stop: type[BaseException]) -> None:
    with pytest.raises(stop), opened(form, tmp_path) as results:  # noqa: PT012
        results.write(NAMES[0], poses)
        writer: Any = results._writer
        if form != "parquet":
            file = writer._people if form.startswith("coco") else writer._lines
            file._file.seek(file._whole)
            file._file.write(b'{"cut sho')  # as a full disk leaves it
        raise stop
    assert rows(form, tmp_path) == expected((NAMES[0], poses))
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_that_fails_at_once_leaves_the_earlier_results(tmp_path: Path, form: Format) -> None:
    results = opened(form, tmp_path)
    results.path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), results:
        raise KeyboardInterrupt
    assert results.path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [results.path]


@pytest.mark.parametrize("form", RESUMABLE)
@pytest.mark.parametrize("how", ["stopped", "killed", "finished", "never begun"])
def test_resume_goes_on_after_what_is_done(tmp_path: Path, poses: Poses, form: Format, how: str) -> None:
    work = list(zip([*NAMES, "photos/d.jpg"], (poses, Poses.empty(), poses[:1], poses[1:]), strict=True))
    done = {"stopped": 2, "killed": 2, "finished": 4, "never begun": 0}[how]
    if how != "never begun":
        results = opened(form, tmp_path)
        results.__enter__()
        for name, people in work[:done]:
            results.write(name, people)
        if how == "killed":  # in the middle of an entry, before the files got their names
            writer: Any = results._writer
            for file in [writer._lines] if form == "records" else [writer._people]:
                file._file.seek(file._whole)
                file._file.write(file._separator + b'{"image": "photos/c.jpg", "peo')
        else:
            stop = KeyboardInterrupt if how == "stopped" else None
            results.__exit__(stop, None, None)
    with opened(form, tmp_path, resume=True) as results:
        assert results.done == {name for name, _ in work[:done]}
        for name, people in work[done:]:
            results.write(name, people)
    assert rows(form, tmp_path) == expected(*work)
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.parametrize("form", RESUMABLE)
def test_resume_begins_an_unfinished_video_anew(tmp_path: Path, poses: Poses, form: Format) -> None:
    with pytest.raises(KeyboardInterrupt), opened(form, tmp_path) as results:  # noqa: PT012
        results.write(NAMES[0], poses)
        with results.video("whole.mp4"):
            results.write("whole.mp4", poses[:1], 0, 0.0)
        with pytest.raises(VoteposeError), results.video("damaged.mp4"):  # noqa: PT012
            results.write("damaged.mp4", poses[:1], 0, 0.0)
            raise VoteposeError("cut short")
        with results.video("a.mp4"):
            results.write("a.mp4", poses, 0, 0.0)
            raise KeyboardInterrupt
    assert len(rows(form, tmp_path)) == 8
    with opened(form, tmp_path, resume=True) as results:
        assert results.done == {NAMES[0], "whole.mp4", "damaged.mp4"}
    assert len(rows(form, tmp_path)) == 5


@pytest.mark.parametrize("form", RESUMABLE)
def test_resume_drops_errors_so_that_they_are_tried_again(tmp_path: Path, poses: Poses, form: Format) -> None:
    with opened(form, tmp_path) as results:
        results.write(NAMES[0], poses)
        results.write_error(NAMES[1], "broken")
        results.write(NAMES[2], poses[:1])
    with opened(form, tmp_path, resume=True) as results:
        assert results.done == {NAMES[0], NAMES[2]}
        results.write(NAMES[1], poses[1:])
    assert rows(form, tmp_path) == expected((NAMES[0], poses), (NAMES[2], poses[:1]), (NAMES[1], poses[1:]))


def test_a_run_that_only_failed_leaves_the_earlier_results_if_it_is_stopped(tmp_path: Path) -> None:
    results = opened("records", tmp_path)
    results.path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), results:  # noqa: PT012
        results.write_error(NAMES[0], "broken")
        raise KeyboardInterrupt
    assert results.path.read_text() == "earlier"


@pytest.mark.parametrize("form", RESUMABLE)
def test_resume_that_stops_at_once_loses_nothing(tmp_path: Path, poses: Poses, form: Format) -> None:
    with opened(form, tmp_path) as results:
        results.write(NAMES[0], poses)
    with pytest.raises(KeyboardInterrupt), opened(form, tmp_path, resume=True):
        raise KeyboardInterrupt
    assert rows(form, tmp_path) == expected((NAMES[0], poses))


@pytest.mark.parametrize("which", ["_people", "_images"])
def test_an_image_that_cannot_be_written_leaves_no_people_behind(
    tmp_path: Path, poses: Poses, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="full"), opened("coco", tmp_path) as results:  # noqa: PT012
        results.write(NAMES[0], poses)
        writer: Any = results._writer
        real, calls = getattr(writer, which).append, []

        def full(entry: str) -> None:
            calls.append(entry)
            if len(calls) == (2 if which == "_people" else 1):
                raise OSError("full")
            real(entry)

        monkeypatch.setattr(getattr(writer, which), "append", full)
        results.write(NAMES[1], poses)
    assert rows("coco", tmp_path) == expected((NAMES[0], poses))


def test_resumed_coco_ids_stay_different(tmp_path: Path, poses: Poses) -> None:
    with opened("coco", tmp_path, ["7.jpg"]) as results:
        results.write("7.jpg", poses)
    names = ["7.jpg", "b.jpg", "9.jpg"]
    with opened("coco", tmp_path, names, resume=True) as results:
        for name in names[1:]:
            results.write(name, poses)
    assert {name for name, _ in rows("coco", tmp_path)} == set(names)


def test_what_cannot_be_resumed_is_one_line(tmp_path: Path, poses: Poses) -> None:
    with opened("records", tmp_path) as results:
        results.write(NAMES[0], poses)
    before = results.path.read_bytes()
    other = {"input size": 64}
    for act, said in [
        (lambda: Results("records", tmp_path, COCO_17, NAMES, other, True), "made with input size 96, not 64"),
        (lambda: opened("coco", tmp_path, resume=True), "made with format records, not coco"),
        (lambda: opened("csv", tmp_path, resume=True), "tables do not list images without people"),
    ]:
        with pytest.raises(VoteposeError, match=said) as caught:
            act()
        assert "\n" not in str(caught.value)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(VoteposeError, match="was not written by an earlier run"):
        opened("records", tmp_path, resume=True)
    (tmp_path / "run.json").unlink()
    with pytest.raises(VoteposeError, match=r"cannot be resumed without run\.json beside it"):
        opened("records", tmp_path, resume=True)
    assert results.path.read_bytes() == before


def test_results_with_a_broken_line_are_not_resumed(tmp_path: Path, poses: Poses) -> None:
    with opened("records", tmp_path) as results:
        results.write(NAMES[0], poses)
    broken = b'{"image": \n' + results.path.read_bytes()
    results.path.write_bytes(broken)
    with pytest.raises(VoteposeError, match="the line at byte 0 is broken"), opened("records", tmp_path, resume=True):
        pass
    assert results.path.read_bytes() == broken
    assert not list(tmp_path.glob("poses.jsonl.*"))


@pytest.mark.parametrize("form", RESUMABLE)
def test_what_grows_is_valid_at_every_moment(tmp_path: Path, poses: Poses, form: Format) -> None:
    with opened(form, tmp_path) as results:
        for name in NAMES:
            results.write(name, poses)
            for path in tmp_path.glob("*.partial"):
                whole = path.read_text()
                [json.loads(line) for line in whole.splitlines()] if "jsonl" in path.name else json.loads(whole)
