"""The models of a server: the default, and others that a request may choose, loaded on first use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from votepose.predictor import Predictor
from votepose.server.errors import RequestError

Loader = Callable[[], Predictor]


class OnDemand:
    """A predictor that is loaded once, on first use; safe to use from several threads.

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
        """The predictor. Raises its loader's exception; the next call tries again."""
        with self._lock:
            if self.loaded is None:
                assert self._load is not None
                self.loaded = self._load()
            return self.loaded


class Models:
    """The default predictor, and those that requests may choose.

    Args:
        default: the loaded default predictor.
        others: predictors, or functions that load them, by name.
    """

    def __init__(self, default: Predictor, others: Mapping[str, Predictor | Loader]) -> None:
        self.default = default
        self._default, self._others = OnDemand(default), {name: OnDemand(source) for name, source in others.items()}

    @property
    def names(self) -> str:
        """The names that a request may give, for messages; "" if there are none."""
        return ", ".join(self._others)

    def named(self, name: str | None) -> OnDemand:
        """The model of this name; None is the default. Raises RequestError, 422, if there is none."""
        if name is None:
            return self._default
        if name not in self._others:
            there = f"choose {self.names}" if self.names else "this server has only one; leave out model"
            raise RequestError(422, f"model: no such model; {there}")
        return self._others[name]

    def about(self) -> dict[str, dict[str, Any]]:
        """The input size of each model that a request may choose, null until it is loaded."""
        sizes = {name: model.loaded and model.loaded.input_size for name, model in self._others.items()}
        return {name: {"input_size": size} for name, size in sizes.items()}
