"""`python -m resilient_stream.cli`: the same as the command `resilient-stream`."""

from . import main

main()
