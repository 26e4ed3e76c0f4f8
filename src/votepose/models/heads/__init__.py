"""Heads: from feature maps to presence, votes, proposals and refined poses."""
