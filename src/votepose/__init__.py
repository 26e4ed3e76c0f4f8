"""votepose: every person's pose in a photo, in one pass: each cell votes for a whole body."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from votepose.poses import Poses
    from votepose.predictor import load
    from votepose.skeleton import COCO_17, Skeleton

__version__ = "0.1.0"
__all__ = ["COCO_17", "Poses", "Skeleton", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562): `import votepose` alone costs nothing."""
    homes = {"load": "predictor", "Poses": "poses", "Skeleton": "skeleton", "COCO_17": "skeleton"}
    if name not in homes:
        raise AttributeError(f"module 'votepose' has no attribute {name!r}")
    return getattr(importlib.import_module(f"votepose.{homes[name]}"), name)
