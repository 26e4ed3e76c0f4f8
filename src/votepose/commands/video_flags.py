"""The options of `votepose predict` for videos."""

from __future__ import annotations

from dataclasses import dataclass, fields

from votepose.errors import VoteposeError
from votepose.video.part import Part, parse_time
from votepose.video.predict import VideoOptions
from votepose.visualization.draw import Style


@dataclass(frozen=True)
class VideoFlags:
    """Options for videos and live streams."""

    no_track: bool = False
    """Do not track people: the results have no ids."""
    no_cuts: bool = False
    """Let ids continue across cuts. Default: each scene has its own ids."""
    smooth: bool = False
    """Smooth the keypoints with a One-Euro filter."""
    realtime: bool = False
    """Process only the newest frame: drop frames rather than lag behind. A video file plays at its own speed."""
    max_frames: int | None = None
    """Stop after this many frames. Default: at the end, or on Ctrl-C."""
    every: int = 1
    """Process every Nth frame only."""
    start: str | None = None
    """Start at this time: seconds, m:ss or h:mm:ss, such as 90, 1:30 or 0:01:30.5."""
    end: str | None = None
    """Stop at this time."""
    follow: int | None = None
    """Id of a person: also write follow/NAME-ID.mp4, a square, silent clip that follows them."""
    show: bool = False
    """Show the drawing in a window during the run. q, Esc or closing the window stops the run and keeps its results."""
    as_video: float | None = None
    """Treat a folder's images as one video with this many frames per second. Also sets the frame rate of
    frame_%06d.png, 25 by default."""
    video_codec: str | None = None
    """FFmpeg encoder for drawn videos, such as libx264. Default: one that suits the source, but never x264."""

    @property
    def part(self) -> Part:
        """The frames to process.

        Raises:
            VoteposeError: if a time is invalid, or no frame can match.
        """
        start = 0.0 if self.start is None else parse_time(self.start, "--start")
        end = None if self.end is None else parse_time(self.end, "--end")
        if self.every < 1:
            raise VoteposeError(f"--every should be at least 1, but is {self.every}")
        if end is not None and end <= start:
            raise VoteposeError(f"--end {self.end}: should be later than the start, {self.start or 0}")
        return Part(self.every, start, end)

    @property
    def given(self) -> list[str]:
        """The names of the options that were given."""
        return [x.name.replace("_", "-") for x in fields(self) if getattr(self, x.name) != x.default]

    def options(self, max_people: int | None, workers: int, style: Style) -> VideoOptions:
        """The options for processing a video."""
        return VideoOptions(
            track=not self.no_track,
            smooth=self.smooth,
            cuts=not self.no_cuts,
            max_people=max_people,
            workers=workers,
            realtime=self.realtime,
            max_frames=self.max_frames,
            style=style,
            part=self.part,
            rate=self.as_video,
        )

    def check(self) -> None:
        """Raise VoteposeError for contradictory options or a value out of range."""
        if self.no_track:
            for option, why in (("smooth", "smooths"), ("follow", "follows")):
                if getattr(self, option):
                    raise VoteposeError(f"--{option} {why} a track: leave out --no-track")
            if self.no_cuts:
                raise VoteposeError("--no-cuts has no effect with --no-track: leave out one of them")
        for option in ("max_frames", "follow"):
            if (value := getattr(self, option)) is not None and value < 1:
                raise VoteposeError(f"--{option.replace('_', '-')} should be at least 1, but is {value}")
        if self.as_video is not None and not 0 < self.as_video <= 1000:
            raise VoteposeError(f"--as-video should be frames per second, up to 1000, but is {self.as_video}")
        _ = self.part
