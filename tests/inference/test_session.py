"""A predictor in other processes: sent there, or taken there by a fork."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

import votepose
from helpers.fake_model import red_dot
from votepose.errors import VoteposeError
from votepose.inference.session import _IDLE_OPTIMISERS, open_session
from votepose.poses import Poses
from votepose.predictor import Predictor

IMAGE = red_dot(96, 64, 40, 40)


@pytest.fixture(scope="module")
def predictor(fake_model: Path) -> Predictor:
    """With options that are not the default."""
    return votepose.load(fake_model, threads=2, input_size=64, score_threshold=0.1)


def same(poses: Poses, others: Poses) -> bool:
    return np.array_equal(poses.keypoints, others.keypoints) and np.array_equal(poses.scores, others.scores)


def test_a_pickled_predictor_is_the_same(predictor: Predictor) -> None:
    for other in (pickle.loads(pickle.dumps(predictor)), copy.deepcopy(predictor)):
        assert (other.input_size, other.score_threshold, other.skeleton) == (64, 0.1, predictor.skeleton)
        assert same(other(IMAGE), predictor(IMAGE))
    assert len(predictor(IMAGE))


def test_it_needs_no_file_any_more(fake_model: Path, tmp_path: Path) -> None:
    weights = tmp_path / "moved.onnx"
    weights.write_bytes(fake_model.read_bytes())
    predictor = votepose.load(weights)
    weights.unlink()
    assert len(pickle.loads(pickle.dumps(predictor))(IMAGE))


@pytest.mark.parametrize("kind", multiprocessing.get_all_start_methods())
def test_worker_processes_find_the_same_people(predictor: Predictor, kind: str) -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context(kind)) as pool:
        for poses in pool.map(predictor, [IMAGE, IMAGE], timeout=60):
            assert same(poses, predictor(IMAGE))


INHERITED: list[Predictor] = []


def _inherited(image: np.ndarray) -> Poses:
    return INHERITED[0](image)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_a_forked_process_opens_its_own_session(predictor: Predictor) -> None:
    """onnxruntime's threads are not there after a fork: a run with the parent's session would hang."""
    INHERITED[:] = [predictor]
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        assert same(pool.submit(_inherited, IMAGE).result(timeout=60), predictor(IMAGE))


def test_calls_in_progress_can_be_ended() -> None:
    model = votepose.load("fast", threads=1)
    found = model(red_dot(96, 64, 30, 20))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(model, np.zeros((512, 512, 3), np.uint8))
        while not call.done() and not model.session._running:
            pass
        model.cancel()
        with pytest.raises(VoteposeError, match="the model failed on an input of 1 x 512 x 512 x 3"):
            call.result()
    assert len(model(red_dot(96, 64, 30, 20))) == len(found)


def test_products_on_a_gpu_have_full_precision(fake_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = MagicMock()
    session.get_providers.return_value = ["CUDAExecutionProvider"]
    runtime = MagicMock(InferenceSession=MagicMock(return_value=session))
    runtime.get_available_providers.return_value = ["CUDAExecutionProvider"]
    monkeypatch.setattr("votepose.inference.session.import_onnxruntime", lambda: runtime)
    open_session(fake_model, "cuda:1", None)
    ((name, options),) = runtime.InferenceSession.call_args.kwargs["providers"]
    assert (name, options["use_tf32"], options["device_id"]) == ("CUDAExecutionProvider", "0", "1")


def test_the_optimisers_that_are_skipped_exist(fake_model: Path) -> None:
    """onnxruntime accepts any name, so one that an upgrade renames would only cost time, silently."""
    code = f"""
import onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 1
onnxruntime.InferenceSession({str(fake_model)!r}, options, providers=["CPUExecutionProvider"])
"""
    log = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert set(_IDLE_OPTIMISERS) <= set(re.findall(r"GraphTransformer (\w+) modified", log))
