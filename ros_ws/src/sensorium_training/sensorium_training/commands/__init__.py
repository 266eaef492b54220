"""Commands that this package adds to `sensorium`."""
