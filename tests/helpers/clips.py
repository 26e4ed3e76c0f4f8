"""Small video files for tests: moving red dots, a tone beside them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from helpers.fake_model import red_dot

av = pytest.importorskip("av")
RATE = 10


def dot_frames(count: int = 12, step: int = 3, width: int = 128, height: int = 96) -> list[np.ndarray]:
    """A dot that goes right, `step` pixels a frame."""
    return [red_dot(width, height, 8 + step * k, 40, 16) for k in range(count)]


def save_clip(
    path: Path,
    frames: list[np.ndarray],
    *,
    times: list[float] | None = None,
    audio: str | None = None,
    codec: str = "mpeg4",
    faststart: bool = False,
    pixel_shape: Fraction | None = None,
    cover: np.ndarray | None = None,
    container_format: str | None = None,
    tone: int | None = None,
) -> Path:
    """Encode frames at `times` in seconds (or `RATE` a second), with a tone of their length, or of `tone` frames'.

    `cover` is an image that becomes the first video stream, without a mark if the path does not end in .mp4.
    """
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path), "w", format=container_format, options=options) as container:
        if cover is not None:
            still = container.add_stream("mjpeg", rate=RATE)
            still.height, still.width, still.pix_fmt = *cover.shape[:2], "yuvj420p"
            if path.suffix == ".mp4":
                still.disposition = av.stream.Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(cover, format="rgb24").reformat(format="yuvj420p")
            picture.pts = 0
            covers = [*still.encode(picture), *still.encode()]
        video = container.add_stream(codec, rate=RATE)
        video.height, video.width, video.pix_fmt = *frames[0].shape[:2], "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        video.bit_rate = 4_000_000
        video.codec_context.sample_aspect_ratio = pixel_shape or Fraction(1)
        sound = container.add_stream(audio, rate=48000, layout="mono") if audio else None
        if cover is not None:
            container.mux(covers)
        for k, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = round(1000 * (times[k] if times else k / RATE))
            frame.time_base = Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound:
            size = sound.codec_context.frame_size or 1024
            first = round(48000 * times[0]) if times and container_format else 0
            wave = np.sin(np.arange(48000 * (tone or len(frames)) // RATE) * 440 * 2 * np.pi / 48000)
            for start in range(0, len(wave) - size, size):
                chunk = (wave[None, start : start + size] * 2**14).astype(np.int16)
                piece = av.AudioFrame.from_ndarray(chunk, format="s16", layout="mono")
                piece.sample_rate, piece.pts = 48000, first + start
                container.mux(sound.encode(piece))
            container.mux(sound.encode())
    return path


def audio_packets(path: Path) -> list[bytes]:
    """What the audio of a file is made of."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def dot_centres(pixels: np.ndarray) -> tuple[float, float]:
    """(x, y) of the middle of what is red."""
    red = (pixels[..., 0].astype(int) - pixels[..., 1] > 100).nonzero()
    return float(red[1].mean() + 0.5), float(red[0].mean() + 0.5)


def set_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write the matrix (a, b, c, d) of QuickTime's specification into an .mp4 file's track header."""
    content = bytearray(path.read_bytes())
    a, b, c, d = ((value << 16).to_bytes(4, "big", signed=True) for value in matrix)
    place = content.index(b"tkhd") + 4 + 40  # where version 0's matrix begins
    content[place : place + 36] = a + b + bytes(4) + c + d + bytes(12) + (1 << 30).to_bytes(4, "big")
    path.write_bytes(content)
    return path
