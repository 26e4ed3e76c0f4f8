"""One criterion a file: outputs and targets in, a dict of scalars out."""
