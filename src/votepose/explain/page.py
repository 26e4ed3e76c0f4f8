"""`Evidence` as one HTML file that needs nothing else: no network, no build step, opens in any browser."""

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
from votepose.explain.evidence import Evidence
from votepose.grouping import joint_confidences
from votepose.oks import body_sizes
from votepose.visualization.colormap import heat_colours
from votepose.visualization.draw import PALETTE, person_colours

_LONGEST = 1400  # pixels of the picture in the page
_SCRIPTS = ("votes", "stage", "looking", "words", "agreement", "hands")  # one script in six files; the last begins it


def to_page(evidence: Evidence) -> str:
    """The page as text: picture, presence, votes, groups, and how far any two votes are from agreeing."""
    # inside a script element only "</" and "<!--" could end the data early
    data = json.dumps(_data(evidence), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    page = _asset("page.html")
    script = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    parts = {"title": html.escape(evidence.name), "style": _asset("page.css"), "script": script, "data": data}
    for name, text in parts.items():  # the data last: what it holds is not looked through for further places
        page = page.replace(f"<!--{name}-->", text)
    return page


def _asset(name: str) -> str:
    return resources.files("votepose.explain").joinpath("assets", name).read_text(encoding="utf-8")


def _data(evidence: Evidence) -> dict[str, Any]:
    """What the script reads. Votes are in the order of `Evidence`: strongest first."""
    height, width = evidence.image.shape[:2]
    skeleton, config = evidence.poses.skeleton, evidence.config
    rows, columns = evidence.presence.shape
    return {
        "name": evidence.name,
        "summary": evidence.summary().removeprefix(f"{evidence.name}: "),
        "version": __version__,
        "size": [width, height],
        "picture": _picture(evidence.image),
        "map": {
            "size": [columns, rows],
            "cell": evidence.cell,
            "heat": _png(heat_colours(evidence.presence)),
            "values": _floats(evidence.presence),
        },
        "joints": list(skeleton.names),
        "links": [list(link) for link in skeleton.links],
        "palette": [_hex(colour) for colour in PALETTE],
        "people": _people(evidence),
        "votes": _votes(evidence),
        "groups": [{"leader": g.leader, "person": g.person, "fate": g.fate} for g in evidence.groups],
        "distances": _floats(evidence.distances),
        "grouping": {
            "rule": config.rule,
            "threshold": config.threshold,
            "unit": evidence.unit,
            "peaks": config.peaks,
            "presence": float(config.presence_threshold),
            "score": evidence.score_threshold,
        },
    }


def _people(evidence: Evidence) -> list[dict[str, Any]]:
    poses = evidence.poses
    colours = [_hex(colour) for colour in PALETTE[person_colours(poses)]]
    rows = zip(poses, colours, evidence.shown.tolist(), strict=True)
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


def _votes(evidence: Evidence) -> list[dict[str, Any]]:
    votes, cell = evidence.votes, float(np.mean(evidence.cell))
    sizes = body_sizes(votes / cell) * cell if len(votes) else np.zeros(0)
    sure = joint_confidences(np.log(evidence.scales), sizes, evidence.poses.skeleton.kappas)
    return [
        {
            "cell": _round(evidence.cells[k], 1),
            "pose": _round(votes[k], 2),
            "scales": _round(evidence.scales[k], 3),
            "sure": _round(sure[k], 3),
            "size": round(float(sizes[k]), 2),
            "presence": float(evidence.likelihoods[k]),
            "strength": float(evidence.strengths[k]),
            "person": int(evidence.person[k]),
            "follows": int(evidence.follows[k]),
            "leads": int(evidence.leads[k]),
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
