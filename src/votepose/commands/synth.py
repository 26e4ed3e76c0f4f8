"""`votepose synth`: synthetic crowds with exact keypoints (extra [synth])."""

from __future__ import annotations

from votepose.synth.config import CrowdConfig, SynthConfig
from votepose.utils.signals import stop_like_ctrl_c

__all__ = ["GROUPS", "CrowdConfig", "SynthConfig", "run"]

GROUPS = {  # of the options in --help
    "crowd": ("layouts", "reenact", "people", "spacing", "occlusion"),
    "scene": ("backgrounds", "props"),
}


def run(config: SynthConfig) -> int:
    """Generate the images with `generate.run`, which needs the synth extra.

    Raises:
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP. Complete shards are kept; the same command continues the run.
    """
    from votepose.synth.generate import run as generate

    with stop_like_ctrl_c():
        return generate(config)
