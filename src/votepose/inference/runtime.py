"""Imports the runtimes that report their use to their makers unless they are told not to: here they do not.

The only module that imports them. onnxruntime (from 1.29) and OpenVINO each write an id of the machine into the user's
home and look up a server's name as soon as they are imported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_ORT_SWITCH = "ORT_DISABLE_TELEMETRY"
_OPENVINO_REPORTER = "openvino_telemetry"  # the package; also the name of the file in which it keeps the user's consent


def import_onnxruntime() -> Any:
    """The module onnxruntime, with its telemetry off, unless the user has set ORT_DISABLE_TELEMETRY.

    A program that imports onnxruntime before votepose does has started its telemetry already; then it is switched off
    from here on.
    """
    decided = bool(os.environ.get(_ORT_SWITCH))
    if not decided:
        os.environ[_ORT_SWITCH] = "1"  # read at the import; child processes inherit it
    import onnxruntime  # slow to import, so not with `import votepose`

    if not decided:
        onnxruntime.disable_telemetry_events()
    return onnxruntime


def import_openvino() -> Any:
    """The module openvino, without its telemetry, unless the user has consented to it (`opt_in_out --opt_in`).

    OpenVINO does without the package openvino_telemetry where that is not installed; so it is hidden for the import.

    Raises:
        ImportError: if openvino is not installed.
    """
    hidden = _OPENVINO_REPORTER not in sys.modules and not _consented()
    if hidden:
        sys.modules[_OPENVINO_REPORTER] = None  # type: ignore[assignment]
    try:
        import openvino

        return openvino
    finally:
        if hidden:
            del sys.modules[_OPENVINO_REPORTER]


def _consented() -> bool:
    """Whether the user has opted in to OpenVINO's telemetry; without an answer OpenVINO would take it for a yes."""
    windows = sys.platform == "win32"
    base = Path(os.path.expandvars("$LOCALAPPDATA"), "Intel Corporation") if windows else Path("~/intel").expanduser()
    try:
        return (base / _OPENVINO_REPORTER).read_text(encoding="utf-8").strip() == "1"
    except (OSError, ValueError):
        return False
