"""Looks at what a Redis or Valkey server says of itself, and how it answers: for `doctor`, not for calls.

A server is looked at over a connection of its own, without what a store does to survive an outage.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["PINGS", "Server", "looked_at"]

PINGS = 20
"""Round trips of which the median is taken."""


class Server(NamedTuple):
    """Holds what was found about a server. seconds: of a round trip, the median of PINGS. apart: seconds by which its
    clock is before ours.

    version: "" where the user may not ask for it (INFO), like all that follows. policy: which keys it drops when its
    memory is full; room: bytes of that memory, 0 for no bound; is_cluster: it is a node of one.
    """

    seconds: float
    apart: float
    name: str = "Redis"
    version: str = ""
    policy: str = ""
    room: int = 0
    is_cluster: bool = False


async def looked_at(url: str) -> Server:
    """Look at the server of a URL. Raises what the package redis raises."""
    from redis.asyncio import Redis

    client: Any = Redis.from_url(url)
    try:
        await client.ping()  # the first ping also connects, so it is not timed
        times = [await _seconds(client) for _ in range(PINGS)]
        began = time.time()
        whole, parts = await client.time()
        apart = whole + parts / 1e6 - (began + time.time()) / 2
        return _described(Server(statistics.median(times), apart), await _server_info(client))
    finally:
        await client.aclose()


async def _seconds(client: Any) -> float:
    began = time.perf_counter()
    await client.ping()
    return time.perf_counter() - began


async def _server_info(client: Any) -> Mapping[str, Any]:
    """Return what the server says of itself; nothing where its user may not ask."""
    from redis.exceptions import NoPermissionError

    try:
        found: Mapping[str, Any] = await client.info()
    except NoPermissionError:
        return {}
    return found


def _described(server: Server, said: Mapping[str, Any]) -> Server:
    valkey = str(said.get("valkey_version", ""))
    return server._replace(
        name="Valkey" if valkey else "Redis",
        version=valkey or str(said.get("redis_version", "")),
        policy=str(said.get("maxmemory_policy", "")),
        room=int(said.get("maxmemory", 0)),
        is_cluster=bool(said.get("cluster_enabled", 0)),
    )
