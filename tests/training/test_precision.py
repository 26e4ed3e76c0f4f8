"""The default precision follows what the device computes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from votepose.training import fit
from votepose.training.config import TrainConfig


@pytest.mark.parametrize(
    ("device", "has_bf16", "options", "expected"),
    [
        ("cpu", False, {}, "32-true"),
        ("cpu", True, {}, "bf16-mixed"),
        ("cuda", False, {}, "bf16-mixed"),
        ("cpu", False, {"precision": "bf16-mixed"}, "bf16-mixed"),
        ("cuda", True, {"precision": "32-true"}, "32-true"),
    ],
)
def test_cpus_that_would_emulate_bf16_use_float32(
    monkeypatch: pytest.MonkeyPatch, device: str, has_bf16: bool, options: dict[str, Any], expected: str
) -> None:
    monkeypatch.setattr(fit, "training_device", lambda _: torch.device(device))
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_bf16)
    assert fit._precision(TrainConfig(data=(), out=Path("run"), **options)) == expected
