"""`Evidence` as one picture of four panels: presence, votes and whom they follow, people, and agreement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from votepose.explain.evidence import Evidence
from votepose.visualization.colormap import heat_colours
from votepose.visualization.draw import PALETTE, draw, person_colours

_PANEL = 760  # pixels, the longest side of a panel's picture
_SMOOTH = 2  # lines and discs are drawn this many times larger, then scaled down
_MARGIN, _HEAD = 28, 54
_GROUND, _INK, _SOFT = (250, 249, 246), (29, 32, 37), (107, 112, 120)
_AGREE, _APART, _LOST = (11, 110, 95), (233, 230, 222), (154, 160, 168)


@dataclass(frozen=True)
class _Panel:
    picture: Image.Image
    title: str
    note: str


def draw_sheet(evidence: Evidence) -> Image.Image:
    """Two rows of two panels, RGB, at most about 1,600 pixels wide."""
    panels = (_presence(evidence), _votes(evidence), _people(evidence), _agreement(evidence))
    width, height = (max(panel.picture.size[axis] for panel in panels) for axis in (0, 1))
    size = 2 * width + 3 * _MARGIN, 2 * (height + _HEAD) + 3 * _MARGIN
    sheet = Image.new("RGB", size, _GROUND)
    pen = ImageDraw.Draw(sheet)
    for place, panel in enumerate(panels):
        x = _MARGIN + (place % 2) * (width + _MARGIN)
        y = _MARGIN + (place // 2) * (height + _HEAD + _MARGIN)
        pen.text((x, y), panel.title, font=ImageFont.load_default(22), fill=_INK)
        pen.text((x, y + 28), panel.note, font=ImageFont.load_default(15), fill=_SOFT)
        sheet.paste(panel.picture, (x, y + _HEAD))
    return sheet


def group_colours(evidence: Evidence) -> dict[int, tuple[int, int, int]]:
    """Colour of each group by its leader: its person's, as `draw` has it; grey where `predict` shows nobody."""
    worn = PALETTE[person_colours(evidence.poses)].astype(int).tolist()
    shown = evidence.shown
    return {g.leader: tuple(worn[g.person]) if g.person >= 0 and shown[g.person] else _LOST for g in evidence.groups}


def _backdrop(evidence: Evidence, brightness: float) -> tuple[Image.Image, float]:
    """The picture, grey and dimmed, as large as a panel; and panel pixels per image pixel."""
    image = Image.fromarray(evidence.image)
    scale = _PANEL / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    grey = image.resize(size, Image.Resampling.LANCZOS).convert("L").point(lambda v: v * brightness)
    return grey.convert("RGB"), scale


def _presence(evidence: Evidence) -> _Panel:
    panel, scale = _backdrop(evidence, 0.55)
    rows, columns = evidence.presence.shape
    size = max(1, round(columns * evidence.cell[0] * scale)), max(1, round(rows * evidence.cell[1] * scale))
    heat = Image.fromarray(heat_colours(evidence.presence)).resize(size, Image.Resampling.NEAREST)
    panel.paste(heat, mask=heat.getchannel("A"))
    threshold = float(evidence.config.presence_threshold)
    return _Panel(panel, "1  Presence", f"Is there a joint in this cell? From {threshold:g} on it may vote.")


def _votes(evidence: Evidence) -> _Panel:
    panel, scale = _backdrop(evidence, 0.6)
    large = panel.resize((panel.width * _SMOOTH, panel.height * _SMOOTH), Image.Resampling.BILINEAR)
    pen, colours = ImageDraw.Draw(large), group_colours(evidence)
    places = evidence.cells * scale * _SMOOTH
    for k in reversed(range(len(places))):  # the strongest last, on top
        (x, y), (to_x, to_y) = places[k].tolist(), places[evidence.follows[k]].tolist()
        pen.line([x, y, to_x, to_y], fill=colours[int(evidence.leads[k])], width=2 * _SMOOTH)
    for k in reversed(range(len(places))):
        (x, y), radius = places[k].tolist(), (3 + 4 * float(evidence.likelihoods[k])) * _SMOOTH
        leads = int(evidence.leads[k]) == k
        pen.ellipse(
            [x - radius, y - radius, x + radius, y + radius],
            fill=colours[int(evidence.leads[k])],
            outline=(255, 255, 255) if leads else (0, 0, 0),
            width=(2 if leads else 1) * _SMOOTH,
        )
    panel = large.resize(panel.size, Image.Resampling.LANCZOS)
    lost = " Grey: left out." if _LOST in colours.values() else ""
    return _Panel(
        panel, f"2  {len(places)} votes", f"Each follows the strongest that it agrees with; rings lead.{lost}"
    )


def _people(evidence: Evidence) -> _Panel:
    # drawn on the whole picture: limbs are as wide as `predict` would make them
    drawn = draw(evidence.image, evidence.poses[evidence.shown])
    panel, _ = _backdrop(evidence, 1)
    found = int(evidence.shown.sum())
    note = f"Pooled votes, looked at again. Scores from {evidence.score_threshold:g}; dashed: inferred."
    return _Panel(
        drawn.resize(panel.size, Image.Resampling.LANCZOS), f"3  {found} {'person' if found == 1 else 'people'}", note
    )


def _agreement(evidence: Evidence) -> _Panel:
    height, width = evidence.image.shape[:2]
    side = max(_PANEL * min(height, width) // max(height, width), _PANEL * 3 // 5)
    title = "4  Agreement"
    if not len(evidence.votes):
        return _Panel(Image.new("RGB", (side, side), _APART), title, "Nobody voted.")
    order = np.array([k for g in evidence.groups for k in g.members])
    threshold = evidence.config.threshold
    share = evidence.distances[np.ix_(order, order)] / threshold
    tint = np.where(share < 1, 1 - 0.55 * share, 0.3 * np.exp(1 - np.maximum(share, 1)))[..., None]
    pixels = np.array(_APART) + (np.array(_AGREE) - np.array(_APART)) * tint
    matrix = Image.fromarray(np.rint(pixels).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    pen, start, colours = ImageDraw.Draw(matrix), 0.0, group_colours(evidence)
    for g in evidence.groups:
        end = start + len(g.members) * side / len(order)
        pen.rectangle([start, start, end - 1, end - 1], outline=colours[g.leader], width=3)
        start = end
    return _Panel(matrix, title, f"Every two votes, by group. Dark: closer than {threshold:g} {evidence.unit}.")
