"""What somebody else wrote into the keys of a target: no exchange fails, and no target is closed or held back by it for
longer than anything of ours could."""

from __future__ import annotations

import math
from typing import Any

import pytest

from resilient_stream.fleet.board import LONGEST_DEBT, News, Rates, View
from resilient_stream.fleet.bucket import LONGEST, Cost
from resilient_stream.stores import RedisStore
from resilient_stream.stores.exchange import LONGEST_OPEN, MOST_COUNTED, MOST_TRIPS

pytestmark = [pytest.mark.usefixtures("nothing_left"), pytest.mark.outside]

JUNK = ("", "x", "nan", "-nan", "inf", "-inf", "1e300", "-1e300", "9" * 400, "0x10", "\x00", "1:2:3:4")


@pytest.fixture
def store(redis_store: RedisStore) -> RedisStore:
    """A store on a real server."""
    return redis_store


async def written(store: RedisStore, part: str, **fields: Any) -> None:
    """Somebody else writes to Redis."""
    await store.ask(lambda client: client.hset(store.key("fleet", "{target}", part), mapping=fields))


async def tell(store: RedisStore, **news: Any) -> View:
    """One exchange, which asks for one of ten requests a second."""
    asked = News("target", "a", circuit="c", limits="l", rates=Rates(requests=600), take=Cost(1, 0))
    view = await store.exchange(asked._replace(**news))
    assert view is not None
    assert all(map(math.isfinite, (*view[2:4], view.wait, view.hold, *view.levels, view.standing.seconds)))
    return view


@pytest.mark.parametrize("junk", JUNK)
async def test_a_circuit_of_junk(store: RedisStore, junk: str) -> None:
    """It may be open, as if a process had said so, for a day at most; without a version it is not."""
    await written(store, "circuit:c", **dict.fromkeys((*"vutwpq", *(f"s{slot}" for slot in range(10))), junk), o="1")
    view = await tell(store, calls=1, failures=1)
    assert view.standing.opened == (view.version > 0)
    assert 0 <= view.standing.seconds <= LONGEST_OPEN
    assert view.standing.trips <= MOST_TRIPS
    assert view.calls <= MOST_COUNTED + 1


async def test_counts_and_openings_beyond_all_measure(store: RedisStore) -> None:
    """They are bounded inside Redis, too, so that what is written back is."""
    far = 9 * 10**15
    slots = {f"s{slot}": f"{slot}:{far}:{far}" for slot in range(10)}
    await written(store, "circuit:c", v=5, o=1, u=far, t=far, w=far, p=far, q="b", **slots)
    view = await tell(store, version=5, calls=1, probe=9.0)
    assert (view.standing.opened, view.may_probe, view.calls) == (True, False, 1)
    lasts = await store.ask(lambda client: client.pttl(store.key("fleet", "{target}", "circuit:c"))) / 1000
    assert lasts == pytest.approx(LONGEST_OPEN + 2 * 30 * (1 + MOST_TRIPS) + 9, abs=2)
    assert view.standing.seconds == pytest.approx(LONGEST_OPEN, abs=1)
    assert view.standing.trips == MOST_TRIPS
    assert view.standing.well == 0


async def test_counts_of_the_future_are_none(store: RedisStore) -> None:
    """Redis's clock was set back: what was counted by the later time is not kept for ever."""
    seconds = (await store.ask(lambda client: client.time()))[0]
    later = int(seconds * 10 / 30) + 1203
    await written(store, "circuit:c", **{f"s{later % 10}": f"{later}:50:50"})
    assert (await tell(store, calls=1))[2:4] == (1, 0)


@pytest.mark.parametrize("junk", JUNK)
async def test_limits_of_junk(store: RedisStore, junk: str) -> None:
    """A request waits an hour at most, and is held back for a minute at most."""
    await written(store, "limits:l", r=junk, t=junk, h=junk)
    view = await tell(store)
    assert 0 <= view.wait <= LONGEST_DEBT
    assert 0 <= view.hold <= LONGEST
    assert (await tell(store)).wait <= LONGEST_DEBT
