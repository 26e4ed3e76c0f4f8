"""Finds left-right pairs in keypoint names, which mirroring swaps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# How names mark left and right, the most reliable pattern first. A pair needs both names in the list, so the last
# patterns, single letters at the edge of a word, can be loose: RShoulder, lshoulder, earL, FL_paw (front left), RLPaw
# (rear left).
_SIDES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?i:left|right)|[左右]",
        r"(?i:lft|rgt)",
        r"(?<![A-Za-z])[lrLR](?![A-Za-z])",
        r"(?<![A-Za-z])[LR](?=[A-Z][a-z])|(?<=[a-z0-9])[LR](?![a-z])",
        r"(?<![A-Za-z])[lrLR](?=[A-Za-z])|(?<=[A-Za-z])[lrLR](?![A-Za-z])|(?<=[A-Z])[LR](?=[A-Z][a-z])",
    )
)
_CLEAR = re.compile(
    r"(?i:left|right)|[左右]|(?<![A-Za-z])[lrLR](?=[\W_])|(?<=[\W_])[lrLR](?![A-Za-z0-9])|^[LR](?=[A-Z][a-z])"
)
_OPPOSITE = {"left": "right", "lft": "rgt", "l": "r", "左": "右"}
_OPPOSITE |= {right: left for left, right in _OPPOSITE.items()}
_LEFT = ("left", "lft", "l", "左")


def pairs_by_name(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Pairs of left and right indices of names that differ only in their side."""
    index = {_folded(name): k for k, name in enumerate(names)} | {name: k for k, name in enumerate(names)}
    pairs: dict[int, int] = {}
    paired: set[int] = set()
    for pattern in _SIDES:
        for k, name in enumerate(names):
            for side, mirrored in _mirrored(name, pattern):
                other = index.get(mirrored, index.get(_folded(mirrored), k))
                if side == "left" and len({k, other} - paired) == 2:
                    pairs[k] = other
                    paired |= {k, other}
    return tuple(sorted(pairs.items()))


def names_a_side(name: str) -> bool:
    """Whether a name alone clearly marks one side."""
    return _CLEAR.search(name) is not None


def _mirrored(name: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Candidates (side, name with left and right swapped): swapped everywhere, then in one place."""
    found = list(pattern.finditer(name))
    for chosen in ([found] if len(found) > 1 else []) + [[match] for match in found]:
        mirrored = name
        for match in reversed(chosen):
            mirrored = mirrored[: match.start()] + _opposite(match[0]) + mirrored[match.end() :]
        yield ("left" if chosen[0][0].lower() in _LEFT else "right"), mirrored


def _opposite(side: str) -> str:
    other = _OPPOSITE[side.lower()]
    return other.upper() if side.isupper() else other.capitalize() if side[0].isupper() else other


def _folded(name: str) -> str:
    """A canonical form for names that differ only in spelling conventions."""
    return re.sub(r"[\W_]+", "_", name.lower())
