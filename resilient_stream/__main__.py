"""Runs the command `resilient-stream` as `python -m resilient_stream`."""

from .cli import main

main()
