"""Serves a small model on this machine, in a child of this process."""
