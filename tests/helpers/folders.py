"""The images of a run, and what it left."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.fake_model import red_dot, save_jpeg


def photos(count: int, width: int = 96) -> list[Path]:
    """Different images in in/; the wider, the longer a worker takes."""
    Path("in").mkdir(exist_ok=True)
    height = width * 2 // 3
    return [save_jpeg(Path(f"in/{k}.jpg"), red_dot(width, height, 2 * k, k, width // 8)) for k in range(count)]


def shards(out: str = "out") -> list[Path]:
    return sorted(Path(out, "records").glob("*.jsonl"))


def records(out: str = "out") -> list[dict]:
    return [json.loads(line) for path in shards(out) for line in path.read_text().splitlines()]
