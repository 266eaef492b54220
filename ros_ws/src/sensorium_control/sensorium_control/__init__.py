"""The gate between any command and the arm."""
