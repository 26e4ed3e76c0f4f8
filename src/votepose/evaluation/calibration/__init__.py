"""How well confidences match what is observed, and the calibration that makes them match."""
