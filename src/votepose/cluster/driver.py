"""The main process: finds the inputs, passes chunks to Ray Data, and counts the results."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import ray
import ray.data
import ray.exceptions

from votepose.cluster import files
from votepose.cluster.config import ClusterConfig
from votepose.cluster.connection import connected, remarks_to_stderr
from votepose.cluster.listing import find_names
from votepose.cluster.plan import Chunk, check_settings, left_of, make_plan
from votepose.cluster.worker import Job, Worker
from votepose.errors import VoteposeError, one_line
from votepose.inference.provenance import provenance
from votepose.inference.weights import BUNDLED_ONNX
from votepose.io.urls import url_of
from votepose.predictor import Predictor
from votepose.utils.progress import Bar
from votepose.utils.run_summary import RunSummary
from votepose.utils.signals import stop_like_ctrl_c
from votepose.utils.wording import counted


def run(config: ClusterConfig, predictor: Predictor) -> int:
    """See `votepose.cluster.run`."""
    out = url_of(config.out)
    names = find_names(config, out)
    job = _job(config, predictor, out)
    files.prepare(out)
    check_settings(out, provenance(predictor, config.weights))
    chunks = make_plan(out, names, config.ray.chunk)
    left = left_of(out, chunks)
    total, remaining = (sum(len(chunk.images) for chunk in each) for each in (chunks, left))
    summary = RunSummary(skipped=total - remaining)
    cpus = config.workers and config.workers * job.threads
    started = None
    try:
        ray_runs = connected(config.ray.address, cpus) if left else contextlib.nullcontext(False)
        with ray_runs as growing, stop_like_ctrl_c():  # in this order: Ray replaces the signal handlers
            started = time.perf_counter()
            if left:
                _check_room(job, growing)
                _work(left, job, config.workers, summary)
            for suffix in (".partial", ".begun"):  # left behind by workers that died
                files.sweep(f"{out}/records", suffix)
                files.sweep(f"{out}/plan", suffix)
    finally:
        if started is not None:  # even if the run is stopped
            summary.report(out if "://" in out else config.out, total, time.perf_counter() - started)
    return 1 if summary.failures else 0


def _check_room(job: Job, growing: bool) -> None:
    """Check that some machine can run a worker; otherwise Ray would wait silently for ever.

    Raises:
        VoteposeError: if none can. In a cluster, which may grow, this is only a warning on stderr.
    """
    wanted = {"CPU": job.threads, "GPU": int(_on_gpu(job))}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(has.get(name, 0) >= number for name, number in wanted.items()) for has in machines):
        return
    asked = f"{counted(job.threads, 'CPU')}{' and a GPU' * _on_gpu(job)}"
    if not growing:
        missing = f"a worker needs {asked}, which this machine does not have"
        raise VoteposeError(f"{missing}: lower --threads, or use --device cpu")
    print(f"votepose: no machine in the cluster has the {asked} that a worker needs: waiting for one", file=sys.stderr)


def _on_gpu(job: Job) -> bool:
    return job.device.startswith("cuda")


def _work(chunks: Sequence[Chunk], job: Job, workers: int | None, summary: RunSummary) -> None:
    """Process the chunks with up to `workers` workers."""
    workers = workers or max(1, int(ray.cluster_resources().get("CPU", 0)) // job.threads)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors are raised here anyway
    rows = [{"part": chunk.part, "images": json.dumps(chunk.images)} for chunk in chunks]
    worker: Any = Worker
    done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        worker,
        fn_constructor_args=(job,),
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(rows))),
        num_cpus=job.threads,
        num_gpus=1 if _on_gpu(job) else None,
    )
    with Bar("predict", sum(len(chunk.images) for chunk in chunks)) as bar, remarks_to_stderr():
        try:
            for row in done.iter_rows():
                if row["fault"]:
                    raise VoteposeError(f"{row['fault']}; once that is fixed, the same command continues")
                failures = json.loads(row["failures"])
                summary.failures += failures
                summary.people += row["people"]
                summary.pictures += row["images"] - len(failures)
                summary.finished += row["images"] - len(failures)
                bar.advance(row["images"])
        except ray.exceptions.RayError as error:
            raise VoteposeError(f"Ray failed: {one_line(error)}; the same command continues") from error


def _job(config: ClusterConfig, predictor: Predictor, out: str) -> Job:
    """The job description for the workers."""
    return Job(
        out=out,
        folder=os.getcwd(),
        weights=None if config.weights == BUNDLED_ONNX else config.weights.read_bytes(),
        input_size=predictor.input_size,
        presence_threshold=predictor.presence_threshold,
        score_threshold=predictor.score_threshold,
        device=config.device,
        threads=config.threads or 1,
        style=config.style,
        flip_test=predictor.flip_test,
    )
