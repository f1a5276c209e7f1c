"""Keeps what processes report to Redis, for `resilient-stream top`: two functions in Lua, over two keys on one node.

A sorted set has the names of the records with the time at which each expires, by Redis's own clock, and a hash has the
records. A process that ends leaves one record, which the next report of another removes. Where nobody reports any
more, both keys expire.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from ..fleet.report import LARGEST, MOST, MOST_BYTES, Reports
from .lua import called

__all__ = ["FIND", "KEEP", "KEY", "RecordRefused", "found", "kept", "keys"]


KEY = "reports"
"""The part of a key's name by which a cluster chooses the node, so that it keeps both keys on one."""

NONSENSE = "it answers what the function never does"


class RecordRefused(Exception):
    """Redis is there, and refuses the command: its access list forbids it, or a key holds something else."""


_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

KEEP = f"""{_NOW}
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)
if #gone > 0 then
  redis.call('ZREM', KEYS[1], unpack(gone))
  redis.call('HDEL', KEYS[2], unpack(gone))
end
if redis.call('HLEN', KEYS[2]) ~= redis.call('ZCARD', KEYS[1]) then
  redis.call('DEL', KEYS[1], KEYS[2])
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
end
return redis.call('ZCARD', KEYS[1])
"""
"""Keeps a record. Where one of the keys was lost, as Redis drops keys that have no room, both begin anew."""

FIND = f"""{_NOW}
local names = redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(' .. now, 'LIMIT', 0, {MOST})
local records, size = {{}}, 0
for _, name in ipairs(names) do
  local length = redis.call('HSTRLEN', KEYS[2], name)
  if length > 0 and length <= {LARGEST} and size + length <= {MOST_BYTES} then
    size = size + length
    records[#records + 1] = redis.call('HGET', KEYS[2], name)
  end
end
return {{redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf'), records}}
"""
"""Returns how many records there are, and the latest of them, within their bounds."""


async def kept(client: Any, prefix: str, name: str, record: bytes, lasts: float) -> int:
    """Keep a record for so many seconds, and return how many there are. Raises RecordRefused, and what the client
    raises where it reaches nobody."""
    reply = await _called(client, KEEP, prefix, name, record, str(round(lasts * 1000)))
    if not isinstance(reply, int):
        raise RecordRefused(NONSENSE)
    return reply


async def found(client: Any, prefix: str) -> Reports:
    """Return the records. Raises as `kept` does."""
    match await _called(client, FIND, prefix):
        case [int(known), [*records]] if all(isinstance(record, bytes) for record in records):
            return Reports(records, known)
    raise RecordRefused(NONSENSE)


def keys(prefix: str) -> tuple[str, str]:
    """Return the names of both keys."""
    tag = f"{prefix}:fleet:{{{KEY}}}"
    return f"{tag}:times", f"{tag}:records"


async def _called(client: Any, script: str, prefix: str, *values: str | bytes) -> Any:
    try:
        return await called(client, script, _sha(script), keys(prefix), values)
    except Exception as error:
        # The packages redis and valkey both have this name.
        if any(cls.__name__ == "ResponseError" for cls in type(error).__mro__):
            raise RecordRefused(str(error)) from error
        raise


@functools.cache
def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
