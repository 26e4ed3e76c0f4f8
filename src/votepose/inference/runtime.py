"""Imports onnxruntime and OpenVINO with their telemetry disabled.

No other module imports them. On import, onnxruntime (from 1.29) and OpenVINO each write a machine id into the user's
home folder and look up a server's name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_ORT_SWITCH = "ORT_DISABLE_TELEMETRY"
_OPENVINO_REPORTER = "openvino_telemetry"  # the package, and also the file that stores the user's consent


def import_onnxruntime() -> Any:
    """The module onnxruntime, with its telemetry off unless the user has set ORT_DISABLE_TELEMETRY.

    If the program imported onnxruntime first, telemetry has already started and is switched off here.
    """
    decided = bool(os.environ.get(_ORT_SWITCH))
    if not decided:
        os.environ[_ORT_SWITCH] = "1"  # read on import; child processes inherit it
    import onnxruntime  # slow, so it is not imported with votepose

    if not decided:
        onnxruntime.disable_telemetry_events()
    return onnxruntime


def import_openvino() -> Any:
    """The module openvino, without its telemetry, unless the user has consented to it (`opt_in_out --opt_in`).

    OpenVINO works without the package openvino_telemetry, so that package is hidden during the import.

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
    """Whether the user has opted in to OpenVINO's telemetry; OpenVINO itself treats no answer as consent."""
    windows = sys.platform == "win32"
    base = Path(os.path.expandvars("$LOCALAPPDATA"), "Intel Corporation") if windows else Path("~/intel").expanduser()
    try:
        return (base / _OPENVINO_REPORTER).read_text(encoding="utf-8").strip() == "1"
    except (OSError, ValueError):
        return False
