"""How networks are trained: options, recipes, targets, losses and the Lightning module."""
