"""What surrounds the model at run time: the flip test, provenance, default settings."""
