"""Backbones: networks from pixels to feature maps."""
