"""Clients that share a store in memory, by the test's clock."""

from __future__ import annotations

import asyncio
from typing import Any

from resilient_stream import Client, Recovery, RetryPolicy, StreamError
from resilient_stream.fleet.board import News, View
from resilient_stream.fleet.pool import Claim, Share
from resilient_stream.fleet.shared import FRESH
from resilient_stream.stores import MemoryStore
from tests.engine.clock import Clock
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, client_over, text_event

__all__ = ["OVERLOADED", "Watched", "ask", "good", "refused", "sharing", "told"]

OVERLOADED = b'{"error": {"message": "Overloaded", "type": "server_error"}}'


class Watched(MemoryStore):
    """A store in memory that notes what it is told. silent: it answers nothing, as Redis does when it is lost."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(lambda: clock.now)
        self.exchanges: list[News] = []
        self.claims: list[Claim] = []
        self.silent = False
        self.takes = 0.0

    async def exchange(self, news: News) -> View | None:
        """Note it."""
        self.exchanges.append(news)
        await asyncio.sleep(self.takes)
        return None if self.silent else await super().exchange(news)

    async def claim(self, claim: Claim) -> Share | None:
        """Note it."""
        self.claims.append(claim)
        await asyncio.sleep(self.takes)
        return None if self.silent else await super().claim(claim)


def good() -> Answer:
    """A whole answer."""
    return Answer(text_event("Hello") + STOP + END)


def refused(status: int = 503, **headers: str) -> Answer:
    """An HTTP error."""
    return Answer(OVERLOADED, status=status, headers={"content-type": "application/json", **headers})


def sharing(store: Any, *answers: Any, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client on the store, without retries."""
    return client_over(*answers, **{"store": store, "retry": RetryPolicy.off(), "recovery": Recovery.off(), **options})


async def ask(client: Client, times: int = 1, **options: Any) -> list[StreamError | None]:
    """What some calls ended with, one after another."""
    ends: list[StreamError | None] = []
    for _ in range(times):
        try:
            await client.complete("Hi", **options)
            ends.append(None)
        except StreamError as error:
            ends.append(error)
    return ends


async def told() -> None:
    """The news are sent."""
    await asyncio.sleep(FRESH)
