"""What Python users pass as an image: it is read, or one line says what it was."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from helpers.fake_model import red_dot, save_jpeg
from votepose.errors import VoteposeError
from votepose.io.images import read_image
from votepose.io.sources import each_image

PIXELS = red_dot(40, 30, 5, 5)


class Tensor:
    """An object that NumPy can make an array of, as a tensor is."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        if self._array.ndim == 1:
            raise TypeError("can't convert cuda:0 device type tensor to numpy.\nUse Tensor.cpu()")
        return self._array


class TorchTensor(Tensor):
    """Has PyTorch's methods, and lies on a GPU until `cpu` is called."""

    def detach(self) -> TorchTensor:
        """As PyTorch's."""
        return self

    def cpu(self) -> Tensor:
        """As PyTorch's."""
        return Tensor(self._array)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError("can't convert cuda:0 device type tensor to numpy.")


class Upload:
    """A file of an asynchronous framework."""

    async def read(self) -> bytes:
        """Not bytes yet."""
        return b""


def test_bytes_of_any_kind_and_tensors_are_read(tmp_path: Path) -> None:
    data = save_jpeg(tmp_path / "a.jpg", PIXELS).read_bytes()
    expected = read_image(data)
    for same in (bytearray(data), memoryview(data)):
        np.testing.assert_array_equal(read_image(same), expected)
    np.testing.assert_array_equal(read_image(Tensor(PIXELS)), PIXELS)


def test_a_torch_tensor_has_its_channels_first_or_last() -> None:
    first = PIXELS.transpose(2, 0, 1)
    for same in (PIXELS, first, first / 255.0):
        np.testing.assert_array_equal(read_image(TorchTensor(same)), PIXELS)
        assert len(list(each_image(TorchTensor(same)))) == 1
    grey = first[:1]
    np.testing.assert_array_equal(read_image(TorchTensor(grey)), read_image(PIXELS[..., 0]))
    for batch in (np.stack([first, first]), np.stack([PIXELS, PIXELS])):
        images = list(each_image(TorchTensor(batch)))
        assert len(images) == 2
        np.testing.assert_array_equal(read_image(images[1]), PIXELS)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (None, "is None, which cv2.imread returns"),
        (["a.jpg"], "is a list: pass several images to `batch`"),
        ((), "is a tuple"),
        ({"a": 1}, "is a dict"),
        (0, "is of type int: 0"),
        (1.5, "is of type float: 1.5"),
        (object, "is of type type"),
        (Upload(), "the Upload is read asynchronously"),
        (io.StringIO("x"), "StringIO: was opened as text"),
        (Tensor(np.zeros(3)), "the Tensor cannot be converted to a NumPy array .*cpu"),
        (np.uint8(3), r"is uint8 of \(\)"),
        (np.zeros((3, 40, 30), np.uint8), r"\(3, 40, 30\): put the channels last"),
        (np.zeros((40, 30), bool), "bool of .*: convert it to float"),
        (np.zeros((40, 30, 3), int), "int64 of .*: convert it to uint8"),
        (np.zeros((40, 30, 3), complex), "complex128 of"),
        (np.zeros((0, 30, 3), np.uint8), "it is empty"),
        (TorchTensor(np.zeros((3, 40, 4), np.uint8)), "channels first or last"),
        (TorchTensor(np.zeros((5, 40, 30), np.uint8)), r"\(5, 40, 30\)"),
        (TorchTensor(np.zeros((1, 3, 40, 30), np.uint8)), "pass several images"),
        (np.zeros((2, 40, 30, 3), np.uint8), "pass several images"),
        (np.zeros(0, np.uint8), "uint8 of"),
        ("x" * 5000, "x{60}…: is not a path"),
        ("a\0b", "is not a path"),
        ("", "no such file"),
    ],
)
def test_what_is_no_image_is_named_in_one_line(given: Any, line: str) -> None:
    with pytest.raises(VoteposeError) as caught:
        read_image(given)
    assert re.search(line, str(caught.value))
    assert "\n" not in str(caught.value)
    assert "broken" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_video_and_heic_say_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    for content, line in [(b"\0\0\0\x20ftypisom", "is a video"), (b"\0\0\0\x20ftypheic0000mif1", "HEIC")]:
        path = tmp_path / "a.jpg"
        path.write_bytes(content)
        for source in (path, content):
            with pytest.raises(VoteposeError, match=line):
                read_image(source)


@pytest.mark.parametrize(
    "one",
    [
        lambda path: str(path),
        lambda path: path,
        lambda path: path.read_bytes(),
        lambda path: bytearray(path.read_bytes()),
        lambda path: memoryview(path.read_bytes()),
        lambda path: path.open("rb"),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: Image.open(path),
        lambda path: PIXELS,
        lambda path: PIXELS[..., 0],
        lambda path: Tensor(PIXELS),
    ],
)
def test_one_image_in_place_of_several_is_one(tmp_path: Path, one: Callable[[Path], Any]) -> None:
    images = list(each_image(one(save_jpeg(tmp_path / "a.jpg", PIXELS))))
    assert len(images) == 1
    assert read_image(images[0]).shape == PIXELS.shape


def test_several_stay_several() -> None:
    assert list(each_image(["a", "b"])) == ["a", "b"]
    assert list(each_image(name for name in "ab")) == ["a", "b"]
    assert len(list(each_image(np.stack([PIXELS, PIXELS])))) == 2
    assert len(list(each_image(np.zeros((5, 40, 30), np.uint8)))) == 5
    for wrong in (None, 3):
        with pytest.raises(VoteposeError, match="an image should be"):
            each_image(wrong)  # type: ignore[arg-type]
