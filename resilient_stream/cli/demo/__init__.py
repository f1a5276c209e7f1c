"""Runs the command `demo`, in which an answer is cut on purpose, and still comes whole."""
