"""Finds every person's pose in an image in one pass: each cell of the feature map votes for a whole body.

import votepose

model = votepose.load()
poses = model("photo.jpg", score_threshold=0.5)  # or an array; bgr=True for one from OpenCV
poses[0]["left_wrist"]  # x, y
poses.save("drawn.jpg")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from votepose.version import __version__

if TYPE_CHECKING:
    from votepose.errors import VoteposeError
    from votepose.poses import Pose, Poses
    from votepose.predictor import Predictor, load
    from votepose.skeleton import COCO_17, Skeleton
    from votepose.visualization.draw import Style, draw
    from votepose.visualization.image_poses import ImagePoses

__all__ = [
    "COCO_17",
    "ImagePoses",
    "Pose",
    "Poses",
    "Predictor",
    "Skeleton",
    "Style",
    "VoteposeError",
    "__version__",
    "draw",
    "load",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that `import votepose` alone is fast."""
    homes = {
        "COCO_17": "skeleton",
        "ImagePoses": "visualization.image_poses",
        "Pose": "poses",
        "Poses": "poses",
        "Predictor": "predictor",
        "Skeleton": "skeleton",
        "Style": "visualization.draw",
        "VoteposeError": "errors",
        "draw": "visualization.draw",
        "load": "predictor",
    }
    if name not in homes:
        raise AttributeError(f"module 'votepose' has no attribute {name!r}")
    return getattr(importlib.import_module(f"votepose.{homes[name]}"), name)


def __dir__() -> list[str]:
    """The public names, for tab completion."""
    return __all__
