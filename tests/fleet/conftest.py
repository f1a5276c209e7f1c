"""The fake clock, for the tests of a fleet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.engine.clock import Clock, running_clock

from .sharing import Watched


@pytest_asyncio.fixture
async def clock() -> AsyncIterator[Clock]:
    """The time of this test's loop, which passes only by its timers or by hand."""
    with running_clock() as own:
        yield own


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A circuit opens for its exact time."""
    monkeypatch.setattr("resilient_stream.fleet.circuit.JITTER", 0.0)


@pytest.fixture
def store(clock: Clock) -> Watched:
    """What the clients share."""
    return Watched(clock)
