"""YOLO pose datasets in Ultralytics' format: a data.yaml, images/, and in labels/ a text file per image."""
