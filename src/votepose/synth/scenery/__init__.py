"""Procedural backgrounds: textures, distant objects, grounds, walls and clutter; `scene` combines them."""
