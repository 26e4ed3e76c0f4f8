"""Every person's pose in a photo, in one pass: each cell votes for a whole body."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from votepose.version import __version__

if TYPE_CHECKING:
    from votepose.poses import Poses
    from votepose.predictor import load
    from votepose.skeleton import COCO_17, Skeleton

__all__ = ["COCO_17", "Poses", "Skeleton", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that `import votepose` alone is fast."""
    homes = {"load": "predictor", "Poses": "poses", "Skeleton": "skeleton", "COCO_17": "skeleton"}
    if name not in homes:
        raise AttributeError(f"module 'votepose' has no attribute {name!r}")
    return getattr(importlib.import_module(f"votepose.{homes[name]}"), name)
