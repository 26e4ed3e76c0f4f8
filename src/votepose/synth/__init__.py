"""People that never were: a generator of crowds with exact keypoints (`votepose synth`, extra [synth]).

Follow the data: layouts or crowd dials -> Cast (`reenact.py`, `crowd.py`) -> dressed triangles (`figures.py`) ->
rays (`render.py`) -> background and camera (`studio.py`) -> COCO truth (`truth.py`) -> shards (`generate.py`).
"""

from votepose.signals import stop_like_ctrl_c
from votepose.synth.config import CrowdConfig, SynthConfig

__all__ = ["CrowdConfig", "SynthConfig", "run"]


def run(config: SynthConfig) -> int:
    """Make the pictures; see `generate.run`, which needs the synth extra.

    Raises:
        KeyboardInterrupt: at Ctrl-C, SIGTERM and SIGHUP; whole shards stay, and the same command goes on after them.
    """
    from votepose.synth.generate import run as generate

    with stop_like_ctrl_c():
        return generate(config)
