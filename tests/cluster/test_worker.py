"""One worker, without a cluster: what it does with a piece of work, and with what the dead left behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from helpers.folders import photos, records, shards
from votepose.cluster import files, worker
from votepose.cluster.plan import make_plan
from votepose.visualization.draw import Style


def test_an_image_that_kills_its_worker_gets_a_record_at_last(
    tmp_path: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DeathError(BaseException):
        """Instead of a crash of the process, which would be the test's."""

    def deadly(source: Path) -> np.ndarray:
        if Path(source).name == "2.jpg":
            raise DeathError
        return real(source)

    real = worker.read_image
    monkeypatch.setattr(worker, "read_image", deadly)
    names = [str(path) for path in photos(4)]
    job = worker.Job(str(tmp_path / "out"), os.getcwd(), fake_model.read_bytes(), 96, 0.5, 0.3, "cpu", 1, None)
    (chunk,) = make_plan(job.out, names, 4)
    row = {"part": chunk.part, "images": json.dumps(chunk.images)}
    for _ in range(3):
        with pytest.raises(DeathError):
            worker.Worker(job)(row)
        assert not shards()
    counts = worker.Worker(job)(row)
    assert (counts["images"], counts["people"]) == (4, 6)
    assert [record["image"] for record in records()] == names
    assert ["error" in record for record in records()] == [False, False, True, False]
    assert records()[2]["error"].startswith("in/2.jpg: crashes the worker")
    assert worker.Worker(job)(row) == counts  # again, as Ray may have it: counted, not done
    assert not list(Path("out/plan").glob("*.begun"))


def test_what_a_dead_worker_left_half_written_goes(fake_model: Path) -> None:
    names = [str(path) for path in photos(2)]
    job = worker.Job("out", os.getcwd(), fake_model.read_bytes(), 96, 0.5, 0.3, "cpu", 1, Style())
    files.write("out/plan/part-00000.begun", b'{"at": null, "deaths": {}}')
    files.write("out/pictures/part-00000/0001-1.jpg.0a1b2c3d.partial", b"half")
    told = worker.Worker(job)({"part": 0, "images": json.dumps(names)})
    assert (told["images"], told["fault"]) == (2, "")
    assert sorted(path.name for path in Path("out").rglob("*.*")) == ["0000-0.jpg", "0001-1.jpg", "part-00000.jsonl"]


def test_a_fault_without_words_is_named(fake_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(name: str) -> bool:
        raise TimeoutError

    monkeypatch.setattr(worker.files, "exists", silent)
    job = worker.Job("out", ".", fake_model.read_bytes(), 96, 0.5, 0.3, "cpu", 1, None)
    assert worker.Worker(job)({"part": 3, "images": '["a.jpg"]'})["fault"] == "part-00003: TimeoutError"


def test_a_worker_of_another_version_is_refused(fake_model: Path) -> None:
    job = worker.Job("out", ".", fake_model.read_bytes(), 96, 0.5, 0.3, "cpu", 1, None, version="0.0.0")
    told = worker.Worker(job)({"part": 3, "images": '["a.jpg"]'})
    assert told["fault"].startswith("part-00003: a worker has votepose ")
    assert told["fault"].endswith(", not 0.0.0: use one version")
