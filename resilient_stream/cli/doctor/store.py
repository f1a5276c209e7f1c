"""Checks a shared store: whether a Redis or Valkey server does for a fleet what `RedisStore` needs.

The last check is a real exchange through the real store, under a key of its own that expires within seconds. No
password is shown, and nothing is printed here.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from ...failures import StreamMisused
from ...fleet.board import News, Rates
from ...fleet.bucket import Cost
from ...stores.cluster import nodes_of
from ...stores.exchange import exchanged
from ...stores.looking import PINGS, Server, looked_at
from ...stores.redis import PATIENCE, RedisStore
from ..stores import mismatch, shown, trouble_of
from .checks import Check, Stop

__all__ = ["STORE_STEPS", "StoreExamination"]

STORE_STEPS: Mapping[str, str] = {
    "address": "the URL is one, and the package redis is installed",
    "reach": "each server that is named accepts a connection and the password",
    "version": "Redis 6.2 or later, or Valkey",
    "cluster": "the URL says whether it is a cluster, as the server does",
    "speed": "it answers within the time for which a call waits",
    "clock": "its clock and this machine's agree",
    "memory": "no key is dropped when its memory is full",
    "exchange": "limits can be taken from it, as a call does",
}
"""The steps in their order, each with what it means when it is ok."""

OLDEST = (6, 2)
SLOW = 0.01
"""Seconds of a round trip from which on it is said what that costs."""

APART = 60.0
"""Seconds by which clocks may differ: budgets of a day begin by each machine's own clock."""


class StoreExamination:
    """Examines one store. deadline: seconds for all steps. `checks` can be read while it runs."""

    def __init__(self, url: str, deadline: float) -> None:
        self.name = shown(url)
        self.checks: dict[str, Check] = {step: Check(step) for step in STORE_STEPS}
        self._url = url
        self._asked = self.name
        self._until = time.monotonic() + deadline
        self._store: RedisStore
        self._server: Server

    @property
    def ok(self) -> bool:
        """Return whether nothing was found that is wrong."""
        return not self.failed and self.checks["exchange"].state == "ok"

    @property
    def failed(self) -> list[Check]:
        """Return the steps that failed."""
        return [check for check in self.checks.values() if check.state == "failed"]

    async def run(self) -> None:
        """Run all steps that make sense after those before them."""
        steps: dict[str, Callable[[], Awaitable[str]]] = {
            "address": self._address, "reach": self._reach, "version": self._version, "cluster": self._cluster,
            "speed": self._speed, "clock": self._clock, "memory": self._memory, "exchange": self._exchange,
        }  # fmt: skip
        for step, work in steps.items():
            if (behind := next((name for name in ("address", "reach") if self._has_failed(name)), None)) is not None:
                self.checks[step] = Check(step, "skipped", note=f"not tried: {behind} failed")
                continue
            self.checks[step] = Check(step, "running")
            try:
                async with asyncio.timeout(max(self._until - time.monotonic(), 0.001)):
                    self.checks[step] = Check(step, "ok", note=await work())
            except Stop as stop:
                self.checks[step] = Check(step, stop.state, None, stop.note, stop.happened, stop.to_do)
            except Exception as error:  # the package redis may raise anything, and the deadline a TimeoutError
                trouble = trouble_of(error, self._url, self._asked)
                self.checks[step] = Check(step, "failed", None, trouble.note, trouble.happened, trouble.to_do)

    def _has_failed(self, step: str) -> bool:
        return self.checks[step].state == "failed"

    # -- the steps ----------------------------------------------------------------------------

    async def _address(self) -> str:
        try:
            self._store = RedisStore(self._url, prefix=f"resilient_stream:doctor:{os.getpid()}")
        except StreamMisused as misused:
            to_do = "For example: redis://localhost:6379/0, or redis+cluster://one:6379,other:6379."
            raise Stop("failed", "not usable", f"{str(misused).rstrip('.')}.", to_do) from None
        return ""

    async def _reach(self) -> str:
        nodes = nodes_of(self._url) or [self._url]
        for number, url in enumerate(nodes):
            self._asked = urlsplit(url).netloc.rpartition("@")[2] or self.name
            server = await looked_at(url)
            if not number:
                self._server = server
        return f"{len(nodes)} nodes" if len(nodes) > 1 else ""

    async def _version(self) -> str:
        server = self._server
        if not server.version:
            raise Stop("skipped", "this user may not ask (INFO)")
        numbers = tuple(map(int, re.findall(r"\d+", server.version)[:2]))
        if server.name == "Redis" and numbers < OLDEST:
            happened = f"The server is Redis {server.version}, and 6.2 is the oldest that is supported."
            raise Stop("failed", f"Redis {server.version}", happened, "Update it, or use Valkey.")
        return f"{server.name} {server.version}"

    async def _cluster(self) -> str:
        if not self._server.version:
            raise Stop("skipped", "this user may not ask (INFO)")
        if (trouble := mismatch(self._url, self._server)) is not None:
            raise Stop("failed", trouble.note, trouble.happened, trouble.to_do)
        return "a cluster" if self._server.is_cluster else "a single server"

    async def _speed(self) -> str:
        seconds = self._server.seconds
        took = f"{seconds * 1000:.1f} ms, the median of {PINGS} round trips"
        if seconds >= PATIENCE:
            happened = (
                f"A round trip takes {took}. Calls wait {PATIENCE * 1000:.0f} ms at most, and then go without it."
            )
            raise Stop("failed", took, happened, "Use a server that is nearer: the same zone or network.")
        return f"{took}; each call with limits waits that long" if seconds >= SLOW else took

    async def _clock(self) -> str:
        apart = abs(self._server.apart)
        said = f"{apart * 1000:.0f} ms apart" if apart < 1 else f"{apart:.0f} s apart"
        if apart > APART:
            happened = f"The clocks are {apart:.0f} s apart. Budgets of a day begin and end at another time here."
            raise Stop("failed", said, happened, "Set the clock of this machine or of the server (NTP).")
        return said

    async def _memory(self) -> str:
        server = self._server
        if not server.policy:
            raise Stop("skipped", "this user may not ask (INFO)")
        if not server.room:
            return "no bound is set (maxmemory)"
        if server.policy == "noeviction":
            return f"{server.room // 2**20} MiB; when they are full, the store counts as lost"
        happened = (
            f"When its {server.room // 2**20} MiB are full, the server drops keys ({server.policy}). All of ours "
            "expire, so it may drop them: limits and budgets would begin anew."
        )
        raise Stop("failed", server.policy, happened, "Set maxmemory-policy to noeviction, or use a server of its own.")

    async def _exchange(self) -> str:
        store = self._store
        news = News("doctor", "doctor", limits="doctor", rates=Rates(requests=6000), take=Cost(1.0, 0.0))
        try:
            await store.ask(lambda client: exchanged(client, store.prefix, news))
        finally:
            await store.aclose()
        return "as a call does it"
