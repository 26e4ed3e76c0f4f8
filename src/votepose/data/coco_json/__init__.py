"""COCO keypoint jsons -> images and people: the one reading that the loader and the metrics share."""
