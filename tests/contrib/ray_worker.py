"""What each process of Ray does first in the tests."""

from __future__ import annotations

from resilient_stream.stores import redis

__all__ = ["be_patient"]


def be_patient() -> None:
    """Wait for Redis however busy the machine is: what the actors share is tested, not how soon."""
    redis.PATIENCE = 5.0
