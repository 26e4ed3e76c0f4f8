"""Check the results of `make demo`: a drawing and a record for every image, and at least one person found.

python scripts/check_demo.py examples out/demo
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image, ImageChops


def check(pictures: Path, results: Path) -> str:
    """Compare the folder of images with the folder of results.

    Returns:
        A one-line summary.

    Raises:
        SystemExit: with one line, if a drawing or a record is missing, or no people were found.
    """
    names = sorted(path.name for path in pictures.glob("*.jpg"))
    lines = (results / "poses.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    if unread := [record["error"] for record in records if "error" in record]:
        raise SystemExit("; ".join(unread))
    people = {Path(record["image"]).name: len(record["people"]) for record in records}
    if sorted(people) != names:
        raise SystemExit(f"{results / 'poses.jsonl'}: records of {sorted(people)}, expected {names}")
    for name in names:
        drawn = _is_drawn_on(pictures / name, results / name)
        if people[name] and not drawn:
            raise SystemExit(f"{results / name}: {people[name]} people in the record, none drawn")
    if not any(people.values()):
        raise SystemExit(f"{results}: no people were found in any of {len(names)} images")
    return f"demo: {len(names)} images drawn, people found: {people}"


def _is_drawn_on(picture: Path, drawing: Path) -> bool:
    with Image.open(picture) as before, Image.open(drawing) as after:
        if before.size != after.size:
            raise SystemExit(f"{drawing}: {after.size} pixels, the image has {before.size}")
        difference = ImageChops.difference(before.convert("RGB"), after.convert("RGB"))
    return max(high for _, high in difference.getextrema()) > 64  # far more than re-encoding as JPEG changes


if __name__ == "__main__":
    print(check(Path(sys.argv[1]), Path(sys.argv[2])))
