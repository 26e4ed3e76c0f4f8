"""Backgrounds made of numbers: textures, what stands far off, grounds, walls and clutter; `scene` joins them."""
