"""The network, the estimator around it, presets, and weights files."""
