"""The subcommands that this package brings."""
