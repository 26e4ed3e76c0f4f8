"""The predictor: poses land where they are in the image that a viewer shows; mistakes are one line."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from helpers.fake_model import METADATA, OFFSETS, red_dot, save_fake_model, save_jpeg
from votepose.errors import VoteposeError
from votepose.inference.flip_tta import find_in_both_views
from votepose.letterbox import Letterbox
from votepose.predictor import Predictor, load


@pytest.fixture(scope="module")
def predictor(fake_model: Path) -> Predictor:
    return load(fake_model, score_threshold=0.05)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.floats(0, 1), st.floats(0, 1))
def test_poses_land_where_they_are_in_images_of_any_shape(
    predictor: Predictor, width: int, height: int, right: float, down: float
) -> None:
    side = min(width, height, max(width, height) // 16 + 1)
    x, y = round(right * (width - side)), round(down * (height - side))
    poses = predictor(red_dot(width, height, x, y, side))
    # Image pixels in one of the input: sides are resized to whole pixels, so each has its own scale.
    cell = np.array([width, height]) / Letterbox.fit(width, height, 96).resized
    assert poses.image_size == (width, height)
    assert len(poses) >= 1
    nose = poses[0]["nose"]
    assert (nose >= np.array([x, y]) - 2 * cell).all()
    assert (nose <= np.array([x, y]) + side + 2 * cell).all()
    np.testing.assert_allclose(poses[0].keypoints - nose, OFFSETS * cell, atol=1e-3 * cell.max())


@pytest.mark.parametrize(("width", "height"), [(20000, 100), (3, 5000), (1, 1)])
def test_extreme_shapes_work(predictor: Predictor, width: int, height: int) -> None:
    poses = predictor(red_dot(width, height, 0, 0, min(width, height)))
    assert poses.image_size == (width, height)
    assert np.isfinite(poses.keypoints).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_poses_of_a_turned_photo_land_where_a_viewer_shows_them(
    predictor: Predictor, tmp_path: Path, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save_jpeg(tmp_path / "turned.jpg", red_dot(160, 96, 112, 16, 16), exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    rows, columns = np.nonzero((shown[..., 0] > 200) & (shown[..., 1] < 60))
    poses = predictor(path)
    assert poses.image_size == shown.shape[1::-1]
    x, y = poses[0]["nose"]
    assert columns.min() - 2 <= x <= columns.max() + 3
    assert rows.min() - 2 <= y <= rows.max() + 3


def test_every_kind_of_input_gives_the_same_poses(predictor: Predictor, tmp_path: Path) -> None:
    image = red_dot(200, 120, 40, 30, 12)
    path = tmp_path / "a.png"
    Image.fromarray(image).save(path)
    expected = predictor(image)
    assert expected.source is None
    assert predictor(path).source == str(path)
    opaque = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    wide = image.astype(np.uint16) * 257
    others = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), Image.open(path), opaque, wide]
    for other in others:
        np.testing.assert_array_equal(predictor(other).keypoints, expected.keypoints)


def test_people_are_sorted_and_those_below_the_threshold_left_out(fake_model: Path) -> None:
    image = red_dot(96, 96, 40, 40)
    everyone = load(fake_model, score_threshold=0.0)(image)
    assert len(everyone) == 2
    assert everyone.scores[0] > everyone.scores[1]
    assert everyone[0]["nose"][0] < everyone[1]["nose"][0]
    assert len(load(fake_model, score_threshold=0.7)(image)) == 1
    grey = load(fake_model)(np.full((50, 80), 128, np.uint8))
    assert len(grey) == 0
    assert grey.keypoints.shape == (0, 17, 2)


def test_options_reach_the_model(fake_model: Path) -> None:
    image = red_dot(400, 300, 100, 100, 40)
    assert load(fake_model)(image).confidences[0, 0] == pytest.approx(METADATA["presence_threshold"])
    assert load(fake_model, presence_threshold=0.25)(image).confidences[0, 0] == pytest.approx(0.25)
    spread = [load(fake_model, input_size=size)(image)[0].keypoints for size in (96, 192)]
    np.testing.assert_allclose(np.ptp(spread[0], axis=0), 2 * np.ptp(spread[1], axis=0), rtol=1e-4)


def test_a_batch_equals_its_images_one_by_one(predictor: Predictor, tmp_path: Path) -> None:
    shapes = [(96, 96), (200, 50), (96, 96), (50, 200), (400, 100), (96, 96), (1, 1)]
    images = [red_dot(w, h, w // 3, h // 3, max(1, min(w, h) // 8)) for w, h in shapes]
    together = predictor.batch(iter(images), batch_size=2)
    with pytest.raises(VoteposeError, match="the batch size should be at least 1, but is 0"):
        predictor.batch(images, batch_size=0)
    assert len(together) == len(images)
    for image, poses in zip(images, together, strict=True):
        alone = predictor(image)
        assert poses.image_size == alone.image_size
        for name in ("keypoints", "confidences", "seen", "scores"):
            np.testing.assert_array_equal(getattr(poses, name), getattr(alone, name))
    assert predictor.batch([]) == []


def test_a_batch_keeps_few_inputs_in_memory(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    real, runs, before = Predictor.run, list[int](), list[int]()

    def counted(self: Predictor, images: np.ndarray) -> dict[str, np.ndarray]:
        runs.append(len(images))
        return real(self, images)

    def images() -> Iterator[np.ndarray]:
        for k in range(7):
            before.append(sum(runs))
            yield red_dot(96, 96 if k % 2 else 64, 30, 30, 8)

    monkeypatch.setattr(Predictor, "run", counted)
    assert len(predictor.batch(images(), batch_size=2)) == 7
    assert before == [0, 0, 0, 2, 4, 4, 4]
    assert runs == [2, 2, 2, 1]


def test_a_model_that_takes_one_image_at_a_time_is_given_one(fake_model: Path, tmp_path: Path) -> None:
    graph = onnx.load(fake_model)
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(graph, tmp_path / "single.onnx")
    images = [red_dot(96, 96, 8 * k, 30, 8) for k in range(3)]
    for one, other in zip(load(tmp_path / "single.onnx").batch(images), load(fake_model).batch(images), strict=True):
        np.testing.assert_array_equal(one.keypoints, other.keypoints)


def test_a_flip_test_averages_what_both_views_show(fake_model: Path, tmp_path: Path) -> None:
    picture = red_dot(192, 96, 80, 40, 16)
    both = load(fake_model, score_threshold=0.3, flip_test=True)
    one = load(fake_model, score_threshold=0.0)
    expected = find_in_both_views(one, picture).above(0.3)
    found = both(picture)
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    np.testing.assert_array_equal(found.scores, expected.scores)
    mirrored = both(np.ascontiguousarray(picture[:, ::-1]))  # sees the same two views in the other order
    np.testing.assert_allclose(np.sort(mirrored.scores), np.sort(found.scores), atol=1e-6)
    assert not np.array_equal(found.keypoints, one(picture).above(0.3).keypoints)
    path = save_jpeg(tmp_path / "dot.jpg", picture)
    assert both(path).source == str(path)
    np.testing.assert_array_equal(both.batch([picture, picture])[1].keypoints, found.keypoints)


def test_a_stream_equals_its_images_one_by_one_and_reads_only_a_little_ahead(predictor: Predictor) -> None:
    images = [red_dot(96 + k, 64, 10 + k, 20) for k in range(9)]
    read: list[int] = []

    def source() -> Iterator[np.ndarray]:
        for k, image in enumerate(images):
            read.append(k)
            yield image

    stream = predictor.stream(source(), workers=1)
    first = next(stream)
    assert len(read) <= 3
    found = [first, *stream]
    assert len(found) == len(images)
    for image, poses in zip(images, found, strict=True):
        np.testing.assert_array_equal(poses.keypoints, predictor(image).keypoints)
        assert poses.image_size == image.shape[1::-1]
    assert list(predictor.stream([], workers=3)) == []


def test_a_call_may_have_its_own_score_threshold(predictor: Predictor, fake_model: Path) -> None:
    image = red_dot(192, 96, 80, 40, 16)
    every = predictor(image)
    between = float(every.scores.mean())
    assert len(every.above(between)) == 1 < len(every)
    for model in (predictor, load(fake_model, flip_test=True)):
        for found in (
            model(image, score_threshold=between),
            model.batch([image], score_threshold=between)[0],
            next(model.stream([image], score_threshold=between)),
        ):
            assert len(found) == len(model(image, score_threshold=0).above(between))
    for call in (predictor, predictor.batch, predictor.stream):
        assert "[0, 1], but is 35" in _error(call, image, score_threshold=35)
    assert repr(predictor).startswith("Predictor(input_size=96, ")


def test_bgr_holds_for_every_image_of_a_batch_and_a_stream(predictor: Predictor) -> None:
    image = red_dot(96, 64, 10, 20)
    for found in (
        predictor.batch([image[..., ::-1]] * 2, bgr=True),
        list(predictor.stream([image[..., ::-1]], bgr=True)),
    ):
        np.testing.assert_array_equal(found[-1].keypoints, predictor(image).keypoints)
    for call in (predictor, predictor.batch):
        assert "bgr=True" in _error(call, "photo.jpg", bgr=True)


def test_a_stream_fails_where_its_image_does(predictor: Predictor) -> None:
    image = red_dot(96, 96, 40, 40)
    stream = predictor.stream([image, b"no image", image], workers=2)
    assert len(next(stream)) >= 1
    assert "not an image" in _error(next, stream)
    assert "workers" in _error(lambda: next(predictor.stream([image], workers=0)))


def _error(call: object, *arguments: object, **options: object) -> str:
    with pytest.raises(VoteposeError) as caught:
        call(*arguments, **options)  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_not_weights_are_named_in_one_line(tmp_path: Path, fake_model: Path) -> None:
    text, other, foreign = tmp_path / "text.onnx", tmp_path / "other.onnx", tmp_path / "foreign.onnx"
    text.write_text("no model\n")
    save_fake_model(foreign, metadata=None)
    save_fake_model(other, {"preset": "fake"})
    broken = tmp_path / "broken.onnx"
    save_fake_model(broken, {"input_size": "wide", "presence_threshold": 0.5, "skeleton": {}})
    for path in (text, foreign, other, broken, tmp_path / "missing.onnx", tmp_path):
        assert str(path) in _error(load, path)
    assert "votepose export" in _error(load, foreign)
    assert "input_size" in _error(load, other)


@pytest.mark.parametrize(
    "option",
    [
        *({"input_size": 100}, {"input_size": 0}, {"presence_threshold": 2.0}, {"score_threshold": -0.1}),
        *({"threads": 0}, {"input_size": 64.5}, {"input_size": (480, 640)}, {"score_threshold": None}),
    ],
)
def test_options_out_of_range_are_one_line(fake_model: Path, option: dict[str, Any]) -> None:
    assert str(next(iter(option.values()))) in _error(load, fake_model, **option)


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "", "cpu:"])
def test_an_unknown_device_names_those_that_are_there(fake_model: Path, device: str) -> None:
    if device == "cpu:":
        assert load(fake_model, device=device)
    else:
        assert "cpu" in _error(load, fake_model, device=device)
    assert "'cuda:1'" in _error(load, fake_model, device=1)


def test_a_device_that_does_not_start_is_an_error_not_the_cpu(
    fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    real = onnxruntime.InferenceSession

    def falls_back(model: bytes, options: object, **_: object) -> onnxruntime.InferenceSession:
        return real(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", falls_back)
    assert "did not start" in _error(load, fake_model, device="cuda")


def test_the_runtime_imports_neither_torch_nor_cv2_and_the_package_imports_nothing(fake_model: Path) -> None:
    code = f"""
import sys, votepose
assert "numpy" not in sys.modules and "onnxruntime" not in sys.modules
import numpy, votepose.commands.predict
votepose.load({str(fake_model)!r})(numpy.zeros((9, 9, 3), numpy.uint8))
assert votepose.Poses and votepose.Skeleton and len(votepose.COCO_17) == 17
assert not {{"torch", "cv2", "onnx", "pandas"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
