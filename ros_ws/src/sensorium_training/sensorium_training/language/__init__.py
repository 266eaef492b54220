"""Training, measuring and exporting the language encoder."""
