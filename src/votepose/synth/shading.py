# mypy: ignore-errors
"""Surface colours of skin, hair and clothes with patterns, as functions for the ray tracing kernel.

Garments are cut by body coordinates (see `anatomy.py`) at each ray hit, so hems are sharp even on a coarse mesh.
"""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False})  # without gradients, compiling takes half the time

BODY, HAIR, HAT, SKIRT, BAG, PLAIN = range(6)  # parts of a person or prop, by triangle
PLAIN_CLOTH, STRIPES, HOOPS, CHECKS, DOTS, BLOTCHES, PANEL = range(7)  # patterns


@wp.struct
class Light:
    """The lights of a scene. Directions are unit vectors towards the light; colours are linear light."""

    direction: wp.vec3
    colour: wp.vec3
    softness: float
    fill_direction: wp.vec3
    fill: wp.vec3
    sky: wp.vec3
    bounce: wp.vec3
    ground_normal: wp.vec3
    ground_height: float
    shadow: float


@wp.struct
class Material:
    """The clothes and colours of one person or prop.

    Lengths are in the coordinates of `anatomy.py`: sleeve along the arm (1 the wrist), leg along the leg (1 the ankle),
    waist and neck along the trunk (0 the hips, 1 the neck).
    """

    skin: wp.vec3
    hair: wp.vec3
    iris: wp.vec3
    top: wp.vec3
    top_second: wp.vec3
    bottom: wp.vec3
    bottom_second: wp.vec3
    shoes: wp.vec3
    hat: wp.vec3
    bag: wp.vec3
    hairline: float
    beard: float
    sleeve: float
    leg: float
    waist: float
    neck: float
    shoe: float
    glove: float
    top_pattern: int
    bottom_pattern: int
    pattern_scale: float
    gloss: float
    seed: int


MATERIAL = Material.numpy_dtype()


@wp.func
def _cloth(first: wp.vec3, second: wp.vec3, pattern: int, scale: float, around: float, along: float, seed: int):
    """The colour of a fabric at a point; one unit of `along` is about the length of a trunk or a limb."""
    u, v = around * scale, along * scale
    share = 0.0
    if pattern == STRIPES:
        share = wp.where(wp.sin(u * 12.0) > 0.2, 1.0, 0.0)
    elif pattern == HOOPS:
        share = wp.where(wp.sin(v * 12.0) > 0.2, 1.0, 0.0)
    elif pattern == CHECKS:
        share = 0.5 * wp.where(wp.sin(u * 10.0) > 0.3, 1.0, 0.0) + 0.5 * wp.where(wp.sin(v * 10.0) > 0.3, 1.0, 0.0)
    elif pattern == DOTS:
        share = wp.where(wp.sin(u * 16.0) * wp.sin(v * 16.0) > 0.55, 1.0, 0.0)
    elif pattern == BLOTCHES:
        state = wp.rand_init(seed)
        share = wp.where(wp.noise(state, wp.vec3(u * 5.0, v * 5.0, 0.5)) > 0.05, 1.0, 0.0)
    elif pattern == PANEL:
        share = wp.where(wp.abs(around) < 0.35 and along > 0.45 and along < 0.75, 1.0, 0.0)
    state = wp.rand_init(seed + 7)
    fold = 1.0 + 0.16 * wp.noise(state, wp.vec3(around * 3.0, along * 5.0, 1.5))
    return fold * (first + share * (second - first))


@wp.func
def _face(material: Material, rest: wp.vec3):
    """Skin with eyes, brows and lips; `rest` is the point on an average adult's body."""
    colour = material.skin
    x = wp.abs(rest[0])
    eye = wp.length(wp.vec3(x - 0.0295, rest[1] + 0.131, rest[2] - 0.699))
    if rest[1] < -0.10:
        lips = wp.pow((x) / 0.024, 2.0) + wp.pow((rest[2] - 0.6335) / 0.0085, 2.0)
        if lips < 1.0 and rest[1] < -0.125:
            colour = wp.cw_mul(colour, wp.vec3(0.82, 0.45, 0.45))
        brow = wp.pow((x - 0.031) / 0.020, 2.0) + wp.pow(
            (rest[2] - 0.7165 + 6.0 * (x - 0.031) * (x - 0.031)) / 0.0042, 2.0
        )
        if brow < 1.0:
            colour = 0.35 * colour + 0.65 * material.hair
        if rest[2] < 0.645 and x < 0.07:
            colour = (1.0 - material.beard) * colour + material.beard * material.hair
    if eye < 0.0065:
        colour = material.iris
    return colour


@wp.func
def surface_colour(material: Material, part: int, place: wp.vec4, rest: wp.vec3):
    """The colour of a surface of a person or prop: (3,) linear light.

    Args:
        part: BODY, HAIR and so on. place: arm, leg, trunk and hair coordinates of `anatomy.py`.
        rest: the point on an average adult at rest, in metres.
    """
    arm, leg, trunk, hair = place[0], place[1], place[2], place[3]
    along = wp.where(arm > 0.0, arm, wp.where(leg > 0.1, leg, trunk))
    around = wp.where(arm > 0.0, rest[1] * 7.0, wp.where(rest[1] < 0.0, rest[0], 0.9 - rest[0]) * 3.5)
    colour = material.skin
    if part == HAIR:
        state = wp.rand_init(material.seed)
        strand = wp.noise(state, wp.vec3(rest[0] * 90.0, rest[1] * 60.0, rest[2] * 6.0))
        colour = material.hair * (1.0 + 0.5 * strand)
    elif part == HAT:
        colour = material.hat
    elif part == SKIRT:
        colour = _cloth(
            material.bottom,
            material.bottom_second,
            material.bottom_pattern,
            material.pattern_scale,
            around,
            trunk,
            material.seed + 1,
        )
    elif part == BAG:
        colour = material.bag
    elif part == PLAIN:
        colour = _cloth(
            material.top,
            material.top_second,
            material.top_pattern,
            material.pattern_scale,
            rest[0] * 2.0,
            rest[2] * 2.0,
            material.seed,
        )
    elif hair > material.hairline:
        state = wp.rand_init(material.seed)
        strand = wp.noise(state, wp.vec3(rest[0] * 90.0, rest[1] * 60.0, rest[2] * 12.0))
        colour = material.hair * (1.0 + 0.5 * strand)
    elif leg > material.shoe:
        colour = wp.where(leg > 1.195, 0.4 * material.shoes + wp.vec3(0.3, 0.3, 0.3), material.shoes)
    elif arm > material.glove:
        colour = material.shoes
    elif trunk > material.waist and trunk < material.neck and arm < material.sleeve:
        colour = _cloth(
            material.top,
            material.top_second,
            material.top_pattern,
            material.pattern_scale,
            around,
            along,
            material.seed,
        )
    elif trunk <= material.waist and leg < material.leg:
        colour = _cloth(
            material.bottom,
            material.bottom_second,
            material.bottom_pattern,
            material.pattern_scale,
            around,
            along,
            material.seed + 1,
        )
    elif trunk > 1.0:
        colour = _face(material, rest)
    return colour
