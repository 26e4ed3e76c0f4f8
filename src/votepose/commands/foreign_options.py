"""Maps options of other tools (Ultralytics, MMPose, RTMLib, MediaPipe) to ours.

An answer fits a command if the command has every option that the answer names; the first that fits is used.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from votepose.errors import VoteposeError

_INPUTS = ("use --data", "give the inputs without an option, as in `votepose predict photos/ film.mp4`")
_THRESHOLD = ("use --score-threshold, the minimum score of a person",)
_SIZE = ("use --input-size",)
_WEIGHTS = ("use --weights",)
_SPEED = ("use --model fast or --model accurate",)
_OUT = ("use --out",)
_RESULTS = (
    "results are always written to --out, in the --format of your choice; --no-draw leaves out the drawings",
    "use --out",
)
_WINDOW = ("use --show, for videos", "use --gallery to write drawings", "no window opens")
_EVERY = ("use --every",)
_LOOK = ("only --scores and --no-draw change the drawings",)
_TRACKING = ("people in videos are tracked by default; --no-track turns this off",)
_DETECTOR = ("there is no separate person detector; --weights sets the only model",)
_DUPLICATES = ("duplicates are removed by keypoint similarity, with a fixed threshold",)
_PEOPLE = (
    "use --max-people",
    "the number of people is not limited; --score-threshold leaves out unlikely ones",
)
_CROPS = ("use --crops FOLDER",)
_CLASSES = ("votepose finds people only",)
_EXPORTED = "the precision is chosen on export, see `votepose export --help`"
_HALF = ("use --precision float16, with --format onnx or openvino", "use --precision bf16-mixed", _EXPORTED)
_INT8 = ("use --precision int8, with --format onnx", _EXPORTED)
_BATCH = ("use --batch-size", "--workers sets how many images or frames are processed at the same time")
_GPU = (
    "use --accelerator gpu, and --devices for the number of GPUs",
    "use --accelerator gpu",
    "use --device cuda, or cuda:1 for the second GPU",
)
_CPU = ("use --accelerator cpu", "use --device cpu, which is the default")
_STEPS = ("use --steps, and --steps-per-epoch for the steps between checkpoints", "use --steps")
_OPTIMISER = ("the optimiser is fixed; --learning-rate and --weight-decay tune it", "the optimiser is fixed")
_RATE = ("use --learning-rate",)
_GRAPH = ("the graph is fixed, and is checked against PyTorch during export",)

ANSWERS: dict[str, tuple[str, ...]] = {
    "--source": _INPUTS,
    "--input": _INPUTS,
    "--inputs": _INPUTS,
    "--image": _INPUTS,
    "--images": _INPUTS,
    "--image-path": _INPUTS,
    "--video": _INPUTS,
    "--video-path": _INPUTS,
    "--data": _INPUTS[1:],
    "--camera": ("give the camera without an option, as in `votepose predict webcam:0`",),
    "--camera-id": ("give the camera without an option, as in `votepose predict webcam:0`",),
    "--webcam": ("give the camera without an option, as in `votepose predict webcam:0`",),
    "--conf": _THRESHOLD,
    "--conf-thres": _THRESHOLD,
    "--confidence": _THRESHOLD,
    "--score-thr": _THRESHOLD,
    "--bbox-thr": _THRESHOLD,
    "--min-detection-confidence": _THRESHOLD,
    "--min-pose-detection-confidence": _THRESHOLD,
    "--kpt-thr": ("the results list a confidence for every keypoint; --score-threshold filters people",),
    "--imgsz": _SIZE,
    "--img": _SIZE,
    "--img-size": _SIZE,
    "--image-size": _SIZE,
    "--model": _WEIGHTS,
    "--model-path": _WEIGHTS,
    "--checkpoint": _WEIGHTS,
    "--pose2d": _WEIGHTS,
    "--pose2d-weights": _WEIGHTS,
    "--pose-model": _WEIGHTS,
    "--mode": _SPEED,
    "--model-complexity": _SPEED,
    "--det-model": _DETECTOR,
    "--det-weights": _DETECTOR,
    "--project": _OUT,
    "--name": _OUT,
    "--output": _OUT,
    "--output-dir": _OUT,
    "--output-root": _OUT,
    "--out-dir": _OUT,
    "--vis-out-dir": _OUT,
    "--pred-out-dir": _OUT,
    "--save-dir": _OUT,
    "--save": _RESULTS,
    "--save-txt": _RESULTS,
    "--save-json": _RESULTS,
    "--save-conf": _RESULTS,
    "--save-predictions": _RESULTS,
    "--nosave": ("use --no-draw to write no drawings",),
    "--save-crop": _CROPS,
    "--save-crops": _CROPS,
    "--show": _WINDOW[1:],
    "--view-img": _WINDOW,
    "--show-conf": ("use --scores to draw each person's score",),
    "--show-labels": _LOOK,
    "--show-boxes": _LOOK,
    "--hide-labels": _LOOK,
    "--hide-conf": _LOOK,
    "--draw-bbox": _LOOK,
    "--line-width": _LOOK,
    "--radius": _LOOK,
    "--thickness": _LOOK,
    "--vid-stride": _EVERY,
    "--frame-interval": _EVERY,
    "--skip-frames": _EVERY,
    "--fps": ("a video keeps its frame rate; --as-video sets the frame rate of a folder of images",),
    "--stream-buffer": ("every frame is processed, unless --realtime is given",),
    "--track": _TRACKING,
    "--tracker": _TRACKING,
    "--tracking": _TRACKING,
    "--persist": _TRACKING,
    "--min-tracking-confidence": _TRACKING,
    "--static-image-mode": _TRACKING,
    "--smooth-landmarks": ("use --smooth",),
    "--iou": _DUPLICATES,
    "--iou-thres": _DUPLICATES,
    "--nms-thr": _DUPLICATES,
    "--agnostic-nms": _DUPLICATES,
    "--max-det": _PEOPLE,
    "--num-poses": _PEOPLE,
    "--max-num-poses": _PEOPLE,
    "--classes": _CLASSES,
    "--single-cls": _CLASSES,
    "--augment": ("use --flip-test",),
    "--half": _HALF,
    "--fp16": _HALF,
    "--amp": _HALF,
    "--int8": _INT8,
    "--batch": _BATCH,
    "--batch-size": _BATCH[1:],
    "--device": _GPU[:2],
    "--gpu": _GPU,
    "--gpus": _GPU,
    "--cpu": _CPU,
    "--epochs": _STEPS,
    "--max-epochs": _STEPS,
    "--time": ("use --minutes",),
    "--lr": _RATE,
    "--lr0": _RATE,
    "--optimizer": _OPTIMISER,
    "--momentum": _OPTIMISER,
    "--cos-lr": _OPTIMISER,
    "--warmup-epochs": ("use --warmup, in steps",),
    "--save-period": ("use --steps-per-epoch",),
    "--val-interval": ("use --evaluate-every",),
    "--cache": ("images are kept in memory by default; --resident keeps them on the device",),
    "--degrees": ("use --rotation",),
    "--fliplr": ("use --flip",),
    "--hsv-v": ("use --colour",),
    "--dynamic": ("the file takes any input size; with --whole-image any batch size, too",),
    "--opset": _GRAPH,
    "--simplify": _GRAPH,
}


def require_own_options(command: str, argv: Sequence[str], own: Collection[str]) -> None:
    """Reject an option of another tool, written as `--imgsz 640`, `--vid_stride=2` or `imgsz=640`.

    Args:
        command: the command's name.
        argv: the arguments after it.
        own: the command's options, such as `--out`.

    Raises:
        VoteposeError: if there is one; the message gives the replacement.
    """
    if {"-h", "--help"} & set(argv):
        return
    for before, word, following in zip(["", *argv], argv, [*argv[1:], ""], strict=False):
        name, is_pair, value = word.partition("=")
        option = f"--{name.removeprefix('--').replace('_', '-')}"
        if not name.startswith("--") and (not is_pair or before.startswith("--") or Path(word).exists()):
            continue  # a value or a file
        if option in own:
            _check_form(word, option, value if is_pair else following)
        elif option in ANSWERS:
            raise VoteposeError(f"{name}: not an option of `votepose {command}`; {answer(command, option, own)}")


def answer(command: str, option: str, own: Collection[str]) -> str:
    """The replacement for an option in `ANSWERS`, for a command with the options `own`."""
    fitting = (text for text in ANSWERS[option] if named_options(text) <= set(own))
    return next(fitting, f"`votepose {command} --help` lists its options")


def named_options(text: str) -> set[str]:
    """The options that an answer mentions outside backticks."""
    return set(re.findall(r"--[a-z][a-z-]*", re.sub("`[^`]*`", "", text)))


def _check_form(word: str, option: str, value: str) -> None:
    """Raise VoteposeError for one of our options written in another tool's form."""
    if option == "--device" and value.isdecimal():
        raise VoteposeError(f"--device {value}: write --device cuda:{value}")
    if option == "--model" and Path(value).suffix:
        raise VoteposeError(f"--model {value}: use --weights for a file")
    if not word.startswith("--"):
        raise VoteposeError(f"{word}: write {option} {value}")
