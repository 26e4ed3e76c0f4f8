"""Parses COCO keypoint jsons into images and people, for both the loader and the metrics."""
