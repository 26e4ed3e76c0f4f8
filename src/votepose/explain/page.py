"""Renders an `Explanation` as a single self-contained HTML file."""

from __future__ import annotations

import base64
import html
import io
import json
from importlib import resources
from typing import Any

import numpy as np
from PIL import Image

from votepose import __version__
from votepose.explain.explanation import Explanation
from votepose.grouping import joint_confidences
from votepose.oks import body_sizes
from votepose.visualization.colormap import heat_colours
from votepose.visualization.draw import PALETTE, person_colours

_LONGEST = 1400  # longest side of the embedded image, in pixels
_SCRIPTS = (
    "votes",
    "stage",
    "selection",
    "text",
    "agreement",
    "controls",
)  # one script in six files; the last one starts it


def to_page(explanation: Explanation) -> str:
    """The page as text: image, presence, votes, groups, and the distance of every pair of votes."""
    # inside a script element, only "</" and "<!--" could end the data early
    data = json.dumps(_data(explanation), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    page = _asset("page.html")
    script = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    parts = {"title": html.escape(explanation.name), "style": _asset("page.css"), "script": script, "data": data}
    for name, text in parts.items():  # the data comes last, so that nothing in it is replaced
        page = page.replace(f"<!--{name}-->", text)
    return page


def _asset(name: str) -> str:
    return resources.files("votepose.explain").joinpath("assets", name).read_text(encoding="utf-8")


def _data(explanation: Explanation) -> dict[str, Any]:
    """The data for the script. Votes are in the order of `Explanation`, strongest first."""
    height, width = explanation.image.shape[:2]
    skeleton, config = explanation.poses.skeleton, explanation.config
    rows, columns = explanation.presence.shape
    return {
        "name": explanation.name,
        "summary": explanation.summary().removeprefix(f"{explanation.name}: "),
        "version": __version__,
        "size": [width, height],
        "picture": _picture(explanation.image),
        "map": {
            "size": [columns, rows],
            "cell": explanation.cell,
            "heat": _png(heat_colours(explanation.presence)),
            "values": _floats(explanation.presence),
        },
        "joints": list(skeleton.names),
        "links": [list(link) for link in skeleton.links],
        "palette": [_hex(colour) for colour in PALETTE],
        "people": _people(explanation),
        "votes": _votes(explanation),
        "groups": [{"leader": g.leader, "person": g.person, "outcome": g.outcome} for g in explanation.groups],
        "distances": _floats(explanation.distances),
        "grouping": {
            "rule": config.rule,
            "threshold": config.threshold,
            "unit": explanation.unit,
            "peaks": config.peaks,
            "candidates": config.candidates,
            "focus": explanation.focus,
            "presence": float(config.presence_threshold),
            "score": explanation.score_threshold,
        },
    }


def _people(explanation: Explanation) -> list[dict[str, Any]]:
    poses = explanation.poses
    colours = [_hex(colour) for colour in PALETTE[person_colours(poses)]]
    rows = zip(poses, colours, explanation.shown.tolist(), strict=True)
    return [
        {
            "pose": _round(pose.keypoints, 1),
            "seen": pose.seen.tolist(),
            "score": round(pose.score, 3),
            "colour": colour,
            "shown": shown,
        }
        for pose, colour, shown in rows
    ]


def _votes(explanation: Explanation) -> list[dict[str, Any]]:
    votes, cell = explanation.votes, float(np.mean(explanation.cell))
    sizes = body_sizes(votes / cell) * cell if len(votes) else np.zeros(0)
    confidences = joint_confidences(np.log(explanation.scales), sizes, explanation.poses.skeleton.kappas)
    return [
        {
            "cell": _round(explanation.cells[k], 1),
            "pose": _round(votes[k], 2),
            "scales": _round(explanation.scales[k], 3),
            "sure": _round(confidences[k], 3),
            "size": round(float(sizes[k]), 2),
            "presence": float(explanation.likelihoods[k]),
            "strength": float(explanation.strengths[k]),
            "person": int(explanation.person[k]),
            "follows": int(explanation.follows[k]),
            "leads": int(explanation.leads[k]),
        }
        for k in range(len(votes))
    ]


def _picture(image: np.ndarray) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=86)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _png(colours: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(colours).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _floats(array: np.ndarray) -> str:
    return base64.b64encode(array.astype("<f4").tobytes()).decode()


def _round(array: np.ndarray, digits: int) -> Any:
    return np.asarray(array, np.float64).round(digits).tolist()


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{int(v):02x}" for v in colour)
