"""`votepose predict --engine ray`: millions of images over the processes and machines of a Ray cluster.

The inputs (listing.py) are cut into numbered chunks, once, and the cut is written down (plan.py). Ray Data hands the
chunks to workers that hold a Predictor each (driver.py, connection.py, worker.py). A chunk's records appear whole or
not at all, by a rename or as one object of a store (files.py): so a chunk is done when its file exists, and doing it
twice does no harm. That alone makes runs resumable and workers expendable. An image that kills workers is found out
(journal.py).

| in the output folder | |
|---|---|
| records/part-00012.jsonl | a record an image, as in `poses.jsonl`; `image` and `error` where one could not be read |
| pictures/part-00012/0034-photo.jpg | the drawing of that file's line 34, counted from 0 |
| plan/ | which images are in which part, and what the results depend on |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from votepose.errors import VoteposeError

if TYPE_CHECKING:
    from votepose.cluster.config import ClusterConfig
    from votepose.predictor import Predictor


def run(config: ClusterConfig, predictor: Predictor) -> int:
    """Process the images on Ray; progress and failures go to stderr, one summary line to stdout.

    Args:
        predictor: of the same weights, on this machine's CPU; every worker loads one with the same settings.

    Returns:
        0, or 1 if an image could not be read.

    Raises:
        VoteposeError: if Ray is not installed or not reached, there are no images, or an option or the folder won't do.
        KeyboardInterrupt: at Ctrl-C, SIGTERM and SIGHUP; the same command goes on with the chunks that are not done.
    """
    try:
        from votepose.cluster import driver
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "votepose":
            raise
        message = f'--engine ray needs {error.name}, which is not installed: pip install "votepose[cluster]"'
        raise VoteposeError(message) from error
    return driver.run(config, predictor)
