"""HEIC images are read as they are shown; without pi-heif, a line says how to install it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.heic import HEIC_DOT
from votepose.errors import VoteposeError
from votepose.io.images import read_image


def test_a_heic_image_is_read_as_it_is_shown(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    path = tmp_path / "x.heic"
    path.write_bytes(HEIC_DOT)
    for source in (path, str(path), HEIC_DOT, io.BytesIO(HEIC_DOT), path.open("rb")):
        pixels = read_image(source)
        assert pixels.shape == (64, 48, 3)
        red = np.argwhere(pixels[..., 0].astype(int) - pixels[..., 1] > 100)
        assert red.mean(axis=0) == pytest.approx([39.5, 31.5], abs=0.5)


@pytest.mark.parametrize("length", [40, 300, 600])
def test_a_broken_heic_image_is_one_line(length: int) -> None:
    pytest.importorskip("pi_heif")
    with pytest.raises(VoteposeError, match="is a broken or truncated image") as caught:
        read_image(HEIC_DOT[:length])
    assert "\n" not in str(caught.value)


def test_without_pi_heif_the_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(VoteposeError, match=r'is a HEIC image, which needs pi-heif: pip install "\.\[heic\]"'):
        read_image(HEIC_DOT)


def test_pi_heif_holds_no_gpl_encoder() -> None:
    encoders = pytest.importorskip("pi_heif").libheif_info()["encoders"]
    assert not [name for name in encoders if "265" in name or "264" in name]
