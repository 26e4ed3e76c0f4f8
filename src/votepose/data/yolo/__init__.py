"""YOLO pose datasets, as Ultralytics documents them: a data.yaml, and beside images/ a text file per image."""
