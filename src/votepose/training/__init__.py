"""Training: options, recipes, targets, losses and the Lightning module."""
