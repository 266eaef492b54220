"""Checks of this machine, each with the line that mends it."""
