"""The options shared by all commands that run an exported model."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from votepose.inference.defaults import SCORE_THRESHOLD
from votepose.inference.weights import chosen_weights, resolve_weights
from votepose.predictor import Predictor, load


@dataclass(frozen=True)
class ModelOptions:
    """The model and how it is run."""

    weights: Path | None = None
    """An ONNX file written by `votepose export`, instead of a bundled model."""
    model: str | None = None
    """Bundled model: accurate or fast. Default: accurate, but fast for live inputs; `serve` offers both."""
    input_size: int | None = None
    """Longest side of the input in pixels, a multiple of 32: larger finds smaller people. Default: the model's."""
    presence_threshold: float | None = None
    """Minimum presence, the probability of a joint, for a cell to vote, in [0, 1]. Default: the model's."""
    score_threshold: float = SCORE_THRESHOLD
    """Minimum score of a person, in [0, 1]."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or another device of the installed onnxruntime."""
    threads: int | None = None
    """CPU threads for the network, per worker if there are several. Default: onnxruntime's choice."""

    @property
    def path(self) -> Path:
        """Path of the weights file. Raises VoteposeError if there is none."""
        return resolve_weights(chosen_weights(self.model, self.weights), ".onnx")

    @property
    def is_left_open(self) -> bool:
        """Whether neither --model nor --weights is given."""
        return self.model is None and self.weights is None

    def load(self, flip_test: bool = False) -> Predictor:
        """A predictor with these options.

        Raises:
            VoteposeError: if the weights or an option cannot be used.
        """
        predictor = load(
            chosen_weights(self.model, self.weights),
            input_size=self.input_size,
            presence_threshold=self.presence_threshold,
            score_threshold=self.score_threshold,
            device=self.device,
            threads=self.threads,
            flip_test=flip_test,
        )
        if flip_test and predictor.skeleton.side_remark:
            print(f"--flip-test: {predictor.skeleton.side_remark}", file=sys.stderr)
        return predictor
