"""COCO keypoint jsons -> pictures and people: the one reading that the loader and the metrics share."""
