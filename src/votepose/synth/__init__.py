"""Synthetic crowds: generates images with exact keypoints (`votepose synth`, extra [synth]).

The data flow: layouts or crowd options -> Cast (`reenact.py`, `crowd.py`) -> dressed triangles (`figures.py`) ->
rays (`render.py`) -> background and camera (`studio.py`) -> COCO truth (`truth.py`) -> shards (`generate.py`).
"""
