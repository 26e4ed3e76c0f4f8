"""The window: shown where there is a display, refused in one line where there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.clips import dot_frames, save_clip
from helpers.fake_model import Predict, some_poses
from votepose.errors import VoteposeError
from votepose.io.inputs import Input
from votepose.outputs.sink import Item, Prediction
from votepose.video.window import Window, WindowClosedError

needs_display = pytest.mark.skipif(sys.platform == "linux" and not os.environ.get("DISPLAY"), reason="no display")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_without_a_display_the_run_does_not_begin(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    save_clip(Path("clip.mp4"), dot_frames(2))
    status, _, err = predict("clip.mp4", "--show")
    assert status == 2
    assert err.startswith("votepose: error: --show needs a display, but there is none (")
    assert err.count("\n") == 1
    assert not Path("out").exists()


def test_without_tk_the_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(VoteposeError, match="--show needs Tk, which this Python lacks"):
        Window()


@needs_display
@pytest.mark.parametrize("event", ["<Key-q>", "<Escape>", "WM_DELETE_WINDOW"])
def test_a_frame_is_shown_and_a_key_closes_the_window(event: str) -> None:
    found = Prediction(np.full((4000, 6000, 3), 90, np.uint8), some_poses(1), None, 0, 0.0)
    with Window() as window, window.open(Item(Input("a.mp4", "video"), Path("a.mp4"), Path("a"))) as take:
        root = window._root
        window._show(found)
        assert root.winfo_viewable()
        assert root.winfo_width() <= 0.8 * root.winfo_screenwidth()
        root.focus_force()
        root.update()
        root.tk.call(root.protocol(event)) if event.isupper() else root.event_generate(event)
        with pytest.raises(WindowClosedError):
            window._show(found)
        assert callable(take)


@needs_display
def test_closing_the_window_ends_the_run_and_keeps_what_was_written(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_clip(Path("clip.mp4"), dot_frames(8))
    real, shown = Window._show, []

    def show(self: Window, found: Prediction) -> None:
        shown.append(found)
        self._closed = len(shown) == 4
        real(self, found)

    monkeypatch.setattr(Window, "_show", show)
    status, out, err = predict("clip.mp4", "--show")
    assert (status, err) == (0, "")
    assert out.startswith("3 frames, 6 people, 1 not done")
    assert sorted(os.listdir("out")) == ["clip.mp4", "poses.jsonl", "run.json"]
    assert predict("clip.mp4", "--resume", "--no-draw")[1].startswith("8 frames")
