"""The fake clock, for the tests of the engine that ask for it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from .clock import Clock, running_clock


@pytest_asyncio.fixture
async def clock() -> AsyncIterator[Clock]:
    """The time of this test's loop, which passes only by its timers or by hand."""
    with running_clock() as own:
        yield own
