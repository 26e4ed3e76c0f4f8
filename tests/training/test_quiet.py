"""Of what Lightning prints, exactly the known noise is left out, and only inside the block."""

from __future__ import annotations

import logging
import warnings

from votepose.training.quiet import quiet_lightning


def test_only_known_lines_are_left_out() -> None:
    logger, records = logging.getLogger("pytorch_lightning.utilities.rank_zero"), []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign,assignment]
    logger.addHandler(handler)
    try:
        with quiet_lightning():
            logger.warning("💡 Tip: try this")
            logger.warning("[rank: 0] Received SIGTERM: 15")
            logger.warning("the disk is full")
        logger.warning("💡 Tip: try that")
    finally:
        logger.removeHandler(handler)
    assert [record.getMessage() for record in records] == ["the disk is full", "💡 Tip: try that"]


def test_only_known_warnings_are_left_out() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with quiet_lightning():
            warnings.warn("The 'train_dataloader' does not have many workers", UserWarning, stacklevel=1)
            warnings.warn("`isinstance(treespec, LeafSpec)` is deprecated", FutureWarning, stacklevel=1)
            warnings.warn("the loss is not finite", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["the loss is not finite"]
