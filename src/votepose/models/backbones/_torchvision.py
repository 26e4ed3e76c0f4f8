"""Makes torchvision importable where its compiled operators are not: timm needs the import, votepose no operator.

torchvision's wheel from PyPI is compiled against the CUDA build of torch. Beside a CPU-only torch its library does not
load, and the import stops at "operator torchvision::nms does not exist", since torchvision describes operators that
are declared nowhere. Declaring them is all that is missing.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache

import torch

_SCHEMAS = tuple(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms"))


@cache  # torch forgets the declarations when the library object dies: the cache keeps it
def ensure_importable() -> torch.library.Library | None:
    """Import torchvision, declaring the missing operators where the plain import fails. To be called before timm's.

    Returns the library that holds the declarations, or None where none were needed.

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
        del sys.modules[name]  # half-initialised modules that the retry would take for whole ones
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    importlib.import_module("torchvision")
    return library
