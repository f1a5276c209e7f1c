"""What each process of Ray does first in the tests."""

from __future__ import annotations

import os

from aiohttp import client_reqrep

from resilient_stream.stores import redis

__all__ = ["begin"]


def begin() -> None:
    """Wait for Redis however busy the machine is: what the actors share is tested, not how soon. And tell the provider
    which process asks."""
    redis.PATIENCE = 5.0
    client_reqrep.SERVER_SOFTWARE = f"process {os.getpid()}"
