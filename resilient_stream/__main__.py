"""`python -m resilient_stream`: the same as the command `resilient-stream`."""

from .cli import main

main()
