"""A sink that shows the drawing of a video in a Tk window."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from types import ModuleType, TracebackType
from typing import Any

from PIL import Image

from votepose.errors import VoteposeError
from votepose.outputs.sink import Item, Prediction, Sink, Take

_SHARE = 0.8  # maximum share of the screen


class WindowClosedError(KeyboardInterrupt):
    """The user has closed the window: the run stops as after Ctrl-C, but without an error."""


class Window(Sink):
    """Shows every frame of a video, shrunk to fit the screen; q, Esc and the close button close the window.

    Raises:
        VoteposeError: if there is no display, or this Python has no Tk.
    """

    def __init__(self) -> None:
        tk, self._pictures = _libraries()
        try:
            self._root = tk.Tk(className="votepose")
        except tk.TclError as error:
            raise VoteposeError(f"--show needs a display, but there is none ({error}): leave it out") from None
        self._root.withdraw()  # hidden until there is a frame
        self._label: Any = tk.Label(self._root, borderwidth=0)
        self._label.pack()
        self._closed = False
        for key in ("q", "<Escape>"):
            self._root.bind(key, self._close)
        self._root.protocol("WM_DELETE_WINDOW", self._close)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._root.destroy()

    @contextlib.contextmanager
    def open(self, item: Item) -> Iterator[Take]:
        self._root.title(f"{item.source.label} - votepose")
        yield self._show if item.video else lambda found: None

    def _show(self, found: Prediction) -> None:
        picture = found.drawing.copy()
        screen = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
        picture.thumbnail((int(_SHARE * screen[0]), int(_SHARE * screen[1])), Image.Resampling.BILINEAR)
        self._label.image = self._pictures.PhotoImage(picture, master=self._root)  # Tk keeps no reference
        self._label.configure(image=self._label.image)
        self._root.deiconify()
        self._root.update()
        if self._closed:
            raise WindowClosedError

    def _close(self, *_: object) -> None:
        self._closed = True


def _libraries() -> tuple[ModuleType, ModuleType]:
    """Import tkinter and PIL.ImageTk."""
    try:
        tk, pictures = importlib.import_module("tkinter"), importlib.import_module("PIL.ImageTk")
    except ImportError:
        message = "--show needs Tk, which this Python lacks: install it (Debian: python3-tk), or leave out --show"
        raise VoteposeError(message) from None
    return tk, pictures
