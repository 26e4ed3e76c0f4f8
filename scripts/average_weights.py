"""Average the weights of several trainings of one network, which is often better than each of them (Wortsman et al.,
Model soups, ICML 2022; Robust fine-tuning of zero-shot models, CVPR 2022).

    python scripts/average_weights.py a/weights.safetensors:0.7 b/weights.safetensors:0.3 --out mean.safetensors

The trainings should be related: one continued the other, or both started from the same weights. The mean is not
calibrated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import tyro
from torch import Tensor

from votepose.errors import VoteposeError
from votepose.models.calibration import Calibration
from votepose.models.checkpoint import load_network, read_tensors, save_weights


@dataclass(frozen=True)
class Config:
    files: tyro.conf.Positional[tuple[str, ...]]
    """Weights files, each as `FILE:SHARE`. Shares are normalised to sum to 1; the first file defines the network."""
    out: Path
    """Output file."""


def mean(states: list[dict[str, Tensor]], shares: list[float]) -> tuple[dict[str, Tensor], list[str]]:
    """The weighted mean of state dicts, and the names of the tensors that some of them lack.

    A missing tensor counts as zeros, as in a network that does not use it yet. Integer tensors are those of the first.

    Raises:
        VoteposeError: if a state dict has tensors that the first does not have, or of other shapes.
    """
    first = states[0]
    for state in states[1:]:
        if strange := [name for name, x in state.items() if name not in first or first[name].shape != x.shape]:
            raise VoteposeError(
                f"the files hold different networks: {len(strange)} tensors differ, such as {strange[0]}"
            )
    lacking = sorted({name for name in first for state in states if name not in state})
    total = dict(first)
    for name, value in first.items():
        if value.is_floating_point():
            parts = [share * state[name].float() for share, state in zip(shares, states, strict=True) if name in state]
            total[name] = sum(parts[1:], parts[0])
    return total, lacking


def main(config: Config) -> None:
    paths, shares = zip(*map(_parsed, config.files), strict=True)
    network, metadata = load_network(paths[0])
    states = [network.state_dict(), *map(read_tensors, paths[1:])]
    found, lacking = mean(states, [share / sum(shares) for share in shares])
    network.load_state_dict(found)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    save_weights(config.out, network, replace(metadata, calibration=Calibration()))
    remark = f"; not in all of them: {', '.join(lacking)}" if lacking else ""
    print(f"{config.out}: the mean of {len(paths)} files, not calibrated{remark}")


def _parsed(file: str) -> tuple[Path, float]:
    name, _, share = file.rpartition(":")
    try:
        if (number := float(share)) > 0 and name:
            return Path(name), number
    except ValueError:
        pass
    raise VoteposeError(f"{file}: write FILE:SHARE with a positive share, such as weights.safetensors:0.5")


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except VoteposeError as error:
        raise SystemExit(f"average_weights: {error}") from None
