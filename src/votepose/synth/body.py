"""anny's parametric body model (Apache-2.0) with our rig: meshes and keypoints from phenotypes and joint angles."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import anny
import numpy as np
import torch

import votepose.synth._warp  # noqa: F401 - before anny, which imports Warp
from votepose.skeleton import COCO_17
from votepose.synth.rig import JOINTS, forward_kinematics, joint_of, rotations

_ROOT = "root"


@dataclass(frozen=True)
class Shapes:
    """N bodies at rest, in metres, the origin between the hips.

    Attributes:
        vertices: (N, V, 3). heads: (N, B, 3) heads of the driven bones.
        moments: (N, 17, B, 4): under linear blend skinning, the keypoints are exactly the sum over b of map_b @
            moments_b, so fitting a pose needs no mesh.
        elbow_axes: (N, 2, 3) unit vectors about which the forearms bend.
        heights: (N,) metres from sole to crown.
    """

    vertices: torch.Tensor
    heads: torch.Tensor
    moments: torch.Tensor
    elbow_axes: torch.Tensor
    heights: torch.Tensor

    def __getitem__(self, chosen: torch.Tensor | slice) -> Shapes:
        return Shapes(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


class Body:
    """The body model: V vertices, B driven bones, 17 COCO keypoints. The first use on a machine takes a minute.

    Attributes:
        faces: (F, 3) int32 triangles.
        weights: (V, B) skinning weights of the driven bones; a bone that is not driven follows its nearest driven one.
        bones: names of the driven bones. parents: parent of each, -1 for the root.
        rest: (V, 3) an average adult at rest, which locates each vertex on the body.
        phenotypes: names of the parameters in [0, 1] of `shapes`.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._model = anny.Anny(phenotypes="all").float()
            regressor = anny.KeypointsRegressor.coco(self._model, labels=list(COCO_17.names))
        self.phenotypes: list[str] = list(self._model.phenotype_labels)
        self.faces = self._model.faces.numpy().astype(np.int32)
        labels, parents = self._model.bone_labels, self._model.bone_parents
        driven = {_ROOT, *(bone for joint in JOINTS for bone in joint.bones)}
        self.bones = [label for label in labels if label in driven]
        nearest: list[int] = []  # the driven bone that each of anny's bones follows
        for index, label in enumerate(labels):
            nearest.append(self.bones.index(label) if label in driven else nearest[parents[index]])
        self._indices = [labels.index(bone) for bone in self.bones]
        self.parents = [
            nearest[parents[i]] if label != _ROOT else -1 for i, label in zip(self._indices, self.bones, strict=True)
        ]
        self.rest = self._rest(torch.full((1, len(self.phenotypes)), 0.5))[0][0].numpy()
        every = torch.zeros(len(self.rest), len(labels))
        every.scatter_add_(1, self._model.vertex_bone_indices, self._model.vertex_bone_weights.float())
        self.weights = torch.zeros(len(every), len(self.bones)).index_add_(1, torch.tensor(nearest), every)
        regression = regressor.regression_weights.float()  # (17, V), zero except for a few thousand columns
        self._keypoint_vertices = regression.abs().sum(dim=0).nonzero()[:, 0]
        self._keypoint_weights = torch.einsum("kv,vb->kbv", regression, self.weights)[..., self._keypoint_vertices]
        self._turned = torch.tensor(joint_of(self.bones))

    def shapes(self, phenotypes: np.ndarray) -> Shapes:
        """(N, P) parameters in [0, 1], in the order of `self.phenotypes` -> bodies at rest."""
        vertices, heads = self._rest(torch.as_tensor(phenotypes, dtype=torch.float32))
        points = vertices[:, self._keypoint_vertices]
        points = torch.cat((points, torch.ones_like(points[..., :1])), dim=-1)
        moments = torch.einsum("kbv,nvc->nkbc", self._keypoint_weights, points)
        shoulder, elbow, wrist = (self._sides(heads, name) for name in ("upperarm01", "lowerarm01", "wrist"))
        axes = torch.cross(elbow - shoulder, wrist - elbow, dim=-1)
        heights = vertices[..., 2].amax(dim=1) - vertices[..., 2].amin(dim=1)
        driven = heads[:, self._indices]
        return Shapes(vertices, driven, moments, torch.nn.functional.normalize(axes, dim=-1), heights)

    def maps(self, shapes: Shapes, angles: torch.Tensor) -> torch.Tensor:
        """(N, D) joint angles in radians -> (N, B, 3, 4): the map of each bone from the rest pose to the pose."""
        turns = rotations(angles, shapes.elbow_axes)
        still = torch.eye(3).expand(len(angles), 1, 3, 3)
        return forward_kinematics(torch.cat((turns, still), dim=1)[:, self._turned], shapes.heads, self.parents)

    def keypoints(self, shapes: Shapes, maps: torch.Tensor) -> torch.Tensor:
        """(N, 17, 3) keypoints of the posed bodies, in the axes of the rest pose."""
        return torch.einsum("nbxc,nkbc->nkx", maps, shapes.moments)

    def skin(self, shapes: Shapes, maps: torch.Tensor, vertices: torch.Tensor | None = None) -> torch.Tensor:
        """(N, V, 3) posed vertices by linear blend skinning: of the shapes, or of other `vertices` at rest."""
        rest = shapes.vertices if vertices is None else vertices
        blended = torch.einsum("vb,nbxc->nvxc", self.weights, maps)
        return torch.einsum("nvxc,nvc->nvx", blended[..., :3], rest) + blended[..., 3]

    def _rest(self, phenotypes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values = {name: phenotypes[:, k] for k, name in enumerate(self.phenotypes)}
        rest = self._model.get_rest_model(self._model.get_phenotype_blendshape_coefficients(**values))
        return rest["rest_vertices"], rest["rest_bone_heads"]

    def _sides(self, heads: torch.Tensor, name: str) -> torch.Tensor:
        """(N, 2, 3) heads of a bone on both sides."""
        return heads[:, [self._model.bone_labels.index(f"{name}.{side}") for side in "LR"]]
