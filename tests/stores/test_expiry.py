"""Keys in Redis end by themselves: each is asked to last as long as something of it matters, and no longer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from resilient_stream.fleet.board import News, Rates
from resilient_stream.fleet.bucket import Cost
from resilient_stream.fleet.circuit import Standing
from resilient_stream.fleet.pool import LONGEST_LEASE, Claim
from resilient_stream.stores import RedisStore

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.outside]

CIRCUIT, LIMITS, PLACES = "circuit:c", "limits:l", "places:9"


@pytest.fixture
def store(redis_store: RedisStore) -> RedisStore:
    """A store on a real server."""
    return redis_store


async def tell(store: RedisStore, **news: Any) -> int:
    """One exchange. Returns the version of the circuit."""
    view = await store.exchange(News("target", "a", circuit="c", **news))
    assert view is not None
    return view.version


async def lasts(store: RedisStore, part: str) -> float:
    """Seconds until a key of the target ends; below zero where there is none."""
    left: int = await store.ask(lambda client: client.pttl(store.key("fleet", "{target}", part)))
    return left / 1000


async def test_counts_last_for_two_windows(store: RedisStore) -> None:
    """Then all of them are out of it."""
    await tell(store, calls=1, window=30.0)
    assert await lasts(store, CIRCUIT) == pytest.approx(60, abs=2)


async def test_a_question_writes_nothing(store: RedisStore) -> None:
    """Who only asks keeps no key alive, and makes none."""
    await tell(store)
    assert await lasts(store, CIRCUIT) < 0


async def test_an_open_circuit_lasts_until_its_trips_are_forgotten(store: RedisStore) -> None:
    """As long as it is open, and two windows for each opening in a row, and two more; a test is added."""
    version = await tell(store, turn=Standing(True, 100.0, 3, 0.0), window=10.0)
    assert await lasts(store, CIRCUIT) == pytest.approx(100 + 2 * 10 * 4, abs=2)
    opened = await tell(store, version=version, turn=Standing(True, 0.0, 1, 0.0), window=10.0)
    assert await lasts(store, CIRCUIT) == pytest.approx(40, abs=2)
    await tell(store, version=opened, probe=30.0, window=10.0)
    assert await lasts(store, CIRCUIT) == pytest.approx(70, abs=2)


async def test_buckets_last_until_they_are_full(store: RedisStore) -> None:
    """And a second more; or until nothing is held back any more, if that is later."""
    limits: dict[str, Any] = {"limits": "l", "rates": Rates(requests=60, tokens=600)}
    await tell(store, take=Cost(1, 100), **limits)
    assert await lasts(store, LIMITS) == pytest.approx(11, abs=1)
    await tell(store, hold=40.0, **limits)
    assert await lasts(store, LIMITS) == pytest.approx(41, abs=1)
    await tell(store, back=Cost(-7200.0, 0.0), **limits)
    assert await lasts(store, LIMITS) == pytest.approx(3601, abs=2)


async def test_places_last_for_the_longest_lease(store: RedisStore) -> None:
    """Whoever else holds some may have one."""
    await tell(store, places=Claim("9", "a", 1, 9, 5.0, 0, 1, 1, 1))
    assert await lasts(store, PLACES) == pytest.approx(LONGEST_LEASE, abs=2)


async def test_keys_do_end(store: RedisStore) -> None:
    """Redis has nothing of a target of which nothing was heard for long enough."""
    await tell(store, calls=1, window=0.05, limits="l", rates=Rates(requests=6000), take=Cost(1, 0))
    assert await lasts(store, CIRCUIT) > 0
    await asyncio.sleep(1.1)
    assert await store.ask(lambda client: client.keys(store.key("*"))) == []
