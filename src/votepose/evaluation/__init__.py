"""COCO keypoint AP, error analysis, calibration, galleries and ablation tables."""
