"""Slots: bounded, always given back, and never taken for ever."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from helpers.live import HeldSession, serving, until
from votepose.errors import VoteposeError
from votepose.predictor import Predictor
from votepose.server.admission import AdmissionQueue
from votepose.server.app import create_app
from votepose.server.errors import RequestError
from votepose.server.limits import Limits


class Served:
    """A server with one worker and two waiting slots, whose model can be held up."""

    def __init__(self, url: str, session: HeldSession) -> None:
        self.url, self.session = url, session

    def post(self, picture: bytes) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/poses", content=picture, timeout=20)

    @property
    def taken(self) -> int:
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return int(float(next(line for line in lines if line.startswith("votepose_places_taken ")).split()[1]))

    def send(self, data: bytes, length: int) -> socket.socket:
        """Open a request whose body should be `length` long, and send `data` of it."""
        at = urlsplit(self.url)
        sock = socket.create_connection((at.hostname or "", at.port or 0))
        sock.sendall(f"POST /v1/poses HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode() + data)
        return sock


@pytest.fixture
def session(predictor: Predictor) -> Iterator[HeldSession]:
    held = HeldSession(predictor.session)
    yield held
    held.go.set()


def warmed_up(session: HeldSession) -> None:
    """Wait for the server's own run at its start, and count from there."""
    until(lambda: session.runs == 1)
    session.runs = 0


@pytest.fixture
def served(predictor: Predictor, session: HeldSession) -> Iterator[Served]:
    with serving(create_app(replace(predictor, session=session), Limits(workers=1, queue=2, timeout=10))) as url:
        warmed_up(session)
        yield Served(url, session)


@pytest.fixture
def hasty(predictor: Predictor, session: HeldSession) -> Iterator[Served]:
    with serving(create_app(replace(predictor, session=session), Limits(workers=1, queue=2, timeout=0.3))) as url:
        warmed_up(session)
        yield Served(url, session)


def test_full_queue_refuses_and_says_when_to_return(served: Served, picture: bytes) -> None:
    served.session.go.clear()
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(served.post, picture) for _ in range(3)]
        until(lambda: served.taken == 3)
        refused = served.post(picture)
        assert refused.status_code == 503
        assert "busy" in refused.json()["detail"]
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert httpx.get(f"{served.url}/healthz").status_code == 200  # the event loop is free
        served.session.go.set()
        assert [answer.result().status_code for answer in waiting] == [200] * 3
    until(lambda: served.taken == 0)


def test_refused_upload_is_answered_although_it_is_large(served: Served) -> None:
    answer = httpx.post(f"{served.url}/v1/poses", content=bytes(24 * 2**20), timeout=20)
    assert answer.status_code == 413


def test_client_that_goes_away_frees_its_slot(served: Served, picture: bytes) -> None:
    served.session.go.clear()
    sockets = [served.send(picture, len(picture)) for _ in range(3)]
    until(lambda: served.taken == 3 and served.session.runs == 1)
    for sock in sockets:
        sock.close()
    until(lambda: served.taken == 1)  # the one that a thread works on
    served.session.go.set()
    until(lambda: served.taken == 0)
    assert served.session.runs == 1  # the others were never worked on
    assert served.post(picture).status_code == 200


def test_client_that_goes_away_while_it_uploads_frees_its_slot(served: Served, picture: bytes) -> None:
    sock = served.send(picture[:10], len(picture))
    until(lambda: served.taken == 1)
    sock.close()
    until(lambda: served.taken == 0)


def test_time_limit_of_the_work(hasty: Served, picture: bytes) -> None:
    hasty.session.go.clear()
    late = hasty.post(picture)
    assert (late.status_code, "time limit" in late.json()["detail"]) == (504, True)
    assert hasty.taken == 1  # its thread still works
    assert hasty.post(picture).status_code == 503  # its turn would come too late
    hasty.session.go.set()
    until(lambda: hasty.taken == 0)
    assert hasty.post(picture).status_code == 200


def test_time_limit_of_the_upload(hasty: Served, picture: bytes) -> None:
    with hasty.send(picture[:10], len(picture)) as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 408")
    until(lambda: hasty.taken == 0)


def test_shutdown_answers_first(predictor: Predictor, session: HeldSession, picture: bytes) -> None:
    with ThreadPoolExecutor(1) as pool:
        with serving(create_app(replace(predictor, session=session))) as url:
            served = Served(url, session)
            warmed_up(session)
            session.go.clear()
            answer = pool.submit(served.post, picture)
            until(lambda: session.runs == 1)
            threading.Timer(0.3, session.go.set).start()
        assert answer.result().status_code == 200


def test_queue_is_no_longer_than_its_time() -> None:
    queue = AdmissionQueue(workers=1, queue=1000, timeout=1)

    async def work() -> None:
        with queue.slot() as slot:
            await slot.run(lambda _: time.sleep(0.1), asyncio.get_running_loop().create_future())

    async def crowd() -> None:
        await work()
        with ExitStack() as slots:
            while queue.taken < 100:
                try:
                    slots.enter_context(queue.slot())
                except RequestError as error:
                    assert error.status == 503  # noqa: PT017
                    break
            assert 1 <= queue.taken < 20
        assert queue.taken == 0

    asyncio.run(crowd())
    queue.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_bytes": 0},
        {"max_pixels": 0},
        {"max_pixels": 10**9},
        {"workers": 0},
        {"queue": -1},
        {"timeout": 0.0},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"max_input_size": 100},
    ],
)
def test_limits_out_of_range(wrong: dict) -> None:
    with pytest.raises(VoteposeError, match=next(iter(wrong)).replace("_", "-")):
        Limits(**wrong)
