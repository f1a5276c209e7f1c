"""Two providers of different vendors, of which the first dies in the middle of an answer, and a client over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from resilient_stream import Client, RetryPolicy
from resilient_stream.testing import Cut, End, FakeProvider, Text

__all__ = ["DYING", "GOING_ON", "WHOLE", "Upstreams", "upstreams"]

DYING = [Text("Half an "), Cut()]
GOING_ON = [Text("Half an answer ", "and the rest."), End()]
WHOLE = "Half an answer and the rest."


class Upstreams(NamedTuple):
    """What a test plays with."""

    first: FakeProvider
    second: FakeProvider
    client: Client


@asynccontextmanager
async def upstreams(**options: Any) -> AsyncIterator[Upstreams]:
    """Run both providers, and a client that asks the first once and then the second."""
    async with FakeProvider(DYING) as first, FakeProvider(GOING_ON) as second:
        targets = first.target("openai", model="gpt"), second.target("anthropic", model="claude")
        async with Client(*targets, **{"retry": RetryPolicy.off(), **options}) as client:
            yield Upstreams(first, second, client)
