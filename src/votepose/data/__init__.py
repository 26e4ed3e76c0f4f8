"""COCO-format images and people, and the batches that training draws from them."""
