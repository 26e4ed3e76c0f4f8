"""The configuration of a network, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NetworkConfig:
    """The parts of a `PoseNet` and their sizes.

    Attributes:
        backbone: `mobile`, `maxvit`, `lite` or `movenet` (see `models.backbones.build`).
        keypoints: K; a pose vector has 2 K numbers.
        stride: input pixels per map cell; a 512-pixel input at stride 8 makes the paper's M = 64.
        channels: of the feature map F (256 in the paper).
        hourglass, transformer: False replaces the branch with a 1x1 head (paper V-F).
        stacks, depth, hourglass_width: dimensions of the stacked hourglass.
        width, heads, encoder_layers, decoder_layers, patch: dimensions of the transformer; a memory token is `patch`
            cells wide.
        vectors: `absolute` (paper) or `residual`, offsets from the voting cell.
        relative: whether the transformer uses rotary positions instead of added sine embeddings.
        scales: whether each vote also predicts its uncertainty about each joint (log of a Laplace scale).
        refiner: channels of the pose refiner at its finest level; 0 for no refiner.
        fine_refiner: whether the refiner also uses the backbone's map of stride 4 and the keypoint maps (`mobile` and
            `lite` only).
        aux_backbone: whether refiner and votes also use MoveNet Thunder (17 keypoints; see `models.backbones.thunder`).
        sparse_memory: whether the encoder uses only the patches that are most likely to hold a keypoint.
        proposals: whether presence and votes start from poses that the backbone proposes (`movenet` only; see
            `models.heads.proposals`).
        keypoint_maps: channels of the hidden layer of the keypoint map head (see `models.heads.keypoint_maps`); 0 for
            no such head.
        focus: channels of the hidden layers of the focus head (see `models.heads.focus`); 0 for no such head: the
            finest pyramid level then sees the whole image.
    """

    backbone: str
    keypoints: int = 17
    stride: int = 8
    channels: int = 256
    hourglass: bool = True
    stacks: int = 2
    depth: int = 4
    hourglass_width: int = 128
    transformer: bool = True
    width: int = 256
    heads: int = 8
    encoder_layers: int = 2
    decoder_layers: int = 2
    patch: int = 4
    vectors: Literal["absolute", "residual"] = "residual"
    relative: bool = True
    scales: bool = True
    refiner: int = 0
    fine_refiner: bool = False
    aux_backbone: bool = False
    proposals: bool = False
    sparse_memory: bool = False
    keypoint_maps: int = 0
    focus: int = 0
