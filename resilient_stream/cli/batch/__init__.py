"""Runs the command `batch`, which asks the rows of a file."""
