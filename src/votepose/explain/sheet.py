"""Draws an `Explanation` as a figure of four panels: presence, votes and links, people, and agreement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from votepose.explain.explanation import Explanation
from votepose.utils.wording import counted
from votepose.visualization.colormap import heat_colours
from votepose.visualization.draw import PALETTE, draw, person_colours

_PANEL = 760  # pixels, the longest side of a panel's image
_SMOOTH = 2  # lines and discs are drawn this many times larger, then scaled down
_MARGIN, _HEAD = 28, 54
_GROUND, _INK, _SOFT = (250, 249, 246), (29, 32, 37), (107, 112, 120)
_AGREE, _APART, _LOST = (11, 110, 95), (233, 230, 222), (154, 160, 168)


@dataclass(frozen=True)
class _Panel:
    picture: Image.Image
    title: str
    note: str


def draw_sheet(explanation: Explanation) -> Image.Image:
    """Two rows of two panels, RGB, at most about 1,600 pixels wide."""
    panels = (_presence(explanation), _votes(explanation), _people(explanation), _agreement(explanation))
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


def group_colours(explanation: Explanation) -> dict[int, tuple[int, int, int]]:
    """Colour of each group, by leader: that of its person in `draw`, or grey if `predict` shows no person."""
    worn = PALETTE[person_colours(explanation.poses)].astype(int).tolist()
    shown = explanation.shown
    return {g.leader: tuple(worn[g.person]) if g.person >= 0 and shown[g.person] else _LOST for g in explanation.groups}


def _backdrop(explanation: Explanation, brightness: float) -> tuple[Image.Image, float]:
    """The image at panel size, grey and dimmed, and the number of panel pixels per image pixel."""
    image = Image.fromarray(explanation.image)
    scale = _PANEL / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    grey = image.resize(size, Image.Resampling.LANCZOS).convert("L").point(lambda v: v * brightness)
    return grey.convert("RGB"), scale


def _presence(explanation: Explanation) -> _Panel:
    panel, scale = _backdrop(explanation, 0.55)
    rows, columns = explanation.presence.shape
    size = max(1, round(columns * explanation.cell[0] * scale)), max(1, round(rows * explanation.cell[1] * scale))
    heat = Image.fromarray(heat_colours(explanation.presence)).resize(size, Image.Resampling.NEAREST)
    panel.paste(heat, mask=heat.getchannel("A"))
    threshold = float(explanation.config.presence_threshold)
    return _Panel(panel, "1  Presence", f"Probability of a joint in each cell. Cells from {threshold:g} vote.")


def _votes(explanation: Explanation) -> _Panel:
    panel, scale = _backdrop(explanation, 0.6)
    large = panel.resize((panel.width * _SMOOTH, panel.height * _SMOOTH), Image.Resampling.BILINEAR)
    pen, colours = ImageDraw.Draw(large), group_colours(explanation)
    places = explanation.cells * scale * _SMOOTH
    for k in reversed(range(len(places))):  # strongest last, on top
        (x, y), (to_x, to_y) = places[k].tolist(), places[explanation.follows[k]].tolist()
        pen.line([x, y, to_x, to_y], fill=colours[int(explanation.leads[k])], width=2 * _SMOOTH)
    for k in reversed(range(len(places))):
        (x, y), radius = places[k].tolist(), (3 + 4 * float(explanation.likelihoods[k])) * _SMOOTH
        leads = int(explanation.leads[k]) == k
        pen.ellipse(
            [x - radius, y - radius, x + radius, y + radius],
            fill=colours[int(explanation.leads[k])],
            outline=(255, 255, 255) if leads else (0, 0, 0),
            width=(2 if leads else 1) * _SMOOTH,
        )
    panel = large.resize(panel.size, Image.Resampling.LANCZOS)
    lost = " Grey: left out." if _LOST in colours.values() else ""
    return _Panel(
        panel, f"2  {len(places)} votes", f"Each follows the strongest that it agrees with; leaders are ringed.{lost}"
    )


def _people(explanation: Explanation) -> _Panel:
    # drawn on the whole image, so that limbs are as wide as in `predict`
    drawn = draw(explanation.image, explanation.poses[explanation.shown])
    panel, _ = _backdrop(explanation, 1)
    found = counted(int(explanation.shown.sum()), "person", "people")
    note = f"Pooled votes, refined. Scores of {explanation.score_threshold:g} or more; dashed: inferred."
    return _Panel(drawn.resize(panel.size, Image.Resampling.LANCZOS), f"3  {found}", note)


def _agreement(explanation: Explanation) -> _Panel:
    height, width = explanation.image.shape[:2]
    side = max(_PANEL * min(height, width) // max(height, width), _PANEL * 3 // 5)
    title = "4  Agreement"
    if not len(explanation.votes):
        return _Panel(Image.new("RGB", (side, side), _APART), title, "No cell voted.")
    order = np.array([k for g in explanation.groups for k in g.members])
    threshold = explanation.config.threshold
    share = explanation.distances[np.ix_(order, order)] / threshold
    tint = np.where(share < 1, 1 - 0.55 * share, 0.3 * np.exp(1 - np.maximum(share, 1)))[..., None]
    pixels = np.array(_APART) + (np.array(_AGREE) - np.array(_APART)) * tint
    matrix = Image.fromarray(np.rint(pixels).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    pen, start, colours = ImageDraw.Draw(matrix), 0.0, group_colours(explanation)
    for g in explanation.groups:
        end = start + len(g.members) * side / len(order)
        pen.rectangle([start, start, end - 1, end - 1], outline=colours[g.leader], width=3)
        start = end
    return _Panel(matrix, title, f"Every pair of votes, by group. Dark: closer than {threshold:g} {explanation.unit}.")
