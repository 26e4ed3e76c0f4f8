"""Drawn poses, colour maps, and galleries of what was found beside the truth."""
