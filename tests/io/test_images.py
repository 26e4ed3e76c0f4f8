"""Sources: any image as RGB bytes; what cannot be read is named in one line."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as npst
from PIL import Image

from helpers.fake_model import red_dot, save_jpeg
from votepose.errors import VoteposeError
from votepose.io.images import read_image

COLOURS = npst.arrays(np.uint8, (4, 5, 4))


@given(COLOURS)
def test_arrays_and_pictures_are_read_alike(rgba: np.ndarray) -> None:
    rgb, grey = np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 0])
    np.testing.assert_array_equal(read_image(rgb), rgb)
    np.testing.assert_array_equal(read_image(Image.fromarray(rgb)), rgb)
    for other in (grey, grey[..., None], Image.fromarray(grey), grey.astype(np.uint16) * 257):
        np.testing.assert_array_equal(read_image(other), np.repeat(grey[..., None], 3, axis=2))
    on_white = rgba[..., :3] * (rgba[..., 3:] / 255.0) + 255 - rgba[..., 3:].astype(float)
    for other in (rgba, Image.fromarray(rgba), rgba.astype(np.uint16) * 257):
        np.testing.assert_allclose(read_image(other), on_white, atol=1)


@given(npst.arrays(np.uint16, (3, 4)))
def test_16_bits_are_rounded_to_8(deep: np.ndarray) -> None:
    assert np.abs(read_image(deep)[..., 0] - deep / 257).max() <= 0.5
    np.testing.assert_array_equal(read_image(Image.fromarray(deep)), read_image(deep))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"])
def test_every_mode_is_read_as_rgb(mode: str, tmp_path: Path) -> None:
    grey = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (20, 1))
    image = Image.fromarray(grey)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "PA":
        image = image.convert("P").convert("PA")
    elif mode == "I":
        image = Image.fromarray(grey.astype(np.int32) * 257)  # as older Pillows open 16-bit PNGs
    else:
        image = image.convert("RGB").convert(mode)
    found = read_image(image)
    assert (found.shape, found.dtype) == ((20, 32, 3), np.uint8)
    if mode not in ("1", "P", "PA"):
        np.testing.assert_allclose(found[..., 1], grey, atol=3)
    if mode in ("I;16", "L", "RGB", "CMYK", "F"):
        image.save(tmp_path / "a.tif")
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), found)


def test_transparent_palette_and_grey_png_are_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 1), 1)
    image.save(tmp_path / "p.png", transparency=0)
    found = read_image(tmp_path / "p.png")
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[1, 1].tolist() == [255, 0, 0]


def test_32_bit_integers_that_fit_8_bits_are_8_bits() -> None:
    grey = Image.fromarray(np.tile(np.arange(0, 250, 5, np.uint8), (20, 1)))
    np.testing.assert_array_equal(read_image(grey.convert("I")), read_image(grey))


@pytest.mark.parametrize("orientation", range(9))
def test_exif_orientation_is_followed_and_a_broken_one_ignored(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_image(save_jpeg(tmp_path / "a.jpg", red_dot(64, 32, 0, 0), exif=exif))
    assert found.shape[:2] == ((64, 32) if orientation > 4 else (32, 64))
    corner = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    assert found[corner.get(orientation, (0, 0))][0] > 200


def _broken(tmp_path: Path) -> dict[str, Path]:
    jpeg = save_jpeg(tmp_path / "whole.jpg", red_dot(200, 200, 0, 0)).read_bytes()
    image = io.BytesIO()
    Image.fromarray(red_dot(200, 200, 0, 0)).save(image, "PNG")
    png = image.getvalue()
    huge = b"IHDR" + (60000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    bomb = png[:8] + (13).to_bytes(4, "big") + huge + zlib.crc32(huge).to_bytes(4, "big") + png[33:]
    contents = {
        "text.jpg": b"hello\n",
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "head.jpg": jpeg[:20],
        "empty.jpg": b"",
        "cut.png": png[: len(png) // 2],
        "bomb.png": bomb,
        "noise.png": png[:40] + os.urandom(300),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.jpg").mkdir()
    return {name: tmp_path / name for name in [*contents, "missing.jpg", "folder.jpg"]}


def test_what_cannot_be_read_is_named_in_one_line(tmp_path: Path) -> None:
    reasons = {
        "text.jpg": "not an image",
        "cut.jpg": "truncated",
        "empty.jpg": "empty",
        "bomb.png": "megapixels",
        "missing.jpg": "no such file",
        "folder.jpg": "folder",
    }
    for name, path in _broken(tmp_path).items():
        with pytest.raises(VoteposeError) as caught:
            read_image(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        assert reasons.get(name, "") in message
    with pytest.raises(VoteposeError, match=r"bytes.*empty"):
        read_image(b"")
    with pytest.raises(VoteposeError, match=r"^'': no such file$"):
        read_image("")


def test_a_panorama_beyond_pillows_own_limit_opens_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    Image.new("L", (2000, 10)).save(tmp_path / "wide.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    assert read_image(tmp_path / "wide.png").shape == (10, 2000, 3)
    assert Image.MAX_IMAGE_PIXELS == 5000
    assert not recwarn.list


@pytest.mark.parametrize("shape", [(3, 480, 640), (4,), (0, 5, 3), (2, 2, 2, 3)])
def test_arrays_that_are_no_image_say_their_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(VoteposeError, match=r"\(H, W, 3\)"):
        read_image(np.zeros(shape, np.uint8))
    with pytest.raises(VoteposeError, match="int64"):
        read_image(np.zeros((4, 4, 3), np.int64))
