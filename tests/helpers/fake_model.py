"""A tiny ONNX file that keeps the model contract, and images with a red dot.

The fake model finds the reddest pixel of each input: that is a person's nose, its other keypoints fan out from there by
fixed offsets. Each input also holds a second person, `SECOND` pixels to the right, of half the score. So a test knows
where poses must land, through the letterbox and back, without a trained network.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from votepose.poses import Poses
from votepose.skeleton import COCO_17

OFFSETS = np.stack([np.arange(17) % 5, np.arange(17) // 5], axis=1).astype(np.float32)  # (K, 2), of the fake person
SECOND = 10.0
METADATA: dict[str, Any] = {
    "preset": "fake",
    "input_size": 96,
    "stride": 8,
    "presence_threshold": 0.5,
    "skeleton": COCO_17.to_coco_category(),
    "version": "0",
}

Predict = Callable[..., tuple[int, str, str]]  # arguments -> exit status, stdout, stderr


def some_poses(people: int, seed: int = 0, size: tuple[int, int] = (640, 480)) -> Poses:
    """Random `Poses` inside an image of (width, height) `size`."""
    random = np.random.default_rng(seed)
    points = random.uniform(0, 1, (people, 17, 2)) * size
    scores = np.sort(random.uniform(0, 1, people))[::-1]
    return Poses(points, random.random((people, 17)), random.random((people, 17)) > 0.3, scores, COCO_17, size, "a.jpg")


def red_dot(width: int, height: int, x: int, y: int, side: int = 8) -> np.ndarray:
    """Grey image (height, width, 3) uint8 with a red square whose top left pixel is (x, y)."""
    image = np.full((height, width, 3), 90, dtype=np.uint8)
    image[y : y + side, x : x + side] = (255, 0, 0)
    return image


def save_jpeg(path: Path, image: np.ndarray, **options: Any) -> Path:
    """Write an image with little loss; `options` go to Pillow."""
    Image.fromarray(image).save(path, quality=95, subsampling=0, **options)
    return path


def save_fake_model(path: Path, metadata: dict[str, Any] | None = METADATA) -> None:
    """Write the fake model; without votepose's metadata if None."""
    constants = {
        "flat": np.array([0, -1]),
        "two": np.array(2),
        "one": np.array([1]),
        "zero": np.array([0]),
        "half": np.float32(0.5),
        "full": np.float32(255),
        "red": np.array(0),
        "green": np.array(1),
        "offsets": OFFSETS[None],
        "second": np.array([SECOND, 0], dtype=np.float32),
        "eight": np.array([8, 8]),
        "starts": np.array([0, 0]),
        "ends": np.array([2**31, 2**31]),
        "axes": np.array([1, 2]),
        "even": (np.arange(17) % 2 == 0)[None],
        "joints": np.array([17]),
    }
    lines = """
        Cast images -> pixels | Gather pixels red -> r | Gather pixels green -> g | Sub r g -> redness
        Reshape redness flat -> cells | ArgMax cells -> best | ReduceMax cells -> strength
        Shape images -> shape | Gather0 shape two -> width | Mod best width -> column | Div best width -> row
        Concat1 column row -> cell | Cast cell -> corner | Add corner half -> centre | Unsqueeze centre one -> nose
        Add nose offsets -> first_person | Add first_person second -> second_person
        Concat0 first_person second_person -> keypoints
        Div strength full -> likely | Relu likely -> sure | Squeeze sure one -> first_score
        Mul first_score half -> second_score | Concat0 first_score second_score -> scores
        Gather0 shape red -> batch | Range red batch green -> order | Concat0 order order -> image_index
        Shape scores -> people | Concat0 people joints -> table
        Expand presence_threshold table -> confidences | Expand even table -> seen
        Slice redness starts ends axes eight -> presence
    """
    attributes = {
        "Cast": {"to": TensorProto.FLOAT},
        "Gather": {"axis": 3},
        "Gather0": {"axis": 0},
        "Concat0": {"axis": 0},
        "Concat1": {"axis": 1},
        "ArgMax": {"axis": 1},
        "ReduceMax": {"axes": [1]},
    }
    nodes = []
    for line in (part.strip() for row in lines.strip().splitlines() for part in row.split("|")):
        call, output = line.split(" -> ")
        operator, *inputs = call.split()
        nodes.append(helper.make_node(operator.rstrip("01"), inputs, [output], **attributes.get(operator, {})))
    outputs = {
        "image_index": (TensorProto.INT64, ["P"]),
        "keypoints": (TensorProto.FLOAT, ["P", 17, 2]),
        "confidences": (TensorProto.FLOAT, ["P", 17]),
        "seen": (TensorProto.BOOL, ["P", 17]),
        "scores": (TensorProto.FLOAT, ["P"]),
        "presence": (TensorProto.FLOAT, ["B", "h", "w"]),
    }
    graph = helper.make_graph(
        nodes,
        "fake",
        [
            helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", "H", "W", 3]),
            helper.make_tensor_value_info("presence_threshold", TensorProto.FLOAT, []),
        ],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if metadata is not None:
        helper.set_model_props(model, {"votepose": json.dumps(metadata)})
    onnx.save(model, path)
