"""Renders a cast: dresses it, adds props, background and lights, traces rays, and applies camera effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from votepose.synth.backgrounds import Backgrounds, procedural
from votepose.synth.body import Body
from votepose.synth.camera_effects import CameraEffects, photograph
from votepose.synth.cast import Cast
from votepose.synth.dress import random_look
from votepose.synth.figures import Wardrobe
from votepose.synth.lights import random_light
from votepose.synth.props import random_prop
from votepose.synth.render import Renderer
from votepose.synth.stage import Stage
from votepose.synth.truth import annotate


@dataclass(frozen=True)
class Shot:
    """An image, (H, W, 3) uint8 sRGB, and the COCO annotations of its people (without ids)."""

    image: np.ndarray
    annotations: list[dict[str, Any]]


class Studio:
    """Turns casts into annotated images.

    Args:
        body: the body model.
        backgrounds: images without people; procedural scenes are used if None, and sometimes otherwise.
        props: share of scenes with objects in front of people.
        effects: camera effects.
        device: Warp device, such as "cpu" or "cuda:0".
    """

    def __init__(
        self,
        body: Body,
        backgrounds: Backgrounds | None = None,
        props: float = 0.25,
        effects: CameraEffects | None = None,
        device: str = "cpu",
    ) -> None:
        self._body, self._wardrobe = body, Wardrobe(body)
        self._backgrounds, self._props, self._device = backgrounds, props, device
        self._effects = effects or CameraEffects()

    def shoot(self, cast: Cast, rng: np.random.Generator, cover: float | None = None) -> Shot:
        """Render a cast.

        Args:
            cover: share of the nearest person to hide behind an object; None for random.
        """
        camera = cast.camera
        column = {name: k for k, name in enumerate(self._body.phenotypes)}
        looks = [random_look(rng, p[column["gender"]], p[column["age"]]) for p in cast.phenotypes]
        figures = self._wardrobe.figures(cast.shapes, cast.angles, cast.turns, cast.places, looks, cast.scales)
        things = self._things([figure.keypoints for figure in figures], cast, rng, cover)
        renderer = Renderer(Stage.join([*(figure.stage for figure in figures), *things]), self._device)
        behind = self._background(cast, rng)
        light = random_light(camera, behind, rng)
        seed = int(rng.integers(2**30))
        picture = renderer.picture(camera.width, camera.height, camera.focal, camera.centre, light, seed)
        cover_share = picture.cover[..., None]
        scene = behind * picture.shade[..., None] * (1 - cover_share) + picture.colour * cover_share
        sizes = cast.shapes.heights.numpy() / float(np.ptp(self._body.rest[:, 2])) * cast.scales
        annotations = annotate(figures, sizes, picture, renderer, camera)
        return Shot(photograph(scene.astype(np.float32), rng, self._effects), annotations)

    def _things(
        self, people: list[np.ndarray], cast: Cast, rng: np.random.Generator, cover: float | None
    ) -> list[Stage]:
        if cover is not None:
            foremost = min(people, key=lambda joints: float(joints[:, 2].mean()))
            return [random_prop(cast.camera, foremost, cover, rng)] if cover > 0 else []
        if rng.random() >= self._props:
            return []
        chosen = rng.choice(len(people), size=min(len(people), int(rng.integers(1, 3))), replace=False)
        return [
            random_prop(cast.camera, people[k], float(rng.uniform(0.1, 0.6)), rng)
            for k in chosen
            if people[k][:, 2].min() > 0.3
        ]

    def _background(self, cast: Cast, rng: np.random.Generator) -> np.ndarray:
        size = cast.camera.width, cast.camera.height
        if self._backgrounds is not None and rng.random() < 0.85:
            return self._backgrounds.sample(size, rng)
        return procedural(size, rng, cast.camera.horizon if rng.random() < 0.85 else None)
