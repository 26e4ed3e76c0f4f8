"""Videos, cameras and streams: reading, tracking, smoothing, drawing and writing."""
