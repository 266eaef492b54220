"""Encoders, fusion, training, export, evaluation."""
