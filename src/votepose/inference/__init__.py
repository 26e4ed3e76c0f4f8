"""Running the model: sessions, weights, default settings, the flip test, and provenance of results."""
