"""Initial weights for the preset `mobile` from the trained weights of the preset `lite`."""
