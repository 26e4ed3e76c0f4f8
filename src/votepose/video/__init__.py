"""Videos, cameras and streams: read, track, smooth, draw, write."""
