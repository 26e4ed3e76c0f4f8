"""The ordered map over threads: order, how far it reads ahead, errors, stopping early."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from votepose.errors import VoteposeError
from votepose.utils.parallel import Pause, ordered_map


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_items_are_taken_only_a_little_ahead(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for k in range(50):
            taken.append(k)
            yield k

    def slow_for_even(k: int) -> int:
        time.sleep(0.002 * (k % 2 == 0))
        return k * k

    for done, result in enumerate(ordered_map(slow_for_even, items(), workers)):
        assert result == done * done
        assert len(taken) <= done + 2 * workers + 1
    assert len(taken) == 50


def test_an_error_is_raised_when_its_turn_comes() -> None:
    results = ordered_map(lambda k: 1 // k, [1, 1, 0, 1], 2)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_error_of_the_items_comes_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2, 3)
        raise OSError("cut short")

    results = ordered_map(lambda k: 10 * k, items(), 2)
    assert [next(results) for _ in range(3)] == [10, 20, 30]
    with pytest.raises(OSError, match="cut short"):
        next(results)


def test_without_reading_ahead_one_item_is_taken_per_result() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for k in range(5):
            taken.append(k)
            yield k

    results = ordered_map(str, items(), 1, ahead=0)
    assert [(result, len(taken)) for result in results] == [(str(k), k + 1) for k in range(5)]


def test_none_is_an_item_like_any_other() -> None:
    assert list(ordered_map(str, [1, None, 2], 2)) == ["1", "None", "2"]


def test_finished_results_do_not_wait_for_the_next_item() -> None:
    paused = threading.Event()

    def items() -> Iterator[str | Pause]:
        yield "item"
        while True:
            time.sleep(0.001)
            yield Pause()
            paused.set()

    results = ordered_map(lambda item: f"{item} {paused.wait(10)}", items(), 2)
    assert next(results) == "item True"
    results.close()


def test_ctrl_c_while_an_item_is_read_comes_after_the_finished_results() -> None:
    last_begins, stopped = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield from (1, 2, 3)
        assert last_begins.wait(10)  # then the calls before it have ended
        raise KeyboardInterrupt

    def function(k: int) -> int:
        if k == 3:
            last_begins.set()
            assert stopped.wait(10)
        return k

    results = ordered_map(function, items(), 1, ahead=3, stop=stopped.set)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(KeyboardInterrupt):
        next(results)


def test_who_stops_ends_the_calls_in_progress() -> None:
    second_begins, stopped = threading.Event(), threading.Event()

    def function(k: int) -> bool:
        if k == 1:
            return second_begins.wait(10)
        second_begins.set()
        return stopped.wait(10)

    results = ordered_map(function, [1, 2], 2, stop=stopped.set)
    assert next(results)
    results.close()
    assert stopped.is_set()


def test_who_stops_listening_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    results = ordered_map(lambda k: k, range(10**9), 4)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before
    assert list(ordered_map(str, [], 1)) == []
    with pytest.raises(VoteposeError, match="workers"):
        next(ordered_map(str, [1], 0))
