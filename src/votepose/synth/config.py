"""The options of `votepose synth`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from votepose.errors import VoteposeError
from votepose.synth.crowd import CrowdConfig


@dataclass(frozen=True)
class SynthConfig:
    """Generate pictures of people who never were, with exact keypoints, as a COCO-format folder."""

    out: Path
    """Folder for annotations.json and images-*.zip; made if missing. A stopped run goes on where it was."""
    count: int = 1000
    """Number of pictures."""
    seed: int = 0
    """The same seed and options give the same bytes."""
    size: int = 320
    """Longest side of the pictures, in pixels."""
    layouts: Path | None = None
    """A file of real pictures' keypoints and boxes (coco-layouts npz) to act anew: same people, places, overlap."""
    reenact: float = 0.75
    """Share of the pictures that act a layout anew, if there are layouts; the others are free crowds. In [0, 1]."""
    backgrounds: Path | None = None
    """Folder of pictures without people to put behind; by default scenes made of numbers."""
    people: tuple[int, int] = (1, 8)
    """Least and most people of a free crowd."""
    spacing: float = 0.5
    """Metres between people of a free crowd, at least."""
    occlusion: float | None = None
    """Share of those behind that others hide in a free crowd, 0 to 0.8; of one alone, what a thing hides."""
    props: float = 0.25
    """Share of the pictures with things in front of people, in [0, 1]."""
    sheet: int = 24
    """Pictures on the contact sheet (sheet.jpg, keypoints drawn); 0 for none."""
    workers: int | None = None
    """Processes; by default one a core."""
    device: str = "cpu"
    """What casts the rays: cpu, or cuda:0 where Warp finds it."""

    def __post_init__(self) -> None:
        for name, low, high in (("count", 1, 10_000_000), ("seed", 0, 2**63 - 1), ("size", 64, 2048),
                                ("reenact", 0, 1), ("props", 0, 1), ("sheet", 0, 400)):  # fmt: skip
            value = getattr(self, name)
            if not low <= value <= high:
                raise VoteposeError(f"{name} should be {low} to {high}, but is {value}")
        if self.workers is not None and not 1 <= self.workers <= 256:
            raise VoteposeError(f"workers should be 1 to 256, but is {self.workers}")
        self.crowd  # noqa: B018 - its own check of the dials

    @property
    def crowd(self) -> CrowdConfig:
        """The dials of the free crowds."""
        return CrowdConfig(self.people, self.spacing, self.occlusion)

    def content(self) -> dict[str, Any]:
        """The options that the pictures depend on, as written into the json."""
        apart = ("out", "count", "sheet", "workers", "device")
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items() if k not in apart}
