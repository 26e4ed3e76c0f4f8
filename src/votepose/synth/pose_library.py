"""Two thousand poses of real people for free crowds.

`poses.npz` was fitted by scripts/make_pose_library.py to keypoints of COCO train2017 (T.-Y. Lin et al., ECCV 2014;
annotations by the COCO Consortium, CC BY 4.0, https://cocodataset.org/#termsofuse). It holds joint angles only: no
images, and nothing that identifies a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from votepose.errors import VoteposeError
from votepose.synth.rig import LIMITS, mirror

KINDS = ("standing", "striding", "reaching", "bending", "sitting", "lying")
_JITTER = np.float32(np.radians(3))  # random change of each angle, so that no two people are equal
_MIRROR = np.diag([-1, 1, 1]).astype(np.float32)


@dataclass(frozen=True)
class PoseLibrary:
    """P natural poses.

    Attributes:
        angles: (P, D) float32 radians, of rig.HINGES.
        orientation: (P, 3, 3) float32: orientation of the hips above a level floor; rotate it about z for any
            direction.
        kind: (P,) int8 index into KINDS.
    """

    angles: np.ndarray
    orientation: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.angles)

    @classmethod
    def load(cls) -> PoseLibrary:
        """Load the bundled library."""
        with resources.files("votepose.synth").joinpath("poses.npz").open("rb") as file, np.load(file) as arrays:
            angles, turns, kind = (arrays[name] for name in ("angles", "orientation", "kind"))
        # Half-precision matrices are not exactly rotations: take the nearest ones.
        left, _, right = np.linalg.svd(turns.astype(np.float32))
        return cls(np.clip(angles.astype(np.float32), *LIMITS.T), left @ right, kind)

    def sample(
        self, count: int, rng: np.random.Generator, kinds: Sequence[str] = KINDS
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sample random poses, half of them mirrored, each slightly varied.

        Args:
            kinds: kinds to choose from.

        Returns:
            angles (count, D) within rig.LIMITS and orientation (count, 3, 3), float32.

        Raises:
            VoteposeError: if a kind is unknown, or no pose is of these kinds.
        """
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown:
            raise VoteposeError(f"no kind of pose {unknown[0]!r}: choose from {', '.join(KINDS)}")
        fitting = np.flatnonzero(np.isin(self.kind, [KINDS.index(kind) for kind in kinds]))
        if not len(fitting):
            raise VoteposeError(f"no pose is of kind {', '.join(kinds) or '(none given)'}")
        rows = rng.choice(fitting, count)
        mirrored = rng.random(count) < 0.5
        angles = np.where(mirrored[:, None], mirror(self.angles[rows]), self.angles[rows])
        angles = angles + _JITTER * rng.standard_normal(angles.shape, np.float32)
        turns = self.orientation[rows]
        turns = np.where(mirrored[:, None, None], _MIRROR @ turns @ _MIRROR, turns)
        return np.clip(angles, *LIMITS.T), turns
