"""Runs the command `resilient-stream` as `python -m resilient_stream.cli`."""

from . import main

main()
