"""COCO keypoint AP, error analysis, calibration and galleries."""
