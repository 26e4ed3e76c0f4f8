"""What `votepose predict` writes: JSON lines, COCO results, CSV and Parquet tables."""
