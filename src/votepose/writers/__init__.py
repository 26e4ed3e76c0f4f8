"""What `votepose predict` leaves behind: records, COCO results, tables, drawn pictures, whole at every moment.

Every file grows under another name and gets its own only when it is complete, so a reader never meets half a file.
A run that is stopped (Ctrl-C, SIGTERM, an error) keeps the images it had done, and `--resume` goes on after them.
"""

from __future__ import annotations

from votepose.writers.coco import CocoWriter
from votepose.writers.folder import picture_paths, prepare_folder, save_picture, save_text
from votepose.writers.records import RecordsWriter
from votepose.writers.results import Format, Results
from votepose.writers.tables import CsvWriter, ParquetWriter

__all__ = [
    "CocoWriter",
    "CsvWriter",
    "Format",
    "ParquetWriter",
    "RecordsWriter",
    "Results",
    "picture_paths",
    "prepare_folder",
    "save_picture",
    "save_text",
]
