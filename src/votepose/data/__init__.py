"""COCO-format images and people, and batches for training."""
