"""`votepose synth`: scenes by number -> shards of images and one COCO json. The same seed gives the same bytes.

Scene i depends only on the seed, i and the options, and the scenes of a block are fitted together. So blocks can be
made by any number of processes, and a stopped run continues with the first missing shard.
"""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from votepose.errors import VoteposeError
from votepose.synth.backgrounds import Backgrounds
from votepose.synth.config import SynthConfig
from votepose.synth.factory import make_block, prepare
from votepose.synth.shards import Scene, ShardFolder
from votepose.utils.cpus import usable_cpus
from votepose.utils.progress import Bar

BLOCK = 64  # scenes made by one process at a time
SHARD = 4 * BLOCK  # scenes in a zip; a stopped run loses fewer than this


def run(config: SynthConfig) -> int:
    """Make the missing images, and print one line about all of them.

    Raises:
        VoteposeError: if an option, the layouts or the backgrounds cannot be used, or the folder holds other images.
        OSError: if a result cannot be written; nothing is left half-written.
    """
    config.check()
    folder = ShardFolder(config.out, config.content(), config.count, SHARD)
    missing = folder.missing()
    backgrounds = prepare(config) if missing else None
    done = config.count - sum(last - first for first, last in missing)
    with folder, Bar("synth", config.count, done) as bar:
        scenes = _counted(_scenes(config, backgrounds, missing), bar)
        for first, last in missing:
            folder.write(first, itertools.islice(scenes, last - first))
        people = folder.merge()
    if config.sheet:
        from votepose.synth.sheet import write_sheet

        write_sheet(config.out, config.sheet)
    print(f"{config.count} images, {people} people; in {config.out}")
    return 0


def _scenes(config: SynthConfig, backgrounds: Backgrounds | None, shards: list[tuple[int, int]]) -> Iterator[Scene]:
    """The scenes of the shards in order, made by worker processes."""
    blocks = [(start, min(start + BLOCK, last)) for first, last in shards for start in range(first, last, BLOCK)]
    workers = min(config.workers or usable_cpus(), max(1, len(blocks)))
    context = multiprocessing.get_context("spawn")  # forking does not work with torch's threads
    pool = ProcessPoolExecutor(workers, context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        ahead = [pool.submit(make_block, config, backgrounds, *block) for block in blocks[: 2 * workers]]
        for number in range(len(blocks)):
            yield from ahead.pop(0).result()
            if number + 2 * workers < len(blocks):  # only a few blocks ahead of the writer, to limit memory
                ahead.append(pool.submit(make_block, config, backgrounds, *blocks[number + 2 * workers]))
        pool.shutdown()
    except BrokenProcessPool:
        raise VoteposeError("a worker process was killed, perhaps for lack of memory: try fewer --workers") from None
    finally:  # when stopped early, do not wait for blocks that are no longer needed
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


def _counted(scenes: Iterator[Scene], bar: Bar) -> Iterator[Scene]:
    for scene in scenes:
        bar.advance()
        yield scene
