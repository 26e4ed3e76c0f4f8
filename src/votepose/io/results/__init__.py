"""The formats that `votepose predict` writes: JSON lines, COCO results, CSV and Parquet tables."""
