"""Runs the command `doctor`, which says whether the targets can be reached and answer."""
