"""`votepose predict --engine ray`: millions of images over the processes and machines of a Ray cluster.

The inputs (listing.py) are divided into numbered chunks, once, and the division is saved (plan.py). Ray Data passes the
chunks to workers, each with its own Predictor (driver.py, connection.py, worker.py). A chunk's records appear whole or
not at all, by a rename or as one object of a store (files.py): a chunk is done when its file exists, and doing it twice
does no harm. This makes runs resumable and workers expendable. An image that crashes workers is found (journal.py).

| in the output folder | |
|---|---|
| records/part-00012.jsonl | one record per image, as in `poses.jsonl`; `image` and `error` if it could not be read |
| pictures/part-00012/0034-photo.jpg | the drawing of that file's line 34, counted from 0 |
| plan/ | which images are in which part, and the settings that the results depend on |
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
        VoteposeError: if Ray is not installed or not reachable, there are no images, or an option is wrong.
        KeyboardInterrupt: at Ctrl-C, SIGTERM and SIGHUP; the same command continues with the remaining chunks.
    """
    try:
        from votepose.cluster import driver
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "votepose":
            raise
        message = f'--engine ray needs {error.name}, which is not installed: pip install "votepose[cluster]"'
        raise VoteposeError(message) from error
    return driver.run(config, predictor)
