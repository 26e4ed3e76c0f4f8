"""Makes torchvision importable if its compiled operators cannot be loaded; timm imports it, but votepose uses none.

torchvision's wheel on PyPI is compiled against the CUDA build of torch. With a CPU-only torch, its library does not
load, and the import fails with "operator torchvision::nms does not exist", since torchvision registers metadata for
operators that are not declared. Declaring them is enough.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache

import torch

_SCHEMAS = tuple(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms"))


@cache  # torch drops the declarations with the library object, so the cache keeps it
def ensure_importable() -> torch.library.Library | None:
    """Import torchvision, declaring the missing operators if the plain import fails. Call it before importing timm.

    Returns the library that holds the declarations, or None if none were needed.

    Raises:
        RuntimeError: if torchvision cannot be imported for another reason.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    else:
        return None
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # half-initialised modules, which would break the retry
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    importlib.import_module("torchvision")
    return library
