"""The losses: each module computes a dict of scalars from outputs and targets."""
