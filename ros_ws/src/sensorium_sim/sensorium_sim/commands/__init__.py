"""Subcommands of `sensorium` about the simulator."""
