"""How far confidences mean what they say, and the calibration that makes them."""
