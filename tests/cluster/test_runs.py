"""Whole runs, on a local cluster of two nodes with a CPU each; the lost node last."""

from __future__ import annotations

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

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from helpers.fake_model import Predict
from helpers.folders import photos, records, shards


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


@pytest.mark.usefixtures("cluster")
def test_each_image_gets_one_record_the_local_engines(predict: Predict) -> None:
    photos(9)
    expected = local_records(predict, "in")
    Path("in/broken.jpg").write_bytes(b"not an image")
    Path("list.txt").write_text(f"in/gone.jpg\nfile://{os.getcwd()}/in/3.jpg\n")
    status, out, err = predict("in", "--list", "list.txt", "--engine", "ray", "--chunk", "4")
    assert status == 1
    assert out.startswith("10 images, 20 people, 2 failed, ")
    assert sorted(err.splitlines()) == [
        "votepose: in/broken.jpg: is not an image of a known format",
        "votepose: in/gone.jpg: no such file",
    ]
    found = records()
    assert [record for record in found[:9]] == expected
    assert found[9:11] == [
        {"image": "in/broken.jpg", "error": "in/broken.jpg: is not an image of a known format"},
        {"image": "in/gone.jpg", "error": "in/gone.jpg: no such file"},
    ]
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
    assert (status, out, err) == (0, "0 images, 0 people, 12 done before; results in out\n", "")
    for path in list(whole)[::2]:
        path.unlink()
    photos(14)
    status, out, _ = predict(*run)
    assert out.startswith("8 images, 16 people, 6 done before, ")
    found = {path: path.read_bytes() for path in shards()}
    assert whole.items() <= found.items()
    assert all(path.stat().st_mtime_ns == times[path] for path in list(whole)[1::2])
    assert [record["image"] for record in records()] == [f"in/{k}.jpg" for k in range(14)]
    status, _, err = predict(*run, "--input-size", "64")
    assert status == 2
    assert err.endswith("were made with input size 96, not 64; choose another --out\n")


@pytest.mark.usefixtures("cluster")
def test_a_run_whose_folder_goes_wrong_ends_with_a_line(predict: Predict) -> None:
    photos(2)
    Path("out").mkdir()
    Path("out/records").write_text("in the way")
    status, _, err = predict("in", "--engine", "ray", "--no-draw")
    assert status == 2
    assert err.count("\n") == 1
    assert "out/records" in err
    assert err.endswith("; once that is fixed, the same command continues\n")


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
    assert (run.returncode, err) == (130, "votepose: stopped; the results so far are kept\n")
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
    assert out.startswith("40 images, 80 people, ")
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
    assert out.startswith("40 images, 80 people, ")
    assert lost[0] < 20
    assert set(Counter(record["image"] for record in records()).values()) == {1}
    assert records() == local_records(predict, "in")
