"""Parses the values in a COCO json, in any unambiguous form that exporters write."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from votepose.data.remarks import Remark
from votepose.skeleton import BODY_SHARE

_WORDS = {"true": True, "yes": True, "false": False, "no": False}
_MISSING = ("", "null", "none", "nan")
_WHOLE = re.compile(r"\s*([+-]?\d+)(?:\.0*)?\s*", re.ASCII)
_SLIMMEST = 0.25  # minimum ratio of a body box's sides, as joints on a line do not mean a thin body
_POINT = 2.0  # in pixels: joints this close together do not determine the body's size


def number(value: Any) -> float:
    """A value as a number: 3, 3.0 and "3" are equal; NaN if it is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def missing(value: Any) -> bool:
    """Whether a value is null, or what table software makes of null."""
    if isinstance(value, str):
        return value.strip().lower() in _MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


def identity(value: Any) -> int | str | None:
    """A canonical form of an id: the same for 3, 3.0, "3" and "3.0"; None if it is not an id."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(whole[1]) if (whole := _WHOLE.fullmatch(value)) else value.strip()
    return value


def as_written(value: Any) -> int | str:
    """An id as written in the json, so that results can be compared with it; whole floats become integers."""
    return value if isinstance(value, int | str) else int(value)


def flag(value: Any) -> bool | None:
    """The truth of a value such as 0, "1", "false", None or True; None if it is neither true nor false."""
    if missing(value) or isinstance(value, bool):
        return value is True
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    found = number(value)
    return {0.0: False, 1.0: True}.get(found)


def keypoints(values: Any, count: int) -> tuple[np.ndarray, Remark | None]:
    """(count, 3) float64 keypoints, 0 where not labelled or unusable, and a remark on unusable ones."""
    points = np.zeros((count, 3))
    if values is None or (isinstance(values, list) and not values):
        return points, None
    if isinstance(values, list) and all(isinstance(joint, list) and len(joint) == 3 for joint in values):
        values = [value for joint in values for value in joint]
    if not isinstance(values, list) or len(values) != 3 * count:
        lengths = len(values) if isinstance(values, list) else "no"
        wanted = f"instead of {3 * count}"
        return points, Remark(f"an annotation has {lengths} keypoint numbers {wanted}; ignored region")
    points = _numbers(values).reshape(count, 3)
    broken = ~np.isfinite(points).all(axis=1)
    wrong = any(not _unlabelled(*values[3 * k : 3 * k + 3]) for k in np.flatnonzero(broken))
    points[broken] = 0
    return points, Remark("an annotation has keypoints that are not numbers; taken as unlabelled") if wrong else None


def _unlabelled(x: Any, y: Any, v: Any) -> bool:
    """Whether a joint is marked as not labelled."""
    return number(v) <= 0 or (missing(v) and all(missing(value) or number(value) == 0 for value in (x, y)))


def _numbers(values: list[Any]) -> np.ndarray:
    """The `number` of each value, float64."""
    if all(type(value) is float or (type(value) is int and abs(value) < 2**53) for value in values):
        return np.array(values, float)  # much faster
    return np.array([number(value) for value in values])


def box(values: Any) -> tuple[np.ndarray | None, Remark | None]:
    """(4,) x, y, and positive width and height; None if there is no such box, and a remark if it is invalid."""
    if values is None or (isinstance(values, list) and not values):
        return None, None
    found = _numbers(values) if isinstance(values, list) else np.zeros(0)
    if found.shape != (4,) or not np.isfinite(found).all():
        return None, Remark("an annotation's box is not four numbers; left out")
    if (found[2:] < 0).any():
        return None, Remark("an annotation's box has a negative side; left out")
    return (found if (found[2:] > 0).all() else None), None


def area(value: Any) -> tuple[float | None, Remark | None]:
    """A positive area in square pixels; None if there is none, and a remark if it is invalid."""
    found = number(value)
    if value is None or value == "" or found == 0:
        return None, None
    if not 0 < found < math.inf:
        return None, Remark(f"an annotation's area is {value!r}; taken from its box", adjusted=True)
    return found, None


def hull(points: np.ndarray) -> np.ndarray | None:
    """The box (x, y, width, height) of labelled joints (n, 2); None if they coincide.

    The shorter side is at least `_SLIMMEST` of the longer, since a body has width even if its joints lie on a line.
    """
    if not len(points) or np.ptp(points, axis=0).max() <= _POINT:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    sides = np.maximum(high - low, _SLIMMEST * (high - low).max())
    return np.concatenate([(low + high - sides) / 2, sides])


def square(points: np.ndarray, body_area: float) -> np.ndarray:
    """The square box (x, y, width, height) of that area around coinciding joints (n, 2)."""
    side = math.sqrt(body_area / BODY_SHARE)
    return np.array([*(points.mean(axis=0) - side / 2), side, side])
