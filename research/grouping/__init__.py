"""Which way of grouping is best? Four of them on one frozen trunk: `python -m research.grouping --help`."""
