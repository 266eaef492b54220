"""MCAP recorder, reader and episode video."""
