"""The options of `votepose synth`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from votepose.errors import VoteposeError

_MAX_PEOPLE = 200


@dataclass(frozen=True)
class CrowdConfig:
    """The options of a free crowd.

    Attributes:
        people: minimum and maximum number of people.
        spacing: minimum distance between people's centres, in metres.
        occlusion: mean hidden share of people who stand behind others; None for random.
        size: range of the nearest person's height, as a fraction of the image's height.
    """

    people: tuple[int, int] = (1, 8)
    spacing: float = 0.5
    occlusion: float | None = None
    size: tuple[float, float] = (0.35, 1.1)

    def check(self) -> None:
        """Raise VoteposeError if an option is out of range."""
        if not 1 <= self.people[0] <= self.people[1] <= _MAX_PEOPLE:
            raise VoteposeError(f"--people should be a range within 1..{_MAX_PEOPLE}, but is {self.people}")
        if not 0.2 <= self.spacing <= 20:
            raise VoteposeError(f"--spacing should be 0.2 to 20 metres, but is {self.spacing:g}")
        if self.occlusion is not None and not 0 <= self.occlusion <= 0.8:
            raise VoteposeError(f"--occlusion should be in [0, 0.8], but is {self.occlusion:g}")
        if not 0.05 <= self.size[0] <= self.size[1] <= 3:
            raise VoteposeError(f"size should be a range of heights within 0.05..3, but is {self.size}")


@dataclass(frozen=True)
class SynthConfig:
    """Generate images of synthetic crowds with exact keypoints, as a COCO-format folder."""

    out: Path
    """Folder for annotations.json and images-*.zip. Created if missing. The same command resumes a stopped run."""
    count: int = 1000
    """Number of images."""
    seed: int = 0
    """Random seed; the same seed and options give identical files."""
    size: int = 320
    """Longest side of the images, in pixels."""
    layouts: Path | None = None
    """An .npz file of people in real images to re-enact, with the arrays width_height (P, 2), offset (P + 1,), box (M,
    4) and keypoints (M, 17, 3): image i has the people offset[i] up to offset[i + 1]."""
    reenact: float = 0.75
    """With --layouts, share of images that re-enact a layout, in [0, 1]; the others are free crowds."""
    backgrounds: Path | None = None
    """Folder of images without people to use as backgrounds. Default: procedural scenes."""
    people: tuple[int, int] = (1, 8)
    """Minimum and maximum number of people in a free crowd."""
    spacing: float = 0.5
    """Minimum distance between people in a free crowd, in metres."""
    occlusion: float | None = None
    """Mean hidden share of people behind others in a free crowd, 0 to 0.8. A single person is hidden by an object.
    Default: random."""
    props: float = 0.25
    """Share of images with objects in front of people, in [0, 1]."""
    sheet: int = 24
    """Number of images on the contact sheet (sheet.jpg, with keypoints drawn); 0 for no sheet."""
    workers: int | None = None
    """Number of processes. Default: one per core."""
    device: str = "cpu"
    """Device for ray tracing: cpu, or cuda:0 if Warp finds it."""

    def check(self) -> None:
        """Raise VoteposeError if an option is out of range."""
        for name, low, high in (
            ("count", 1, 10_000_000),
            ("seed", 0, 2**63 - 1),
            ("size", 64, 2048),
            ("reenact", 0, 1),
            ("props", 0, 1),
            ("sheet", 0, 400),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise VoteposeError(f"--{name} should be {low} to {high}, but is {value}")
        if self.workers is not None and not 1 <= self.workers <= 256:
            raise VoteposeError(f"--workers should be 1 to 256, but is {self.workers}")
        self.crowd.check()

    @property
    def crowd(self) -> CrowdConfig:
        """The options of the free crowds."""
        return CrowdConfig(self.people, self.spacing, self.occlusion)

    def content(self) -> dict[str, Any]:
        """The options that determine the images, as stored in the json."""
        apart = ("out", "count", "sheet", "workers", "device")
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items() if k not in apart}
