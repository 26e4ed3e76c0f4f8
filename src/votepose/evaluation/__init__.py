"""COCO keypoint AP, ablation tables, error analysis and calibration."""
