"""Drawn video: frames at their times, sizes and colours kept, audio untouched, nothing half-written."""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.clips import RATE, audio_packets, av, dot_centres, dot_frames, save_clip
from votepose.errors import VoteposeError
from votepose.video import codecs
from votepose.video.codecs import Source
from votepose.video.reader import VideoReader
from votepose.video.writer import VideoWriter


def copied(source: Path, stem: Path, codec: str | None = None) -> Path:
    """The video written anew, frame by frame."""
    with VideoReader(str(source)) as reader:
        writer = VideoWriter(stem, reader.rate, Source(reader.codec, source.suffix, reader.audio), codec)
        reader.on_audio = writer.write_audio
        for frame in reader:
            writer.write(frame.pixels, frame.time)
        writer.close()
    return writer.path


@pytest.mark.parametrize("codec", [None, "mpeg4"])
def test_frames_keep_their_times_and_places(tmp_path: Path, codec: str | None) -> None:
    times = [0, 0.1, 0.5, 0.52, 2.0]
    source = save_clip(tmp_path / "a.mkv", dot_frames(5), times=times)
    path = copied(source, tmp_path / "out" / "b", codec)
    assert path == tmp_path / "out" / "b.mp4"
    with VideoReader(str(path)) as reader:
        found = list(reader)
    assert [frame.time for frame in found] == pytest.approx(times, abs=1e-3)
    for frame, pixels in zip(found, dot_frames(5), strict=True):
        assert dot_centres(frame.pixels) == pytest.approx(dot_centres(pixels), abs=0.7)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("suffix", "audio", "video", "target"),
    [
        (".mp4", "aac", "mpeg4", ".mp4"),
        (".mkv", "libopus", "mpeg4", ".mp4"),
        (".webm", "libopus", "libvpx", ".webm"),
        (".avi", "pcm_s16le", "mpeg4", ".mkv"),
    ],
)
def test_audio_is_copied_as_it_is(tmp_path: Path, suffix: str, audio: str, video: str, target: str) -> None:
    source = save_clip(tmp_path / f"a{suffix}", dot_frames(20), audio=audio, codec=video)
    path = copied(source, tmp_path / "b")
    assert path.suffix == target
    before, after = b"".join(audio_packets(source)), b"".join(audio_packets(path))
    assert len(before) > 1000
    assert after == before
    with av.open(str(path)) as container:
        video_end, audio_end = (
            max(float(p.pts * p.time_base) for p in packets if p.pts is not None)
            for packets in (list(av.open(str(path)).demux(video=0)), list(container.demux(audio=0)))
        )
    assert abs(video_end - audio_end) < 0.15


def test_colours_are_kept(tmp_path: Path) -> None:
    colours = np.array([(230, 159, 0), (86, 180, 233), (20, 22, 28), (250, 250, 250)], np.uint8)
    pixels = np.repeat(np.repeat(colours[None], 64, axis=0), 32, axis=1)
    writer = VideoWriter(tmp_path / "a", Fraction(RATE))
    for k in range(4):
        writer.write(pixels, k / RATE)
    writer.close()
    with VideoReader(str(writer.path)) as reader:
        (*_, last) = reader
    assert np.abs(last.pixels[32, 16::32].astype(int) - colours).max() < 8


def test_odd_sizes_and_streams_that_change_theirs_are_taken(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a", Fraction(RATE))
    for k, shape in enumerate([(51, 33), (51, 33), (20, 70), (80, 10)]):
        writer.write(np.full((*shape, 3), 200, np.uint8), k / RATE)
    writer.write(np.full((51, 33, 3), 200, np.uint8), 0.0)  # a clock that goes back
    writer.close()
    with VideoReader(str(writer.path)) as reader:
        found = list(reader)
    assert [frame.pixels.shape for frame in found] == [(52, 34, 3)] * 5
    assert found[0].pixels.min() > 190


def test_nothing_stays_of_a_video_that_was_given_up_or_had_no_frame(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a", Fraction(RATE))
    writer.write(dot_frames(1)[0], 0)
    assert not writer.path.exists()
    writer.discard()
    VideoWriter(tmp_path / "b", Fraction(RATE)).close()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_oserror_that_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = VideoWriter(tmp_path / "a", Fraction(RATE))
    writer.write(dot_frames(1)[0], 0)

    class Full:
        def mux(self, *_: Any) -> None:
            raise av.error.OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            raise av.error.OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer, "_container", Full())
    for act in (lambda: writer.write(dot_frames(1)[0], 0.1), writer.close):
        with pytest.raises(OSError, match="No space left") as caught:
            act()
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(writer.path))
    assert not list(tmp_path.iterdir())


def test_an_encoder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    for codec in ("h266_magic", "aac"):
        with pytest.raises(VoteposeError, match=f"cannot encode {codec}"):
            VideoWriter(tmp_path / "a", Fraction(RATE), codec=codec)


def test_an_encoder_for_other_containers_or_pixels_is_one_line(tmp_path: Path) -> None:
    for codec, suffix in (("gif", ".mkv"), ("mjpeg", ".mp4")):
        with (
            pytest.raises(VoteposeError, match=rf"as {codec} in {suffix} \(.*\): choose another --video-codec$"),
            VideoWriter(tmp_path / "a", Fraction(RATE), codec=codec) as writer,
        ):
            writer.write(dot_frames(1)[0], 0.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("codec", "suffix", "audio", "target"),
    [
        ("libx264", ".mp4", None, "webm"),
        ("libx264", ".mp4", "aac", "webm"),
        ("libx264", ".mkv", "libopus", "webm"),
        ("mpeg4", ".avi", "libmp3lame", "mp4"),
        ("libvpx-vp9", ".mp4", "aac", "mp4"),
        ("libvpx-vp9", ".webm", None, "webm"),
        ("flv", ".avi", "pcm_s16le", "webm"),
    ],
)
def test_a_drawing_is_in_a_container_made_for_its_codec(
    tmp_path: Path, codec: str, suffix: str, audio: str | None, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codecs, "H264", ())  # as if FFmpeg had none but x264
    monkeypatch.setattr(codecs, "CODECS", ("libvpx-vp9", "mpeg4"))
    path = copied(save_clip(tmp_path / f"a{suffix}", dot_frames(20), codec=codec, audio=audio), tmp_path / "b")
    assert path.suffix == f".{target}"
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == (audio is not None)
        names = {stream.codec_context.codec.canonical_name for stream in container.streams}
        assert names <= ({"vp9", "opus"} if target == "webm" else {codec.removeprefix("libvpx-"), "aac", "mp3"})
        assert max(float(packet.pts * packet.time_base) for packet in container.demux() if packet.pts) > 1.8


def test_it_says_what_it_chose_and_how_to_choose(tmp_path: Path) -> None:
    for source, note in [(Source("h264", ".mp4"), True), (Source("mpeg4", ".mp4"), False), (Source(), False)]:
        writer = VideoWriter(tmp_path / "a", Fraction(RATE), source)
        same = writer.note is None
        assert same == (not note) or writer.path.suffix == ".mp4"
        if writer.note:
            assert "--video-codec" in writer.note
            assert writer.path.suffix in writer.note
    assert VideoWriter(tmp_path / "a", Fraction(RATE), Source("h264", ".mp4"), "libx264").note is None


def test_h264_is_drawn_as_h264_by_an_encoder_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "H264", ("libopenh264", "h264_nvenc", "libx264"))  # x264 in place of a device's
    monkeypatch.setattr(codecs, "CODECS", ("libopenh264", "h264_nvenc", "libx264", "libvpx-vp9"))
    monkeypatch.setattr(codecs, "_opens", lambda _, name: name == "libx264")
    path = copied(save_clip(tmp_path / "a.mp4", dot_frames(5), codec="libx264", audio="aac"), tmp_path / "b")
    assert path.suffix == ".mp4"
    with VideoReader(str(path)) as reader:
        assert reader.codec == "h264"
    assert not codecs._has_encoder(av, "nothing", "video")


def test_mp3_goes_into_an_mp4_file_under_either_of_its_names(tmp_path: Path) -> None:
    source = save_clip(tmp_path / "a.avi", dot_frames(20), audio="libmp3lame")
    path = copied(source, tmp_path / "b")
    assert path.suffix == ".mp4"
    assert b"".join(audio_packets(path)) == b"".join(audio_packets(source))


def test_frames_of_another_size_are_fitted_into_the_first_ones(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a", Fraction(RATE))
    large = dot_frames(2)
    writer.write(large[0], 0)
    writer.write(np.ascontiguousarray(large[1][::2, ::2]), 0.1)
    writer.close()
    with VideoReader(str(writer.path)) as reader:
        _, second = reader
    assert dot_centres(second.pixels) == pytest.approx(dot_centres(large[1]), abs=1)
