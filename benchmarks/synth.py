"""Profiles `votepose synth`: CPU time per scene and step in one process; writes benchmarks/synth.json.

    python benchmarks/synth.py [--layouts train2017.npz] [--scenes 128] [--size 320]

CPU time depends little on other load. Processes share nothing, so n cores generate n times as many scenes.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import platform
import pstats
import time
from pathlib import Path

from votepose.synth.config import SynthConfig
from votepose.synth.factory import make_block, prepare
from votepose.synth.generate import BLOCK

STEPS = {  # step -> the functions that belong to it
    "poses fitted to layouts": (("reenact.py", "reenact"),),
    "free crowds placed": (("crowd.py", "crowd"),),
    "bodies posed and dressed": (("figures.py", "figures"),),
    "tree for the rays built": (("render.py", "__init__"),),
    "rays": (("render.py", "picture"),),
    "background": (("studio.py", "_background"),),
    "camera": (("camera_effects.py", "photograph"),),
    "truth": (("truth.py", "annotate"),),
}


def main() -> None:
    """Time the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layouts", type=Path, default=None, help="layouts to re-enact in 3 of 4 scenes")
    parser.add_argument("--scenes", type=int, default=2 * BLOCK)
    parser.add_argument("--size", type=int, default=320, help="longest side of the images, in pixels")
    options = parser.parse_args()
    config = SynthConfig(Path("unused"), seed=9, size=options.size, layouts=options.layouts)
    backgrounds = prepare(config)
    make_block(config, backgrounds, 0, 2)  # once-per-process setup
    profile = cProfile.Profile(time.process_time)
    people, started = 0, time.process_time()
    profile.enable()
    for first in range(0, options.scenes, BLOCK):
        scenes = make_block(config, backgrounds, first, min(first + BLOCK, options.scenes))
        people += sum(len(scene.annotations) for scene in scenes)
    profile.disable()
    whole = 1000 * (time.process_time() - started) / options.scenes
    spent = _by_step(pstats.Stats(profile), options.scenes)
    spent["the rest"] = whole - sum(spent.values())
    result = {
        "scenes": options.scenes,
        "size": options.size,
        "people_a_scene": round(people / options.scenes, 2),
        "layouts": options.layouts is not None,
        "cpu_ms_a_scene": round(whole, 1),
        "scenes_a_second_a_core": round(1000 / whole, 2),
        "cpu_ms": {k: round(v, 1) for k, v in spent.items()},
        "host": platform.processor() or platform.machine(),
    }
    (Path(__file__).parent / "synth.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for step, milliseconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{step:35} {milliseconds:7.1f} ms  {100 * milliseconds / whole:4.1f} %")
    print(f"{whole:.0f} ms of CPU per scene: {1000 / whole:.1f} scenes per second and core")


def _by_step(stats: pstats.Stats, scenes: int) -> dict[str, float]:
    """Milliseconds per scene of each step, calls included."""
    spent = dict.fromkeys(STEPS, 0.0)
    for (file, _, name), (*_, cumulative, _) in stats.stats.items():  # type: ignore[attr-defined]
        for step, functions in STEPS.items():
            if "synth" in file and (Path(file).name, name) in functions:
                spent[step] += 1000 * cumulative / scenes
    return spent


if __name__ == "__main__":
    main()
