"""Layouts of people in real images: keypoints and boxes, without the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from votepose.errors import VoteposeError
from votepose.skeleton import COCO_17

_ARRAYS = {"width_height": 2, "offset": 1, "box": 2, "keypoints": 3}  # name and number of dimensions of each array


@dataclass(frozen=True)
class Layout:
    """The N people in one image.

    Attributes:
        width, height: size of the image, in pixels.
        keypoints: (N, 17, 3) float32: x, y in pixels and COCO's v: 0 unlabelled, 1 hidden, 2 visible.
        boxes: (N, 4) float32 x, y, width, height in pixels, around the visible part of each person.
    """

    width: int
    height: int
    keypoints: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def scaled(self, size: int) -> Layout:
        """The layout scaled so that the image's longest side is `size` pixels.

        Raises:
            ValueError: if `size` is not positive.
        """
        if size < 1:
            raise ValueError(f"the longest side of an image must be positive, not {size}")
        scale = size / max(self.width, self.height)
        width, height = (max(1, round(side * scale)) for side in (self.width, self.height))
        # Rounded to whole pixels: as in Letterbox.resized, the scales of both sides differ slightly.
        x, y = width / self.width, height / self.height
        keypoints = self.keypoints * np.array([x, y, 1], np.float32)
        return Layout(width, height, keypoints, self.boxes * np.array([x, y, x, y], np.float32))


@dataclass(frozen=True)
class Layouts:
    """The layouts of many images; `layouts[i]` is the i-th.

    Attributes:
        sizes: (P, 2) width and height of each image, in pixels.
        offsets: (P + 1,): the people in image i are rows offsets[i] up to offsets[i + 1] of the other arrays.
        keypoints: (M, 17, 3). boxes: (M, 4). As in `Layout`.
    """

    sizes: np.ndarray
    offsets: np.ndarray
    keypoints: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> Layout:
        """Raises IndexError after the last image, which ends a loop over the layouts."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"layout {index} of {len(self)}")
        index %= len(self)
        rows = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        width, height = (int(side) for side in self.sizes[index])
        return Layout(width, height, self.keypoints[rows], self.boxes[rows])

    @classmethod
    def load(cls, path: str | Path) -> Layouts:
        """Read an .npz with `width_height` (P, 2), `offset` (P + 1,), `box` (M, 4) and `keypoints` (M, 17, 3).

        Raises:
            VoteposeError: if the file is missing, broken, or holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise VoteposeError(f"no layouts at {path}: use an .npz file of keypoints and boxes by image")
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in _ARRAYS}
        except KeyError as error:
            raise VoteposeError(f"{path} is not a layouts file: it must hold {', '.join(_ARRAYS)}") from error
        except Exception as error:  # np.load raises many exceptions for a broken zip, a text file, a single array, ...
            raise VoteposeError(f"{path} is broken or not an .npz file: {str(error).splitlines()[0][:80]}") from error
        _check(path, arrays)
        return cls(
            sizes=arrays["width_height"].astype(np.int64),
            offsets=arrays["offset"].astype(np.int64),
            keypoints=arrays["keypoints"].astype(np.float32),
            boxes=arrays["box"].astype(np.float32),
        )


def _check(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Raise VoteposeError unless the arrays fit together."""
    for name, dimensions in _ARRAYS.items():
        if arrays[name].ndim != dimensions or not np.issubdtype(arrays[name].dtype, np.number):
            raise VoteposeError(f"{path}: {name} must be an array of {dimensions} dimensions, not {arrays[name].shape}")
    sizes, offsets, boxes, keypoints = (arrays[name] for name in ("width_height", "offset", "box", "keypoints"))
    expected = (len(boxes), len(COCO_17), 3)
    if keypoints.shape != expected or boxes.shape[1:] != (4,):
        raise VoteposeError(
            f"{path}: expected keypoints {expected} and boxes (M, 4), found {keypoints.shape} and {boxes.shape}"
        )
    bounded = len(offsets) == len(sizes) + 1 and offsets[0] == 0 and offsets[-1] == len(boxes)
    if not bounded or np.any(np.diff(offsets.astype(np.int64)) < 0):
        raise VoteposeError(f"{path}: offset does not split the {len(boxes)} people among {len(sizes)} images")
    if sizes.shape[1:] != (2,) or np.any(sizes < 1) or not all(np.isfinite(a).all() for a in (boxes, keypoints)):
        raise VoteposeError(f"{path}: a width or height is not positive, or a coordinate is not finite")
