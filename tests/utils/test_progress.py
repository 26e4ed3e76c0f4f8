"""The bar: one line on a terminal with counts, rate and time left, gone at its end; nothing elsewhere."""

from __future__ import annotations

import io

import pytest

from votepose.utils.progress import Bar, track


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def screen(self) -> str:
        """The line as it is seen: what follows a carriage return writes over what was there."""
        seen = ""
        for part in self.getvalue().split("\r"):
            seen = part + seen[len(part) :]
        return seen.rstrip()


def test_the_line_tells_count_rate_and_time_left() -> None:
    bar = Bar("predict", 40)
    assert bar.line(0.0).endswith(" 0/40")
    bar.advance(10)
    assert bar.line(4.0) == f"predict {'━' * 8}{'─' * 24} 10/40 2.5/s 0:12"
    assert bar.line(4000.0).endswith(" 0.0/s 3:20:00")
    bar.advance(30)
    assert bar.line(10.0) == f"predict {'━' * 32} 40/40 4.0/s"


def test_a_long_name_leaves_room_for_the_numbers() -> None:
    bar = Bar("holiday-in-the-mountains-with-everyone-2026-07-31.mp4", 100_000)
    bar.advance(50_000)
    line = bar.line(20_000.0)
    assert line.startswith("holiday-in-…26-07-31.mp4 ━")
    assert line.endswith(" 50000/100000 2.5/s 5:33:20")
    assert len(line) < 90


def test_what_was_done_before_does_not_count_for_the_rate() -> None:
    bar = Bar("synth", 100, done=50)
    bar.advance(10)
    assert bar.line(5.0).endswith(" 60/100 2.0/s 0:20")


@pytest.mark.parametrize("total", [None, 0])
def test_without_a_total_it_counts(total: int | None) -> None:
    bar = Bar("frames", total)
    bar.advance(3)
    assert bar.line(1.0) == ("frames 3 3.0/s" if total is None else "frames 3/0 3.0/s")


def test_the_line_is_written_over_and_gone_at_the_end() -> None:
    terminal = Terminal()
    with Bar("outer", 2, file=terminal):
        assert terminal.screen().startswith("outer ─")
        with Bar("in", file=terminal):
            assert terminal.screen() == "in 0"
        assert terminal.screen() == ""
    assert terminal.screen() == ""
    assert "\n" not in terminal.getvalue()


def test_it_fits_the_terminal_and_its_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(Terminal, "encoding", "ascii")
    terminal = Terminal()
    with Bar("image, long name.jpg", 2, file=terminal):
        assert terminal.getvalue().isascii()
        assert terminal.screen() == "image, long name.jp"


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    file = io.StringIO()
    with Bar("predict", 2, file=file) as bar:
        bar.advance()
    terminal = Terminal()
    with Bar("predict", 2, shown=False, file=terminal) as bar:
        bar.advance()
    assert file.getvalue() == terminal.getvalue() == ""


def test_tracked_items_pass_through_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("votepose.utils.progress._INTERVAL", 0.0)
    assert list(track([3, 1, 2], "sorting")) == [3, 1, 2]
    assert all(f"{count}/3" in terminal.getvalue() for count in range(4))
    assert list(track(iter("ab"), "reading", 2)) == ["a", "b"]
    assert "2/2" in terminal.getvalue()
