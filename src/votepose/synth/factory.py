"""Creates blocks of scenes in the worker processes of `generate.py`."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import numpy as np
import torch
import warp
from PIL import Image

from votepose.synth import rays
from votepose.synth._warp import check_device
from votepose.synth.backgrounds import Backgrounds
from votepose.synth.body import Body
from votepose.synth.cast import Cast
from votepose.synth.config import SynthConfig
from votepose.synth.crowd import crowd
from votepose.synth.layouts import Layout, Layouts
from votepose.synth.pose_library import PoseLibrary
from votepose.synth.reenact import reenact
from votepose.synth.shards import Scene
from votepose.synth.studio import Studio

_ASPECTS = (4 / 3, 3 / 4, 4 / 3, 3 / 2, 2 / 3, 1.0, 16 / 9)
_JPEG_QUALITY = 92


def make_block(config: SynthConfig, backgrounds: Backgrounds | None, first: int, last: int) -> list[Scene]:
    """Create scenes first .. last - 1, in a worker process."""
    equipment = _equipment(config, backgrounds)
    rngs = [np.random.default_rng((config.seed, index)) for index in range(first, last)]
    acted: dict[int, Layout] = {}
    for place, rng in enumerate(rngs):
        if equipment.layouts is not None and rng.random() < config.reenact:
            acted[place] = equipment.layouts[int(rng.integers(len(equipment.layouts)))].scaled(config.size)
    acted = {place: layout for place, layout in acted.items() if len(layout)}
    casts = dict(zip(acted, reenact(equipment.body, list(acted.values()), [rngs[p] for p in acted]), strict=True))
    scenes = []
    for place, rng in enumerate(rngs):
        cast = casts.get(place) or equipment.crowd(config, rng)
        shot = equipment.studio.shoot(cast, rng, _cover(config, len(cast), place in casts, rng))
        file = io.BytesIO()
        Image.fromarray(shot.image).save(file, "jpeg", quality=_JPEG_QUALITY)
        scenes.append(Scene(first + place, shot.image.shape[1], shot.image.shape[0], file.getvalue(), shot.annotations))
    return scenes


def _cover(config: SynthConfig, people: int, acted: bool, rng: np.random.Generator) -> float | None:
    """Share of the nearest person that an object hides; 0 if `occlusion` is set and others can hide people."""
    if config.occlusion is None or acted:
        return None
    return config.occlusion if people == 1 else 0.0


@dataclass(frozen=True)
class _Equipment:
    """The objects that a process needs to create scenes."""

    body: Body
    poses: PoseLibrary
    layouts: Layouts | None
    studio: Studio

    def crowd(self, config: SynthConfig, rng: np.random.Generator) -> Cast:
        aspect = float(rng.choice(_ASPECTS))
        width, height = (round(config.size * min(1, side)) for side in (aspect, 1 / aspect))
        return crowd(self.body, self.poses, width, height, config.crowd, rng)


@functools.cache
def _equipment(config: SynthConfig, backgrounds: Backgrounds | None) -> _Equipment:
    """The equipment, created once per process."""
    torch.set_num_threads(1)  # processes share the cores, and results must not depend on the number of threads
    layouts = Layouts.load(config.layouts) if config.layouts else None
    body = Body()
    return _Equipment(body, PoseLibrary.load(), layouts, Studio(body, backgrounds, config.props, device=config.device))


def prepare(config: SynthConfig) -> Backgrounds | None:
    """Check the options and fill the machine's caches before any process starts.

    Raises:
        VoteposeError: if the device, the layouts or the backgrounds cannot be used.
    """
    check_device(config.device)
    if config.layouts:
        Layouts.load(config.layouts)
    backgrounds = Backgrounds.from_folder(config.backgrounds) if config.backgrounds else None
    for line in backgrounds.left_out[:5] if backgrounds else ():
        print(f"{config.backgrounds}: {line}")
    Body()  # fills anny's cache, which takes a minute the first time
    warp.load_module(rays, device=config.device)  # compiled the first time
    return backgrounds
