"""People that never were: a generator of crowds with exact keypoints (`votepose synth`, extra [synth]).

Follow the data: layouts or crowd dials -> Cast (`reenact.py`, `crowd.py`) -> dressed triangles (`figures.py`) ->
rays (`render.py`) -> background and camera (`studio.py`) -> COCO truth (`truth.py`) -> shards (`generate.py`).
"""

from votepose.synth.config import SynthConfig
from votepose.synth.generate import run

__all__ = ["SynthConfig", "run"]
