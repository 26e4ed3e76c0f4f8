"""The network and the estimator around it, presets, weights files and their loading."""
