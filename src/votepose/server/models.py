"""The models of a server: the default one, and those that a request may name, loaded when first used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from votepose.predictor import Predictor
from votepose.server.errors import RequestError

Loader = Callable[[], Predictor]


class OnDemand:
    """A predictor, loaded when it is first called for and then kept: once, however many threads ask.

    Args:
        source: the predictor, or a function that loads it.
    """

    def __init__(self, source: Predictor | Loader) -> None:
        self._lock = threading.Lock()
        self._load: Loader | None = None
        self.loaded: Predictor | None = None
        if isinstance(source, Predictor):
            self.loaded = source
        else:
            self._load = source

    def __call__(self) -> Predictor:
        """The predictor. Raises what its loader raises; the next call then tries again."""
        with self._lock:
            if self.loaded is None:
                assert self._load is not None
                self.loaded = self._load()
            return self.loaded


class Models:
    """The predictor of requests that name no model, and those that they may name.

    Args:
        default: is loaded already.
        others: by name, each a predictor or a function that loads it.
    """

    def __init__(self, default: Predictor, others: Mapping[str, Predictor | Loader]) -> None:
        self.default = default
        self._default, self._others = OnDemand(default), {name: OnDemand(source) for name, source in others.items()}

    @property
    def names(self) -> str:
        """The names that a request may give, for messages; "" if there are none."""
        return ", ".join(self._others)

    def named(self, name: str | None) -> OnDemand:
        """Raises RequestError, 422, if there is none of this name."""
        if name is None:
            return self._default
        if name not in self._others:
            there = f"there are {self.names}" if self.names else "this server has one model; name none"
            raise RequestError(422, f"model: no such model; {there}")
        return self._others[name]

    def about(self) -> dict[str, dict[str, Any]]:
        """What is known of each model that a request may name: its input size, null until it is loaded."""
        sizes = {name: model.loaded and model.loaded.input_size for name, model in self._others.items()}
        return {name: {"input_size": size} for name, size in sizes.items()}
