"""`votepose predict --engine ray`: processes millions of images on a Ray cluster.

The inputs (listing.py) are divided into numbered chunks, and the division is saved (plan.py). Ray Data passes the
chunks to workers, each with its own Predictor (driver.py, connection.py, worker.py). A chunk's records are written
atomically, by a rename or as one object of a store (files.py): a chunk is done when its file exists, and processing it
twice does no harm, so runs can be resumed and workers may die. An image that crashes workers is detected (journal.py).

| in the output folder | |
|---|---|
| records/part-00012.jsonl | one record per image, as in `poses.jsonl`; `image` and `error` if it could not be read |
| pictures/part-00012/0034-photo.jpg | the drawing of that file's line 34, counted from 0 |
| plan/ | the images in each part, and the settings that the results depend on |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from votepose.errors import VoteposeError, installing

if TYPE_CHECKING:
    from votepose.cluster.config import ClusterConfig
    from votepose.predictor import Predictor


def run(config: ClusterConfig, predictor: Predictor) -> int:
    """Process the images on Ray; progress and failures go to stderr, one summary line to stdout.

    Args:
        predictor: a predictor on this machine's CPU; every worker loads one with the same weights and settings.

    Returns:
        0, or 1 if an image could not be read.

    Raises:
        VoteposeError: if Ray is not installed or not reachable, there are no images, or an option is wrong.
        KeyboardInterrupt: on Ctrl-C, SIGTERM or SIGHUP; the same command continues with the remaining chunks.
    """
    try:
        from votepose.cluster import driver
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "votepose":
            raise
        message = f"--engine ray needs {error.name}, which is not installed: {installing('cluster')}"
        raise VoteposeError(message) from error
    return driver.run(config, predictor)
