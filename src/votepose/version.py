"""The version of votepose: here, so that every module can import it without importing the package's public names."""

__version__ = "0.1.0"
