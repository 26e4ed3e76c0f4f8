"""`python -m votepose`: the same as the `votepose` command."""

import sys

from votepose.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
