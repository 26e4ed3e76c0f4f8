"""COCO-format pictures and people, and the batches that training draws from them."""
