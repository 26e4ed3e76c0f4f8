"""`python -m votepose`: the same as the `votepose` command."""

import sys

from votepose.cli import main

if __name__ == "__main__":
    sys.exit(main())
