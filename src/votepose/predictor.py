"""The runtime: image -> letterbox -> network and grouping (one ONNX file) -> image pixels -> Poses, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from votepose.errors import VoteposeError, one_line
from votepose.inference.defaults import SCORE_THRESHOLD
from votepose.inference.flip_tta import find_in_both_views
from votepose.inference.graph_outputs import PEOPLE, people_rows, to_poses
from votepose.inference.session import open_session, read_metadata
from votepose.inference.weights import resolve_weights
from votepose.io.images import read_image
from votepose.io.sources import ImageSource, each_image, source_name
from votepose.letterbox import Letterbox, require_input_size
from votepose.poses import Poses
from votepose.skeleton import Skeleton
from votepose.utils.parallel import ordered_map
from votepose.visualization.image_poses import ImagePoses, to_hold


@dataclass(frozen=True)
class Predictor:
    """Finds every person's pose: `predictor(image) -> Poses`. Created by `load`; can be called from several threads.

    An image is a path, a URL, the bytes of a file, a binary file, a PIL image, an array (H, W[, C]) or a PyTorch tensor
    (C, H, W): RGB unless `bgr` is True; uint8, uint16, or float in 0 to 1.

    Attributes:
        session: the onnxruntime.InferenceSession that runs network and grouping.
        skeleton: names and links of the model's K keypoints.
        input_size: longest side of the network input, in pixels; a multiple of 32. Larger is slower and finds smaller
            people.
        presence_threshold: minimum presence, the probability of a keypoint, for a cell to vote; in [0, 1].
        score_threshold: people with a lower score are left out; in [0, 1].
        metadata: metadata of the model file: preset, version, stride and so on.
        flip_test: whether to average with the results on the mirrored image: more accurate, takes twice as long.
    """

    session: Any = field(repr=False)
    skeleton: Skeleton = field(repr=False)
    input_size: int
    presence_threshold: float
    score_threshold: float
    metadata: dict[str, Any] = field(repr=False)
    flip_test: bool = False

    def __call__(self, image: ImageSource, *, score_threshold: float | None = None, bgr: bool = False) -> ImagePoses:
        """Find the people in one image. The result holds the image, so it can draw itself.

        Keypoints are in pixels of the image as a viewer shows it: its EXIF orientation is applied.

        Args:
            image: see above.
            score_threshold: threshold for this image; None for the predictor's.
            bgr: whether the array or tensor is BGR, as from OpenCV.

        Raises:
            VoteposeError: if the image cannot be read or the threshold is out of range.
        """
        return self._with(score_threshold)._one(image, bgr)

    def batch(
        self,
        images: Iterable[ImageSource] | ImageSource,
        batch_size: int = 16,
        *,
        score_threshold: float | None = None,
        bgr: bool = False,
    ) -> list[ImagePoses]:
        """One `Poses` per image, in order. Only images with the same input shape share a run, so results do not change.

        Args:
            images: images, each as for a call; or a single image.
            batch_size: maximum number of images per run. The bundled models take one, as every model with a focus does,
                and so does a flip test.
            score_threshold, bgr: as for a call.

        Raises:
            VoteposeError: if an image cannot be read, or the batch size or the threshold is out of range.
        """
        if batch_size < 1:
            raise VoteposeError(f"the batch size should be at least 1, but is {batch_size}")
        model = self._with(score_threshold)
        if self.flip_test:
            return [model._one(image, bgr, hold=False) for image in each_image(images)]
        fixed = self.session.get_inputs()[0].shape[0]  # a number if the model takes no other batch size
        most = fixed if isinstance(fixed, int) else batch_size
        found: dict[int, ImagePoses] = {}
        waiting: dict[tuple[int, ...], list[_Waiting]] = {}  # by shape of their inputs
        for number, image in enumerate(each_image(images)):
            pixels = read_image(image, bgr)
            box = Letterbox.fit(pixels.shape[1], pixels.shape[0], self.input_size)
            one = _Waiting(number, box.apply(pixels), box, source_name(image), to_hold(image, None))
            group = waiting.setdefault(one.pixels.shape, [])
            group.append(one)
            if len(group) == most:
                found |= model._of_group(waiting.pop(one.pixels.shape))
        for group in waiting.values():
            found |= model._of_group(group)
        return [found[k] for k in range(len(found))]

    def stream(
        self,
        images: Iterable[ImageSource] | ImageSource,
        workers: int = 2,
        *,
        score_threshold: float | None = None,
        bgr: bool = False,
    ) -> Iterator[ImagePoses]:
        """Yield one `Poses` per image, in order, as soon as it is ready; `workers` images are processed in parallel.

        On a CPU, one worker per core with one thread each, `load(threads=1)`, is fastest.

        Args:
            images: images, each as for a call; or a single image.
            workers: at least 1.
            score_threshold, bgr: as for a call.

        Raises:
            VoteposeError: when an image cannot be read, in its place in the order, or if an option is out of range.
        """
        find = partial(self._with(score_threshold)._one, bgr=bgr, hold=False)
        return ordered_map(find, each_image(images), workers)

    def run(self, images: np.ndarray, outputs: Sequence[str] = PEOPLE) -> dict[str, np.ndarray]:
        """The model's raw outputs by name, for a batch of inputs (B, H, W, 3) uint8 RGB; see docs/deployment.md.

        Raises:
            VoteposeError: if the run fails.
        """
        feeds = {"images": images, "presence_threshold": np.asarray(self.presence_threshold, np.float32)}
        try:
            return dict(zip(outputs, self.session.run(list(outputs), feeds), strict=True))
        except Exception as error:  # onnxruntime's exceptions have no public base class
            shape = " x ".join(map(str, images.shape))
            raise VoteposeError(f"the model failed on an input of {shape}: {one_line(error)}") from error

    def cancel(self) -> None:
        """End the calls in progress in other threads: they raise a VoteposeError."""
        self.session.cancel()

    def _with(self, score_threshold: float | None) -> Predictor:
        if score_threshold is None:
            return self
        _require_share("score", score_threshold)
        return replace(self, score_threshold=score_threshold)

    def _one(self, image: ImageSource, bgr: bool, hold: bool = True) -> ImagePoses:
        """The people in one image; without `hold` they do not keep its pixels, which would add up over many images."""
        pixels = read_image(image, bgr)
        return ImagePoses.of(self._find(pixels), source_name(image), to_hold(image, pixels if hold else None))

    def _find(self, pixels: np.ndarray) -> Poses:
        if self.flip_test:
            one_view = replace(self, flip_test=False, score_threshold=0.0)
            return find_in_both_views(one_view._find, pixels).above(self.score_threshold)
        box = Letterbox.fit(pixels.shape[1], pixels.shape[0], self.input_size)
        return self._poses(self.run(box.apply(pixels)[None]), 0, box)

    def _of_group(self, group: Sequence[_Waiting]) -> dict[int, ImagePoses]:
        """The people in images with inputs of one shape, by the images' numbers."""
        outputs = self.run(np.stack([one.pixels for one in group]))
        found = (self._poses(outputs, place, one.box) for place, one in enumerate(group))
        return {one.number: ImagePoses.of(poses, one.source, one.held) for poses, one in zip(found, group, strict=True)}

    def _poses(self, outputs: dict[str, np.ndarray], place: int, box: Letterbox) -> Poses:
        rows = people_rows(outputs, place, self.skeleton.kappas, self.score_threshold)
        return to_poses(outputs, rows, box, self.skeleton)


def load(
    weights: Path | str | None = None,
    *,
    input_size: int | None = None,
    presence_threshold: float | None = None,
    score_threshold: float = SCORE_THRESHOLD,
    device: str = "cpu",
    threads: int | None = None,
    flip_test: bool = False,
) -> Predictor:
    """Load a `Predictor` from a bundled model or from an ONNX file written by `votepose export`.

    Args:
        weights: path of the file; None or "accurate" for the default bundled model, "fast" for the other.
        input_size: longest side of the network input in pixels, a multiple of 32; None for the model's.
        presence_threshold: in [0, 1], see `Predictor`; None for the model's.
        score_threshold: in [0, 1], see `Predictor`; 0.35 by default.
        device: "cpu", "cuda", "cuda:1", or another provider of the installed onnxruntime; there is no fallback. A
            torch.device works, too.
        threads: CPU threads per operator; None lets onnxruntime choose.
        flip_test: see `Predictor`.

    Raises:
        VoteposeError: if the file is missing or not from votepose, an option is out of range, or there is no such
            device.
    """
    path = resolve_weights(weights, ".onnx")
    session = open_session(path, device, threads)
    metadata, skeleton = read_metadata(session, path)
    size = int(metadata["input_size"]) if input_size is None else input_size
    presence = float(metadata["presence_threshold"] if presence_threshold is None else presence_threshold)
    require_input_size(size)
    _require_share("presence", presence)
    _require_share("score", score_threshold)
    return Predictor(session, skeleton, size, presence, score_threshold, metadata, flip_test)


def _require_share(name: str, value: float) -> None:
    if not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        raise VoteposeError(f"the {name} threshold should be a number in [0, 1], but is {value!r}")


@dataclass(frozen=True)
class _Waiting:
    """An image that waits for others with the same input shape.

    Attributes:
        number: place among the images.
        pixels: network input.
        box: letterbox of the input.
        source, held: see `ImagePoses.of`.
    """

    number: int
    pixels: np.ndarray
    box: Letterbox
    source: str | None
    held: Any
