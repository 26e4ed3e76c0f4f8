"""The options of every command that runs an exported model."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from votepose.inference.defaults import SCORE_THRESHOLD
from votepose.inference.weights import chosen_weights, resolve_weights
from votepose.predictor import Predictor, load


@dataclass(frozen=True)
class ModelOptions:
    """Which model, and how it runs."""

    weights: Path | None = None
    """An ONNX file written by `votepose export`, in place of a model of the package."""
    model: str | None = None
    """accurate, or fast: several times as fast, less accurate. By default accurate; fast for cameras and streams."""
    input_size: int | None = None
    """Longest side of the input in pixels, divisible by 32: larger finds smaller people. By default the model's own."""
    presence_threshold: float | None = None
    """Minimum probability that a cell holds a keypoint for the cell to vote, in [0, 1]. By default the model's own."""
    score_threshold: float = SCORE_THRESHOLD
    """Minimum score of a person, in [0, 1]."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, or another device of the installed onnxruntime."""
    threads: int | None = None
    """CPU threads of the network, per worker if there are several. By default onnxruntime chooses."""

    @property
    def path(self) -> Path:
        """The weights file. Raises VoteposeError if there is none."""
        return resolve_weights(chosen_weights(self.model, self.weights), ".onnx")

    @property
    def is_left_open(self) -> bool:
        """Whether neither option names the model."""
        return self.model is None and self.weights is None

    def load(self, flip_test: bool = False) -> Predictor:
        """The predictor with these options.

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
