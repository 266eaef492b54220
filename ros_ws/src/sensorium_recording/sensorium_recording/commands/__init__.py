"""Subcommands of `sensorium` about recordings."""
