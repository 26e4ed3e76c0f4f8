# mypy: ignore-errors
"""Ray tracing kernels, compiled by Warp: the same code runs on CPU and GPU.

Warp reads the annotations as its own types, so mypy ignores this file.
"""

import warp as wp

from votepose.synth.shading import Light, Material, surface_colour

wp.set_module_options({"enable_backward": False})  # without gradients, compiling takes half the time

_FAR = wp.constant(1.0e4)
_SUN_FAR = wp.constant(30.0)  # maximum distance of cast shadows, in metres
_NEAR = wp.constant(0.55)  # maximum distance at which objects block sky light, in metres


@wp.kernel
def trace(
    mesh: wp.uint64,
    corners: wp.array(dtype=wp.int32),
    owners: wp.array(dtype=wp.int32),
    parts: wp.array(dtype=wp.int32),
    normals: wp.array(dtype=wp.vec3),
    coordinates: wp.array(dtype=wp.vec4),
    rests: wp.array(dtype=wp.vec3),
    materials: wp.array(dtype=Material),
    light: Light,
    focal: float,
    cx: float,
    cy: float,
    width: int,
    samples: int,
    seed: int,
    colours: wp.array(dtype=wp.vec3),
    shades: wp.array(dtype=wp.float32),
    owner_of: wp.array(dtype=wp.int32),
    depths: wp.array(dtype=wp.float32),
):
    """Trace one ray to the nearest surface and its lit colour, or to the light on the floor."""
    i = wp.tid()
    random = wp.rand_init(seed, i)
    column = float(i % (width * samples)) + 0.5
    row = float(i / (width * samples)) + 0.5
    step = float(samples)
    ray = wp.normalize(wp.vec3((column / step - cx) / focal, (row / step - cy) / focal, 1.0))
    hit = wp.mesh_query_ray(mesh, wp.vec3(0.0, 0.0, 0.0), ray, _FAR)
    owner_of[i] = -1
    shades[i] = 1.0
    depths[i] = float(wp.inf)
    colours[i] = wp.vec3(0.0, 0.0, 0.0)
    sun = wp.normalize(light.direction + light.softness * wp.sample_unit_sphere_surface(random))
    if hit.result:
        face = hit.face
        a, b, c = corners[3 * face], corners[3 * face + 1], corners[3 * face + 2]
        u, v = hit.u, hit.v
        w = 1.0 - u - v
        normal = wp.normalize(u * normals[a] + v * normals[b] + w * normals[c])
        if wp.dot(normal, ray) > 0.0:
            normal = -normal
        where = hit.t * ray
        place = u * coordinates[a] + v * coordinates[b] + w * coordinates[c]
        rest = u * rests[a] + v * rests[b] + w * rests[c]
        material = materials[owners[face]]
        albedo = surface_colour(material, parts[face], place, rest)
        start = where + 0.006 * normal - 0.002 * ray
        lit = wp.max(wp.dot(normal, sun), 0.0)
        if lit > 0.0 and wp.mesh_query_ray_anyhit(mesh, start, sun, _SUN_FAR):
            lit = 0.0
        open_to = wp.normalize(normal + 0.98 * wp.sample_unit_sphere_surface(random))
        ambient = 1.0
        if wp.mesh_query_ray_anyhit(mesh, start, open_to, _NEAR):
            ambient = 0.25
        up = 0.5 - 0.5 * open_to[1]
        around = ambient * (up * light.sky + (1.0 - up) * light.bounce)
        fill = wp.max(wp.dot(normal, light.fill_direction), 0.0)
        if fill > 0.0 and wp.mesh_query_ray_anyhit(mesh, start, light.fill_direction, _SUN_FAR):
            fill = 0.0
        half = wp.normalize(sun - ray)
        gleam = material.gloss * wp.pow(wp.max(wp.dot(normal, half), 0.0), 24.0)
        total = lit * light.colour + around + fill * light.fill
        colours[i] = wp.cw_mul(albedo, total) + gleam * lit * light.colour
        owner_of[i] = owners[face]
        depths[i] = where[2]
        return
    below = wp.dot(light.ground_normal, ray)  # the floor's plane: points p with normal . p = -height
    if below < -1.0e-4 and light.ground_height < -200.0 * below:
        start = (-light.ground_height / below) * ray + 0.004 * light.ground_normal
        shade = 1.0
        if wp.mesh_query_ray_anyhit(mesh, start, sun, _SUN_FAR):
            shade -= light.shadow
        open_to = wp.normalize(light.ground_normal + 0.98 * wp.sample_unit_sphere_surface(random))
        if wp.mesh_query_ray_anyhit(mesh, start, open_to, _NEAR):
            shade *= 0.6
        shades[i] = shade


@wp.kernel
def first_hit(
    mesh: wp.uint64,
    owners: wp.array(dtype=wp.int32),
    targets: wp.array(dtype=wp.vec3),
    hit_owner: wp.array(dtype=wp.int32),
    hit_point: wp.array(dtype=wp.vec3),
):
    """Find the first surface on the ray from the camera through each target."""
    i = wp.tid()
    ray = wp.normalize(targets[i])
    hit = wp.mesh_query_ray(mesh, wp.vec3(0.0, 0.0, 0.0), ray, _FAR)
    hit_owner[i] = -1
    if hit.result:
        hit_owner[i] = owners[hit.face]
        hit_point[i] = hit.t * ray
