"""The code that runs on the cluster: a Predictor that processes chunks."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import votepose
from votepose.cluster import files
from votepose.cluster.journal import Journal
from votepose.cluster.plan import Chunk
from votepose.errors import VoteposeError, one_line
from votepose.io.download import is_url
from votepose.io.images import read_image
from votepose.io.urls import is_remote
from votepose.predictor import Predictor, load
from votepose.utils.parallel import ordered_map
from votepose.visualization.draw import Style, draw

READERS = 2  # threads that read and decode images while the main thread runs the model


@dataclass(frozen=True)
class Job:
    """The job description for every worker.

    Attributes:
        out: folder of the results, absolute or a URL.
        folder: base folder of relative names.
        weights: bytes of the ONNX file, which other machines may lack; None for the bundled model.
        input_size, presence_threshold, score_threshold, device, threads: see `votepose.load`.
        style: style of the drawings; None for no drawings.
        flip_test: see `votepose.load`.
        version: version of votepose.
    """

    out: str
    folder: str
    weights: bytes | None
    input_size: int
    presence_threshold: float
    score_threshold: float
    device: str
    threads: int
    style: Style | None
    flip_test: bool = False
    version: str = votepose.__version__


class Worker:
    """Processes a chunk, given as a row of Ray Data: writes its drawings, then its records, and returns counts."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._predictor: Predictor | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Process the row's `part` and `images`; returns `images` and `people` (counts), `failures` and `fault`.

        The input `images` and `failures` are JSON lists, as names may be invalid UTF-8. `fault` is the reason why the
        chunk is not done, or "". It is not raised, because Ray would turn it into a traceback.
        """
        chunk = Chunk(int(row["part"]), tuple(json.loads(row["images"])))
        try:
            records, fault = self._do(chunk), ""
        except Exception as error:  # a full disk, an unreachable bucket: each file system has its own exceptions
            records, fault = [], f"{chunk.stem}: {' '.join(str(error).split())[:300] or type(error).__name__}"
        failures = [record["error"] for record in records if "error" in record]
        people = sum(len(record.get("people", ())) for record in records)
        return {"images": len(records), "people": people, "failures": json.dumps(failures), "fault": fault}

    def _do(self, chunk: Chunk) -> list[dict[str, Any]]:
        name = f"{self.job.out}/records/{chunk.stem}.jsonl"
        if files.exists(name):  # written by a worker that died before reporting it
            return [json.loads(line) for line in files.read(name).splitlines()]
        self._predictor = self._predictor or _load(self.job)
        journal = Journal(f"{self.job.out}/plan/{chunk.stem}.begun")
        if journal.careful:
            files.sweep(f"{self.job.out}/pictures/{chunk.stem}", ".partial")  # left by the worker that died
        records = list(self._records(chunk, journal, self._predictor))
        files.write(name, "".join(f"{json.dumps(record)}\n" for record in records).encode())
        journal.close()
        return records

    def _records(self, chunk: Chunk, journal: Journal, predictor: Predictor) -> Iterator[dict[str, Any]]:
        def read(place: int) -> np.ndarray | VoteposeError:
            name = chunk.images[place]
            if journal.condemned(place):
                return VoteposeError(f"{name}: crashes the worker, or needs too much memory")
            try:
                return read_anywhere(name, self.job.folder)
            except VoteposeError as error:
                return error

        places = range(len(chunk.images))
        pictures = map(read, places) if journal.careful else ordered_map(read, places, READERS)
        for place, name in enumerate(chunk.images):
            journal.touch(place)
            pixels = next(pictures)
            try:
                if isinstance(pixels, VoteposeError):
                    raise pixels
                poses = replace(predictor(pixels), source=name)
            except VoteposeError as error:
                yield {"image": name, "error": str(error)}
                continue
            if self.job.style is not None:
                data = io.BytesIO()
                draw(pixels, poses, self.job.style).save(data, "JPEG", quality=92)
                target = f"{self.job.out}/pictures/{chunk.stem}/{place:04d}-{_picture_name(name)}"
                files.write(target, data.getvalue())
            yield poses.to_record(name)


def read_anywhere(name: str, folder: str = "") -> np.ndarray:
    """`read_image` for a path relative to `folder`, a web URL or an fsspec URL. Raises VoteposeError, naming `name`."""
    if is_url(name):
        return read_image(name)
    if not is_remote(name):
        try:
            return read_image(Path(folder, name))
        except VoteposeError as error:
            raise VoteposeError(str(error).replace(os.path.join(folder, name), name)) from error
    try:
        data = io.BytesIO(files.read(name))
    except FileNotFoundError:
        raise VoteposeError(f"{name}: no such file") from None
    except VoteposeError:
        raise
    except Exception as error:  # each file system has its own exceptions
        raise VoteposeError(f"{name}: cannot be read ({one_line(error)})") from error
    data.name = name  # the name in error messages
    return read_image(data)


def _load(job: Job) -> Predictor:
    if job.version != votepose.__version__:
        raise VoteposeError(f"a worker has votepose {votepose.__version__}, not {job.version}: use one version")
    with tempfile.TemporaryDirectory() as folder:
        path = None
        if job.weights is not None:
            path = Path(folder, "weights.onnx")
            path.write_bytes(job.weights)
        return load(
            path,
            input_size=job.input_size,
            presence_threshold=job.presence_threshold,
            score_threshold=job.score_threshold,
            device=job.device,
            threads=job.threads,
            flip_test=job.flip_test,
        )


def _picture_name(name: str) -> str:
    """The last part of a path or URL, as a JPEG file name that is valid on any file system."""
    last = name.replace("\\", "/").partition("?")[0].rstrip("/").rpartition("/")[2]
    stem = last.rpartition(".")[0] or last
    return f"{stem.encode('utf-8', 'replace').decode()[-80:]}.jpg"
