"""Claims in Redis: what is read back is bounded, what is written expires, and no call waits for a slow one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from resilient_stream.fleet.pool import LONGEST_LEASE, MOST, PERIOD_LASTS, Claim
from resilient_stream.stores import RedisStore
from resilient_stream.stores.lua import numbers_of, share_of
from resilient_stream.stores.redis import PATIENCE, Misread

from ..engine.clock import running_clock
from .test_redis_exchange import Scripted

pytestmark = pytest.mark.usefixtures("nothing_left")

ASKED = Claim("pool", "aaaa", 1, 10, 5.0, held=2, least=1, need=3, most=4, waits=1.5, period="7", used=6, spender="aa")
FINE = [b"3", b"3", b"6", b"1", b"0"]


# -- without a server ---------------------------------------------------------------------------


async def test_keys_of_one_pool_share_a_node_and_numbers_are_whole() -> None:
    """Both names carry the same part in braces; times are microseconds."""
    redis = Scripted()
    redis.reply = FINE
    store = RedisStore(connect=redis.connect)
    assert await store.claim(ASKED) == (3, 3, 6, 1, False)
    _, count, *names = redis.asked[0]
    assert (count, names[:2]) == (2, ["resilient_stream:fleet:{pool}:held", "resilient_stream:fleet:{pool}:used:7"])
    assert names[2:] == ["aaaa", "1", "10", "5000000", "2", "1", "3", "4", "1500000", "6", "aa"]
    await store.claim(ASKED._replace(period=""))
    assert redis.asked[1][1:3] == (1, "resilient_stream:fleet:{pool}:held")
    await store.aclose()


async def test_a_slow_redis_is_asked_for_nothing() -> None:
    """Nobody waits longer than 50 ms; what finds out whether it is quick again claims nothing."""
    with running_clock() as clock:
        redis = Scripted()
        redis.reply, redis.takes = FINE, 0.2
        store = RedisStore(connect=redis.connect)
        assert await store.claim(ASKED) is None
        assert clock.passed == pytest.approx(PATIENCE)
        assert await store.claim(ASKED) is None
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert redis.asked[1][4:] == ("aaaa", "1", "10", "5000000", "2", "0", "0", "0", "0", "6", "aa")
        redis.takes = 0.0
        await store.aclose()


@pytest.mark.parametrize("reply", [None, b"OK", [], FINE[:-1], [*FINE, b"1"], [*FINE[:-1], b"nan"], ["x"] * 5])
async def test_an_answer_of_another_form_is_none(reply: Any) -> None:
    """Nothing is made of it."""
    redis = Scripted()
    redis.reply = reply
    store = RedisStore(connect=redis.connect)
    assert await store.claim(ASKED) is None
    with pytest.raises(Misread):
        numbers_of(reply, 5)
    await store.aclose()


def test_numbers_read_back_are_bounded() -> None:
    """Whatever somebody wrote, sums stay whole numbers that can be added."""
    assert share_of((1e300, -5.0, 1e18, 2.7, 1.0)) == (MOST, 0, MOST, 2, True)


# -- with one -----------------------------------------------------------------------------------


@pytest.fixture
def store(redis_store: RedisStore) -> RedisStore:
    """A store on a real server."""
    return redis_store


HELD, USED = "fleet:{pool}:held", "fleet:{pool}:used:7"


async def written(store: RedisStore, name: str, **fields: Any) -> None:
    """Somebody else writes to Redis."""
    await store.ask(lambda client: client.hset(store.key(name), mapping=fields))


@pytest.mark.outside
async def test_what_is_written_expires(store: RedisStore) -> None:
    """Leases after the longest one, what was used two days after its last news: in any case after its day."""
    await store.claim(ASKED)
    lasts = [await store.ask(lambda client, name=name: client.pttl(store.key(name))) for name in (HELD, USED)]
    assert lasts[0] == pytest.approx(LONGEST_LEASE * 1000, abs=5000)
    assert lasts[1] == pytest.approx(PERIOD_LASTS * 1000, abs=5000)


@pytest.mark.outside
@pytest.mark.parametrize("junk", ["", "x", "1:2", "nan:nan:nan", "1e99:1e99:1e99", "-1:-1:-1", "9" * 400])
async def test_junk_in_redis_breaks_no_claim(store: RedisStore, junk: str) -> None:
    """Leases, sums, times and turns of another form count as none."""
    await written(store, HELD, n=junk, x=junk, q="bbbb", u=junk, aaaa=junk, bbbb=junk)
    await written(store, USED, n=junk, aaaa=junk)
    share = await store.claim(ASKED)
    assert share is not None
    assert 0 <= share.by_all <= MOST
    assert 0 <= share.used <= MOST


@pytest.mark.outside
async def test_a_lease_that_somebody_wrote_for_ever_is_none(store: RedisStore) -> None:
    """One that would last longer than any may is not believed, and is taken away."""
    await written(store, HELD, bbbb=f"1:9:{9 * 10**15}")
    share = await store.claim(ASKED._replace(used=0))
    assert share is not None
    assert share.by_all == 2 + 3
    left = await store.ask(lambda client: client.hkeys(store.key(HELD)))
    assert b"bbbb" not in left


@pytest.mark.outside
async def test_thousands_of_dead_processes_are_forgotten_at_once(store: RedisStore) -> None:
    """More than one command of Redis can be given."""
    await written(store, HELD, **{f"p{number}": "1:1:1" for number in range(9000)})
    share = await store.claim(ASKED)
    assert share is not None
    assert share.by_all == share.held
    assert await store.ask(lambda client: client.hlen(store.key(HELD))) <= 5


@pytest.mark.outside
async def test_a_sum_that_was_lost_is_found_again(store: RedisStore) -> None:
    """When the next lease could be over, all are added up anew."""
    await store.claim(ASKED._replace(process="bbbb", held=5, lasts=0.05, used=0, least=0))
    await store.claim(ASKED._replace(process="cccc", held=1, lasts=5.0, used=0, least=0))
    await written(store, HELD, n=10**6)
    await asyncio.sleep(0.06)
    share = await store.claim(ASKED._replace(held=0, least=0))
    assert share is not None
    assert share.by_all == 1


@pytest.mark.outside
async def test_a_sum_that_is_too_small_gives_no_more_than_once(store: RedisStore) -> None:
    """It does not go below nothing: what a process says it holds is counted."""
    await store.claim(ASKED._replace(held=8, used=0, least=0))
    await written(store, HELD, n=0)
    share = await store.claim(ASKED._replace(turn=2, held=8, used=0, least=1, need=9, most=9))
    assert share is not None
    assert share.held == 10
