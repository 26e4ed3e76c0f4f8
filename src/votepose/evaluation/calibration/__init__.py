"""Measures how well confidences match observations, and fits their calibration."""
