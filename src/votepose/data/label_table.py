"""The labels of many images in a few arrays, so that whole batches can be transformed at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from votepose.data.sample import Sample


@dataclass(frozen=True)
class LabelTable:
    """The labels of n images, each in its own pixels; see `Sample`.

    Attributes:
        sizes: (n, 2) width and height. complete: (n,) bool.
        first_person: (n + 1,) the people in image i are rows first_person[i] to first_person[i + 1] - 1.
        keypoints: (N, K, 3). boxes: (N, 4). areas: (N,).
        first_ignore: (n + 1,) the same for the rows of `ignore`: (R, 4).
    """

    sizes: np.ndarray
    complete: np.ndarray
    first_person: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    first_ignore: np.ndarray
    ignore: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    @staticmethod
    def of(samples: Iterable[Sample], keypoints: int) -> LabelTable:
        """The labels of samples with this number of keypoints."""
        rows = list(samples)
        none = np.zeros((0, 4), np.float32)
        return LabelTable(
            np.array([sample.image.shape[1::-1] for sample in rows], np.float32).reshape(-1, 2),
            np.array([sample.complete for sample in rows], bool),
            _starts([len(sample.keypoints) for sample in rows]),
            np.concatenate([np.zeros((0, keypoints, 3), np.float32), *(sample.keypoints for sample in rows)]),
            np.concatenate([none, *(sample.boxes for sample in rows)]),
            np.concatenate([none[:, 0], *(sample.areas for sample in rows)]),
            _starts([len(sample.ignore) for sample in rows]),
            np.concatenate([none, *(sample.ignore for sample in rows)]),
        )

    def people_of(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the people in images (M,), image by image, and the index in `pictures` of each."""
        return _rows(self.first_person, pictures)

    def ignored_in(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same for the rows of `ignore`."""
        return _rows(self.first_ignore, pictures)


def _starts(counts: list[int]) -> np.ndarray:
    return np.cumsum([0, *counts])


def _rows(starts: np.ndarray, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, counts = starts[pictures], starts[pictures + 1] - starts[pictures]
    place = np.repeat(np.arange(len(pictures)), counts)
    within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first[place] + within, place
