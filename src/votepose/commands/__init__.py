"""The `votepose` command. Each subcommand has one thin module with a `<Name>Config` dataclass and a `run` function."""
