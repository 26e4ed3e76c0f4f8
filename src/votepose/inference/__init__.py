"""The model at run time: its session, weights and default settings, the flip test, provenance."""
