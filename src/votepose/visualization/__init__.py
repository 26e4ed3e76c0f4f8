"""Poses drawn over their image, and colour maps."""
