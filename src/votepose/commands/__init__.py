"""The `votepose` command: one module a subcommand, thin, each with a `<Name>Config` and a `run`."""
