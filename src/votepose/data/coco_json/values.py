"""The values of a COCO json's entries, however exporters write them: what can be meant in one way only is read."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from votepose.skeleton import BODY_SHARE

_WORDS = {"true": True, "yes": True, "false": False, "no": False}
_MISSING = ("", "null", "none", "nan")
_WHOLE = re.compile(r"\s*([+-]?\d+)(?:\.0*)?\s*", re.ASCII)
_SLIMMEST = 0.25  # shorter side of a body's box over its longer side: joints on a line do not make a thin body
_POINT = 2.0  # pixels: joints that lie this close together say nothing about the body's size


def number(value: Any) -> float:
    """The number that a value stands for: 3, 3.0 and "3" are one; NaN where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def missing(value: Any) -> bool:
    """Whether a value stands for nothing: null, and what tables make of it."""
    if isinstance(value, str):
        return value.strip().lower() in _MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


def identity(value: Any) -> int | str | None:
    """What two ids share if they are the same: 3, 3.0, "3" and "3.0" are; None for what is no id."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(whole[1]) if (whole := _WHOLE.fullmatch(value)) else value.strip()
    return value


def as_written(value: Any) -> int | str:
    """An id as the json has it, so that results can be compared with that json; whole floats become integers."""
    return value if isinstance(value, int | str) else int(value)


def flag(value: Any) -> bool | None:
    """Whether a value such as 0, "1", "false", None or True is true; None where it is neither."""
    if missing(value) or isinstance(value, bool):
        return value is True
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    found = number(value)
    return {0.0: False, 1.0: True}.get(found)


def keypoints(values: Any, count: int) -> tuple[np.ndarray, str]:
    """(count, 3) float64 keypoints, all 0 where they are not labelled or cannot be used, and a remark on the latter."""
    points = np.zeros((count, 3))
    if values is None or (isinstance(values, list) and not values):
        return points, ""
    if isinstance(values, list) and all(isinstance(joint, list) and len(joint) == 3 for joint in values):
        values = [value for joint in values for value in joint]
    if not isinstance(values, list) or len(values) != 3 * count:
        lengths = len(values) if isinstance(values, list) else "no"
        return points, f"an annotation has {lengths} keypoint numbers instead of {3 * count}; ignored region"
    points = _numbers(values).reshape(count, 3)
    broken = ~np.isfinite(points).all(axis=1)
    wrong = any(not _unlabelled(*values[3 * k : 3 * k + 3]) for k in np.flatnonzero(broken))
    points[broken] = 0
    return points, "an annotation has keypoints that are no numbers; taken as unlabelled" if wrong else ""


def _unlabelled(x: Any, y: Any, v: Any) -> bool:
    """Whether a json says of a joint that it is not labelled."""
    return number(v) <= 0 or (missing(v) and all(missing(value) or number(value) == 0 for value in (x, y)))


def _numbers(values: list[Any]) -> np.ndarray:
    """The `number` of each value, float64."""
    if all(type(value) is float or (type(value) is int and abs(value) < 2**53) for value in values):
        return np.array(values, float)  # much faster
    return np.array([number(value) for value in values])


def box(values: Any) -> tuple[np.ndarray | None, str]:
    """(4,) x, y, width and height, both over 0; None where a json has no such box, and a remark if it is wrong."""
    if values is None or (isinstance(values, list) and not values):
        return None, ""
    found = _numbers(values) if isinstance(values, list) else np.zeros(0)
    if found.shape != (4,) or not np.isfinite(found).all():
        return None, "an annotation's box is not four numbers; left out"
    if (found[2:] < 0).any():
        return None, "an annotation's box has a negative side; left out"
    return (found if (found[2:] > 0).all() else None), ""


def area(value: Any) -> tuple[float | None, str]:
    """Square pixels, over 0; None where a json does not say, and a remark if what it says is wrong."""
    found = number(value)
    if value is None or value == "" or found == 0:
        return None, ""
    if not 0 < found < math.inf:
        return None, f"an annotation's area is {value!r}; taken from its box"
    return found, ""


def hull(points: np.ndarray) -> np.ndarray | None:
    """The box (x, y, width, height) of labelled joints (n, 2); None where they lie at one place.

    A body is not as thin as joints on a line are, so that the shorter side is at least `_SLIMMEST` of the longer.
    """
    if not len(points) or np.ptp(points, axis=0).max() <= _POINT:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    sides = np.maximum(high - low, _SLIMMEST * (high - low).max())
    return np.concatenate([(low + high - sides) / 2, sides])


def square(points: np.ndarray, body_area: float) -> np.ndarray:
    """The box (x, y, width, height) around joints (n, 2) at one place of a body of that area."""
    side = math.sqrt(body_area / BODY_SHARE)
    return np.array([*(points.mean(axis=0) - side / 2), side, side])
