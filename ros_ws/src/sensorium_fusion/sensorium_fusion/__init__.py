"""Observation to policy to joint trajectory."""
