"""Runs the command `top`, which shows the targets of all processes that report to a store."""
