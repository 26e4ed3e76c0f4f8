"""Synthetic crowds: a generator of pictures with exact keypoints (`votepose synth`, extra [synth]).

Follow the data: layouts or crowd dials -> Cast (`reenact.py`, `crowd.py`) -> dressed triangles (`figures.py`) ->
rays (`render.py`) -> background and camera (`studio.py`) -> COCO truth (`truth.py`) -> shards (`generate.py`).
"""
