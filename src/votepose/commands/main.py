"""The `votepose` command. Each subcommand is a module with a `<Name>Config` dataclass and a `run` that takes one.

A module is imported only when its command is run, so `votepose predict` needs neither torch nor the train extra.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence

import votepose
from votepose.errors import VoteposeError, installing
from votepose.utils import old_names
from votepose.utils.machine import usable_cpus

COMMANDS = {
    "predict": "find every person's pose in images and videos; write drawings and records",
    "explain": "show why people were found: presence, votes, and which votes agree",
    "serve": "serve poses over HTTP, with a page to try it on",
    "info": "print the presets and describe a weights file",
    "check": "check labelled data before training, and draw its labels",
    "convert": "convert labelled data from COCO format to YOLO format, or back",
    "train": "train a preset on labelled data, or resume a run",
    "evaluate": "measure COCO keypoint AP",
    "analyse": "show where AP is lost: people, joints, and the gain if a step were perfect",
    "calibrate": "fit the confidences to the measured accuracy, or measure how accurate they are",
    "ablate": "train and measure the cells of the paper's Table 2",
    "synth": "generate images of crowds with exact keypoints",
    "export": "write network and grouping into one file: ONNX, OpenVINO or torch.export",
}

EXTRAS = {"synth": "synth", "serve": "serve", "check": "evaluate", "convert": "evaluate", "evaluate": "evaluate"}
"""The extra that a command's imports need, if not train."""

_KEEPS = ("predict", "synth")  # commands whose results are kept when they are stopped; train says itself what is kept


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: the arguments after the program's name; None for `sys.argv`'s.

    Returns:
        The exit status: 0; 1 if some images failed or labels were left out; 2 for a usage error; 130 after
        Ctrl-C; 141 if the reader of its output has gone.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be unprintable
    if (usable := usable_cpus()) < (os.cpu_count() or 1):
        os.environ.setdefault("OMP_NUM_THREADS", str(usable))  # torch and OpenBLAS ignore a container's CPU quota
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _dispatch(words)
        sys.stdout.flush()
        return status
    except VoteposeError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt as stop:
        kept = "; the results so far are kept" if words[:1] and words[0] in _KEEPS else ""
        return _complain(str(stop) or f"stopped{kept}", 130)
    except BrokenPipeError:  # `votepose info | head` is not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        reason = error.strerror or str(error)
        return _complain(f"{error.filename}: {reason}" if error.filename else reason, 2)
    except MemoryError:
        return _complain("out of memory: use a smaller image, input size or batch", 2)


def _dispatch(argv: list[str]) -> int:
    command = argv[0] if argv else "--help"
    if command in ("-h", "--help", "help"):
        print(_overview())
        return 0 if argv else 2
    if command in ("-V", "--version"):
        print(f"votepose {votepose.__version__}")
        return 0
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the commands are {', '.join(COMMANDS)}"
        raise VoteposeError(f"no command {command!r}; {hint}")
    for word in argv[1:]:
        option = word.partition("=")[0]
        if new := old_names.OPTIONS.get(option.replace("_", "-")):
            raise VoteposeError(f"{option} is now called {new}")
    try:
        return _run(command, argv[1:])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "votepose":
            raise
        extra = "train" if error.name == "torch" and command != "synth" else EXTRAS.get(command, "train")
        message = f"votepose {command} needs {error.name}, which is not installed: {installing(extra)}"
        raise VoteposeError(message) from error


def _run(command: str, argv: list[str]) -> int:
    from votepose.commands.foreign_options import require_own_options
    from votepose.commands.parsing import options_of, parse

    module = importlib.import_module(f"votepose.commands.{command}")
    kind = getattr(module, f"{command.capitalize()}Config")
    require_own_options(command, argv, options_of(kind))
    return module.run(parse(kind, command, argv, getattr(module, "GROUPS", {}))) or 0


def _complain(message: str, status: int) -> int:
    print(f"votepose: {'error: ' if status == 2 else ''}{message}", file=sys.stderr)
    return status


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    usage = "usage: votepose COMMAND [...]"
    about = (votepose.__doc__ or "").partition("\n")[0]
    example = "  votepose predict photo.jpg holiday/ --out out"
    more = "`votepose COMMAND --help` lists a command's options; `votepose --version` prints the version."
    return "\n".join([usage, "", about, "", example, "", "commands:", *lines, "", more])
