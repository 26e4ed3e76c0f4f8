"""The network: backbone, hourglass, transformer, and the model that they make."""
