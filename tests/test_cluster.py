"""The Ray engine, on a local cluster of two nodes with a CPU each; what needs no cluster first, the lost node last."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest

import votepose.cluster
from conftest import red_dot, save_jpeg
from votepose import cli
from votepose.draw import Style
from votepose.errors import VoteposeError

ray = pytest.importorskip("ray", reason='needs Ray: pip install "votepose[cluster]"')
psutil = pytest.importorskip("psutil")

import fsspec  # noqa: E402
from fsspec.asyn import AsyncFileSystem  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from votepose.cluster import connection, driver, files, worker  # noqa: E402
from votepose.cluster.addresses import url_of  # noqa: E402
from votepose.cluster.listing import expand, find_names  # noqa: E402
from votepose.cluster.plan import Chunk, left_of, make_plan  # noqa: E402
from votepose.predict_config import PredictConfig  # noqa: E402

Predict = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes of one CPU, and a connection to them."""
    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 4}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": quick}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        started = Cluster(initialize_head=True, head_node_args=head)
        started.add_node(num_cpus=1)
        ray.init(address=started.address, log_to_driver=False, logging_level="ERROR")
        yield started
        ray.shutdown()
        started.shutdown()


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str], fake_model: Path) -> Predict:
    """`votepose predict` with the fake model: exit status, stdout and stderr."""

    def call(*argv: str | Path) -> tuple[int, str, str]:
        status = cli.main(["predict", *map(str, argv), "--weights", str(fake_model)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def photos(count: int, width: int = 96) -> list[Path]:
    """Different pictures in in/; the wider, the longer a worker takes."""
    Path("in").mkdir(exist_ok=True)
    height = width * 2 // 3
    return [save_jpeg(Path(f"in/{k}.jpg"), red_dot(width, height, 2 * k, k, width // 8)) for k in range(count)]


def shards(out: str = "out") -> list[Path]:
    return sorted(Path(out, "records").glob("*.jsonl"))


def records(out: str = "out") -> list[dict]:
    return [json.loads(line) for path in shards(out) for line in path.read_text().splitlines()]


def local_records(predict: Predict, *inputs: str) -> list[dict]:
    assert predict(*inputs, "--no-draw", "--out", "local")[0] == 0
    return [json.loads(line) for line in Path("local/poses.jsonl").read_text().splitlines()]


def workers_of_this_test() -> list:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.status() != "zombie" and child.name().startswith("ray::MapWorker")]


def meanwhile(act: Callable[[], None], done: int) -> Thread:
    """Wait for `done` files of records, then `act`, in a thread."""

    def wait() -> None:
        until = time.monotonic() + 60
        while len(shards()) < done and time.monotonic() < until:
            time.sleep(0.01)
        act()

    thread = Thread(target=wait)
    thread.start()
    return thread


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
    assert records()[2]["error"].startswith("in/2.jpg: crashes its worker")
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


@pytest.mark.parametrize(("device", "asked"), [("cpu", "3 CPUs"), ("cuda:0", "3 CPUs and a GPU")])
def test_workers_that_no_machine_can_hold_are_told_of(
    device: str, asked: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = worker.Job("out", ".", None, 96, 0.5, 0.3, device, 3, None)
    small, dead = {"CPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}
    nodes = [{"Alive": True, "Resources": small}, {"Alive": False, "Resources": dead}]
    monkeypatch.setattr(driver.ray, "nodes", lambda: nodes)
    with pytest.raises(VoteposeError, match=f"^a worker asks for {asked}, which this machine has not: "):
        driver._check_room(job, growing=False)
    driver._check_room(job, growing=True)
    assert capsys.readouterr().err.endswith(
        f"no machine of the cluster has {asked}, as a worker asks: waiting for one\n"
    )
    nodes[1]["Alive"] = True
    driver._check_room(job, growing=False)
    assert capsys.readouterr().err == ""


def test_a_worker_of_another_version_is_refused(fake_model: Path) -> None:
    job = worker.Job("out", ".", fake_model.read_bytes(), 96, 0.5, 0.3, "cpu", 1, None, version="0.0.0")
    told = worker.Worker(job)({"part": 3, "images": '["a.jpg"]'})
    assert told["fault"].startswith("part-00003: a worker has votepose ")
    assert told["fault"].endswith(", not 0.0.0: install the same")


def test_a_plan_is_kept_and_grows() -> None:
    first = make_plan("out", ["a", "b", "\udc80"], 2)
    assert first == [Chunk(0, ("a", "b")), Chunk(1, ("\udc80",))]
    assert make_plan("out", ["\udc80", "d", "a"], 1) == [*first, Chunk(2, ("d",))]
    assert make_plan("out", ["d"]) == [Chunk(2, ("d",))]
    files.write("out/records/part-00001.jsonl", b"")
    files.write("out/records/part-00002.jsonl.partial", b"")
    assert [chunk.part for chunk in left_of("out", make_plan("out", ["a", "\udc80", "d"]))] == [0, 2]
    assert [len(chunk.images) for chunk in make_plan("many", list(map(str, range(10_000))))][::30] == [156, 156, 156]


def test_urls_of_fsspec_are_read_listed_and_written() -> None:
    for name in ("a/2.jpg", "a/10.JPG", "a/b/c.png", "a/.hidden.jpg", "a/notes.md", "a/out/x.jpg"):
        files.write(f"memory://{name}", name.encode())
    files.write("memory://a/list.txt", "memory://a/2.jpg\n\n/local.jpg\n".encode("utf-8-sig"))
    assert files.read("memory://a/2.jpg") == b"a/2.jpg"
    assert expand("memory://a", False, "memory://a/out") == ["memory:///a/2.jpg", "memory:///a/10.JPG"]
    assert expand("memory://a", True, "memory://a/out")[2:] == ["memory:///a/b/c.png"]
    assert expand("memory://a/*.jp*", False, "out") == ["memory:///a/2.jpg"]
    assert expand("memory://a/2.jpg", False, "out") == ["memory://a/2.jpg"]
    assert expand("memory://a/list.txt", False, "out") == ["memory://a/2.jpg", "/local.jpg"]
    files.write("memory://a/.seen/1.jpg", b"")
    files.write("memory://a/.seen/.2.jpg", b"")
    assert expand("memory://a/.seen/*.jpg", False, "out") == ["memory:///a/.seen/1.jpg"]
    assert files.in_folder("memory://a/b", ".png") == ["c.png"]
    assert files.in_folder("memory://none", ".png") == []
    with pytest.raises(VoteposeError, match=r"^memory://none: no such file or folder$"):
        expand("memory://none", False, "out")
    with pytest.raises(VoteposeError, match=r"^memory://none.jpg: no such file$"):
        worker.read_anywhere("memory://none.jpg")
    with pytest.raises(VoteposeError, match=r"^memory://a/2.jpg: is not an image"):
        worker.read_anywhere("memory://a/2.jpg")
    urls = [url_of(Path(text)) for text in ("s3://bucket/a", "file:///tmp/a", "/tmp/a", "a")]
    assert urls == ["s3://bucket/a", "/tmp/a", "/tmp/a", os.path.abspath("a")]


def test_a_list_at_a_url_is_read_as_one_on_this_machine() -> None:
    def names(content: str) -> list[str]:
        files.write("memory://lists/names", content.encode("utf-8-sig"))  # no suffix tells that it is a list
        return find_names(PredictConfig((), list="memory://lists/names"), "out")

    assert names("memory://a/2.jpg\r\n\nb\u2028c.jpg\nmemory://a/2.jpg") == ["memory://a/2.jpg", "b\u2028c.jpg"]
    assert names("a\nb.jpg\0https://host/c.jpg") == ["a\nb.jpg", "https://host/c.jpg"]
    for content, told in (
        ("\n \n", "memory://lists/names: the list is empty; it should name an image path or URL a line"),
        ("memory://a/clip.mp4", "memory://a/clip.mp4: --engine ray takes images; leave it out for videos"),
        ("https://me:secret@host/a.jpg", "https://host/a.jpg: --engine ray takes no address with a password in it"),
        ("foo://a/b.jpg", "foo://: Protocol not known: foo; there are s3://, gs:// and the others of fsspec"),
    ):
        with pytest.raises(VoteposeError) as caught:
            names(content)
        assert str(caught.value) == told
    with pytest.raises(VoteposeError, match=r"^memory://none: cannot be read as a list \("):
        find_names(PredictConfig((), list="memory://none"), "out")


class Bucket(AsyncFileSystem):
    """An object store: what is put into it is there when it is whole; folders are not made."""

    protocol = "bucket"
    objects: ClassVar[dict[str, bytes]] = {}

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: object) -> None:
        self.objects[path] = value

    async def _cat_file(self, path: str, start: object = None, end: object = None, **options: object) -> bytes:
        return self.objects[path]

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise AssertionError


def test_objects_are_put_at_once_whatever_they_are_called() -> None:
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    for name in ("bucket://out/0001-photo[1].jpg", "bucket://out/*?.jpg"):
        files.write(name, b"old")
        files.write(name, b"new")
        assert files.read(name) == b"new"
    assert len(Bucket.objects) == 2  # and nothing half-written beside them


def test_a_file_is_whole_or_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    system, _ = files.file_system("x")
    files.write("a/b.jsonl", b"old")

    def half(self: object, path: str, data: bytes) -> None:
        Path(path).write_bytes(data[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(system), "pipe_file", half)
    with pytest.raises(OSError, match="No space left"):
        files.write("a/b.jsonl", b"new")
    assert os.listdir("a") == ["b.jsonl"]
    assert Path("a/b.jsonl").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["in", "--format", "csv"], "--engine ray writes records, and no csv: leave out --format"),
        (["in", "--fail-fast"], "--engine ray goes on after an image that cannot be read: leave out --fail-fast"),
        (["in", "--chunk", "0"], "--chunk should be at least 1, but is 0"),
        (["clip.mp4"], "clip.mp4: --engine ray takes images; leave it out for videos"),
        (["https://me:secret@host/a.jpg"], "https://host/a.jpg: --engine ray takes no address with a password in it"),
        (["none.jpg"], "none.jpg: no such file or folder"),
        (["in", "--out", "in/0.jpg/out"], "in/0.jpg/out: is or lies in a file, not a folder; choose another --out"),
        (["foo://a/b.jpg"], "foo://a/b.jpg: Protocol not known: foo"),
        (["in", "--address", "127.0.0.1:1"], "no Ray cluster answers at 127.0.0.1:1 (Connection refused)"),
        (["in", "--address", f"127.0.0.1:{10**30}"], f"no Ray cluster answers at 127.0.0.1:{10**30} (no answer)"),
        (["in", "--address", "nonsense"], "Ray at nonsense: Invalid address format: nonsense; check --address"),
    ],
)
def test_mistakes_are_told_in_a_line(predict: Predict, argv: list[str], told: str) -> None:
    assert not ray.is_initialized()
    photos(1)
    Path("clip.mp4").touch()
    status, out, err = predict(*argv, "--engine", "ray")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert told in err.replace(os.getcwd() + "/", "")


def test_what_ray_says_goes_to_stderr_but_not_that_it_killed_workers_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with connection.remarks_to_stderr():
        print("(raylet) Task failed. Error: The actor is dead because it was killed by `ray.kill`.")
        print("(raylet) a machine", "was lost")
    print("summary")
    assert capsys.readouterr() == ("summary\n", "(raylet) a machine was lost\n")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (
            ["--out", "s3://bucket/found"],
            "s3://bucket/found: only --engine ray writes to a URL; name a folder as --out",
        ),
        (["--out", "file:///tmp/x"], "/tmp/x: only --engine ray writes to a URL; name a folder as --out"),
        (["--workers", "2"], "--workers is for --engine ray: add that, or leave --workers out"),
        (["--chunk", "2"], "--chunk is for --engine ray: add that, or leave --chunk out"),
        (["--address", "auto"], "--address is for --engine ray: add that, or leave --address out"),
    ],
)
def test_the_local_engine_refuses_what_only_ray_can_do(predict: Predict, argv: list[str], told: str) -> None:
    photos(1)
    assert predict("in", *argv) == (2, "", f"votepose: error: {told}\n")
    assert os.listdir() == ["in"]


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_what_is_missing_is_named(predict: Predict, monkeypatch: pytest.MonkeyPatch, scheme: str, package: str) -> None:
    photos(1)
    monkeypatch.setitem(sys.modules, package, None)  # type: ignore[arg-type]
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, scheme, raising=False)
    expected = f"{scheme}://b/x: needs a package that is not installed: pip install {package}\n"
    assert predict(f"{scheme}://b/x", "--engine", "ray")[2].endswith(expected)
    assert predict("in", "--engine", "ray", "--out", f"{scheme}://b/x")[2].endswith(expected)
    monkeypatch.setitem(sys.modules, "ray", None)  # type: ignore[arg-type]
    monkeypatch.delitem(sys.modules, "votepose.cluster.driver")
    monkeypatch.delattr(votepose.cluster, "driver")
    status, _, err = predict("in", "--engine", "ray")
    message = '--engine ray needs ray, which is not installed: pip install "votepose[cluster]"'
    assert (status, err) == (2, f"votepose: error: {message}\n")
    assert isinstance(driver, ModuleType)


@pytest.mark.usefixtures("cluster")
def test_each_image_gets_one_record_the_local_engines(predict: Predict) -> None:
    photos(9)
    expected = local_records(predict, "in")
    Path("in/broken.jpg").write_bytes(b"not an image")
    Path("list.txt").write_text(f"in/gone.jpg\nfile://{os.getcwd()}/in/3.jpg\n")
    status, out, err = predict("in", "--list", "list.txt", "--engine", "ray", "--chunk", "4")
    assert status == 1
    assert out.startswith("10 pictures, 20 people, 2 failed, ")
    assert sorted(err.splitlines()) == ["votepose: in/broken.jpg: is not an image of a known format",
                                        "votepose: in/gone.jpg: no such file"]  # fmt: skip
    found = records()
    assert [record for record in found[:9]] == expected
    assert found[9:11] == [{"image": "in/broken.jpg", "error": "in/broken.jpg: is not an image of a known format"},
                           {"image": "in/gone.jpg", "error": "in/gone.jpg: no such file"}]  # fmt: skip
    assert found[11] == expected[3] | {"image": f"file://{os.getcwd()}/in/3.jpg"}
    assert [len(path.read_text().splitlines()) for path in shards()] == [4, 4, 4]
    drawn = sorted(str(path) for path in Path("out/pictures").rglob("*.jpg"))
    assert drawn[:5] == [f"out/pictures/part-0000{k // 4}/000{k % 4}-{k}.jpg" for k in range(5)]
    assert len(drawn) == 10


@pytest.mark.usefixtures("cluster")
def test_runs_go_on_with_what_is_left(predict: Predict) -> None:
    photos(12)
    run = ("in", "--engine", "ray", "--no-draw")
    assert predict(*run, "--chunk", "2")[0] == 0
    whole = {path: path.read_bytes() for path in shards()}
    times = {path: path.stat().st_mtime_ns for path in shards()}
    status, out, err = predict(*run)
    assert (status, out, err) == (0, "0 pictures, 0 people, 12 done before; results in out\n", "")
    for path in list(whole)[::2]:
        path.unlink()
    photos(14)
    status, out, _ = predict(*run)
    assert out.startswith("8 pictures, 16 people, 6 done before, ")
    found = {path: path.read_bytes() for path in shards()}
    assert whole.items() <= found.items()
    assert all(path.stat().st_mtime_ns == times[path] for path in list(whole)[1::2])
    assert [record["image"] for record in records()] == [f"in/{k}.jpg" for k in range(14)]
    status, _, err = predict(*run, "--input-size", "64")
    assert status == 2
    assert err.endswith("were made with input size 96, not 64, so they are not gone on with; choose another --out\n")


@pytest.mark.usefixtures("cluster")
def test_a_run_whose_folder_goes_wrong_ends_with_a_line(predict: Predict) -> None:
    photos(2)
    Path("out").mkdir()
    Path("out/records").write_text("in the way")
    status, _, err = predict("in", "--engine", "ray", "--no-draw")
    assert status == 2
    assert err.count("\n") == 1
    assert "out/records" in err
    assert err.endswith("; when that is mended, the same command goes on\n")


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_whole_files_and_the_next_run_goes_on(
    fake_model: Path, predict: Predict, number: signal.Signals
) -> None:
    names = [str(path) for path in photos(30, width=2400)]
    argv = ["in", "--engine", "ray", "--chunk", "2"]
    alone = ["--workers", "1", "--threads", "2", "--weights", str(fake_model)]  # Ray has to give it both threads
    command = [sys.executable, "-m", "votepose", "predict", *argv, *alone]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    thread = meanwhile(lambda: run.send_signal(number), 3)
    out, err = run.communicate(timeout=60)
    thread.join()
    assert (run.returncode, err) == (130, "votepose: stopped; what was done so far is kept\n")
    assert "not done" in out
    before = {path: path.stat().st_mtime_ns for path in shards()}
    assert 3 <= len(before) < 15
    assert [len(path.read_text().splitlines()) for path in before] == [2] * len(before)
    status, out, err = predict(*argv)
    assert (status, err) == (0, "")
    assert f"{2 * len(before)} done before" in out
    assert [record["image"] for record in records()] == names
    assert before.items() <= {path: path.stat().st_mtime_ns for path in shards()}.items()
    assert not [path for path in Path("out").rglob("*") if path.suffix in (".partial", ".begun")]


@pytest.mark.usefixtures("cluster")
def test_a_killed_worker_loses_nothing(predict: Predict) -> None:
    photos(40, width=1800)
    killed = []

    def kill() -> None:
        victim = workers_of_this_test()[0]
        killed.append((victim.pid, len(shards())))
        os.kill(victim.pid, signal.SIGKILL)

    thread = meanwhile(kill, 3)
    status, out, _ = predict("in", "--engine", "ray", "--no-draw", "--chunk", "2")
    thread.join()
    assert status == 0
    assert out.startswith("40 pictures, 80 people, ")
    ((pid, done),) = killed
    assert not psutil.pid_exists(pid)
    assert done < 20
    assert records() == local_records(predict, "in")


def test_a_lost_node_loses_nothing(predict: Predict, cluster: Cluster) -> None:
    photos(40, width=1800)
    (node,) = [each for each in cluster.list_all_nodes() if not each.is_head()]
    lost = []

    def lose() -> None:
        lost.append(len(shards()))
        cluster.remove_node(node, allow_graceful=False)

    thread = meanwhile(lose, 4)
    status, out, _ = predict("in", "--engine", "ray", "--no-draw", "--chunk", "2")
    thread.join()
    assert status == 0
    assert out.startswith("40 pictures, 80 people, ")
    assert lost[0] < 20
    assert set(Counter(record["image"] for record in records()).values()) == {1}
    assert records() == local_records(predict, "in")
