"""What calls wait for Redis: nothing after 50 ms, whatever it does; and what is read from it is not trusted."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from resilient_stream.fleet.board import News, Rates
from resilient_stream.fleet.bucket import Cost
from resilient_stream.fleet.pool import Claim
from resilient_stream.stores import RedisStore
from resilient_stream.stores.exchange import MOST_COUNTED, SHA, view_of
from resilient_stream.stores.redis import PATIENCE, RETRY_AFTER, Misread

from ..engine.clock import Clock, running_clock
from ..loops import closed_over

pytestmark = pytest.mark.usefixtures("nothing_left")

ASKED = News("target", "a", limits="l", rates=Rates(60), take=Cost(1, 0))
FINE = b"0 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0"


class NoScriptError(Exception):
    """As the packages of Redis and Valkey name it."""


class Scripted:
    """A Redis that knows one function. takes: seconds for an answer. fails: what it raises."""

    def __init__(self) -> None:
        self.takes = 0.0
        self.fails: Exception | None = None
        self.reply: Any = FINE
        self.knows_it = True
        self.asked: list[tuple[Any, ...]] = []

    def connect(self) -> Scripted:
        """A client of it."""
        return self

    async def evalsha(self, *arguments: Any) -> Any:
        """Call the function."""
        self.asked.append(arguments)
        await asyncio.sleep(self.takes)
        if self.fails is not None:
            raise self.fails
        if not self.knows_it:
            raise NoScriptError
        return self.reply

    async def eval(self, script: str, *arguments: Any) -> Any:
        """Learn the function, and call it."""
        self.knows_it = True
        return await self.evalsha(SHA, *arguments)

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.fixture
def redis() -> Scripted:
    """The server."""
    return Scripted()


@pytest.fixture
def store(redis: Scripted) -> RedisStore:
    """A store on it."""
    return RedisStore("redis://user:secret@there:1/0", connect=redis.connect)


@pytest.fixture
async def clock() -> Any:
    """The loop's time, which passes by timers only."""
    with running_clock() as own:
        yield own


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the log is told."""
    caplog.set_level(logging.INFO, "resilient_stream")
    return caplog


def levels(said: pytest.LogCaptureFixture) -> list[str]:
    """How grave each of it is."""
    return [record.levelname for record in said.records]


async def test_a_hanging_redis_costs_50_ms_once(
    clock: Clock, redis: Scripted, store: RedisStore, said: pytest.LogCaptureFixture
) -> None:
    """The first call that meets it waits that long, and no other one; a single warning says so, without a password."""
    assert await store.exchange(ASKED) is not None
    redis.takes = 1e6
    before = clock.passed
    assert await store.exchange(ASKED) is None
    assert clock.passed - before == pytest.approx(PATIENCE)
    for _ in range(100):
        before = clock.passed
        assert await store.exchange(ASKED) is None
        assert clock.passed == before
        await asyncio.sleep(0.1)
    assert levels(said) == ["WARNING"]
    assert "secret" not in said.text
    assert len(redis.asked) < 30
    redis.takes = 0.0
    await store.aclose()


async def test_a_slow_redis_is_used_again_when_it_is_quick(
    clock: Clock, redis: Scripted, store: RedisStore, said: pytest.LogCaptureFixture
) -> None:
    """While each answer takes 200 ms nobody waits for one; one at a time is asked for, and it takes nothing."""
    await store.exchange(ASKED)
    redis.takes = 0.2
    for _ in range(10):
        assert await store.exchange(ASKED) is None
    await asyncio.sleep(1)
    assert len(redis.asked) == 3
    assert redis.asked[1] != redis.asked[2]
    assert (store.up, store.late) == (True, True)
    redis.takes = 0.0
    assert await store.exchange(ASKED) is None
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert await store.exchange(ASKED) is not None
    assert not store.late
    assert levels(said) == ["WARNING", "INFO"]


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), ValueError("a bug in somebody's client")])
async def test_no_error_of_a_client_reaches_a_call(
    clock: Clock, redis: Scripted, store: RedisStore, said: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Whatever it raises, the exchange has no answer; half a second later it is tried again."""
    redis.fails = error
    for _ in range(5):
        assert await store.exchange(ASKED) is None
    assert len(redis.asked) == 1
    redis.fails = None
    await asyncio.sleep(RETRY_AFTER)
    await store.exchange(ASKED)
    await asyncio.sleep(0.01)
    assert await store.exchange(ASKED) is not None
    assert levels(said) == ["WARNING", "INFO"]


async def test_a_busy_loop_is_no_slow_redis(clock: Clock, redis: Scripted, store: RedisStore) -> None:
    """The answer takes 20 ms, and the loop is held for a second meanwhile: the answer is read."""
    redis.takes = 0.02
    asking = asyncio.ensure_future(store.exchange(ASKED))
    await asyncio.sleep(0)
    clock.advance(1.0)
    assert await asking is not None


async def test_the_function_is_sent_where_it_is_not_known(redis: Scripted, store: RedisStore) -> None:
    """After a restart of Redis the next exchange loads it again."""
    redis.knows_it = False
    assert await store.exchange(ASKED) is not None
    assert await store.exchange(ASKED) is not None
    assert len(redis.asked) == 3


@pytest.mark.parametrize(
    "reply", [None, b"OK", [], FINE[:-2], FINE + b" 1", FINE[:-1] + b"nan", b"inf" + FINE[1:], "x " * 17]
)
async def test_an_answer_of_another_form_is_none(
    redis: Scripted, store: RedisStore, said: pytest.LogCaptureFixture, reply: Any
) -> None:
    """Nothing is made of it."""
    redis.reply = reply
    assert await store.exchange(ASKED) is None
    assert levels(said) == ["WARNING"]
    with pytest.raises(Misread):
        view_of(reply)


def test_numbers_read_back_are_bounded() -> None:
    """Somebody who writes to Redis closes no target for years."""
    view = view_of(b"1e30 1 1e30 1e30 -5 1e30 1e30 1 1e30 1 1 1e30" + b" 1e30" * 5)
    assert view.standing == (True, 86_400.0, 64, 0.0)
    assert (view.calls, view.failures) == (MOST_COUNTED, MOST_COUNTED)
    assert view.wait == 7200.0
    assert view.hold == 60.0


async def test_keys_of_one_target_share_a_node(redis: Scripted, store: RedisStore) -> None:
    """Both names carry the same part in braces, by which a cluster places them, and nothing else does."""
    await store.exchange(ASKED._replace(circuit="c"))
    _, number, *names = redis.asked[0][:4]
    assert number == 2
    assert names == ["resilient_stream:fleet:{target}:circuit:c", "resilient_stream:fleet:{target}:limits:l"]


async def test_what_finds_out_whether_redis_is_back_asks_for_nothing(
    clock: Clock, redis: Scripted, store: RedisStore
) -> None:
    """No place, no test, nothing of the limits: nobody would know that it was granted. What is told is told."""
    claim = Claim("3", "a", 7, 3, 5.0, held=2, least=1, need=1, most=1, waits=1.0)
    news = ASKED._replace(calls=4, probe=30.0, places=claim)
    redis.takes = 0.2
    assert await store.exchange(news) is None
    assert await store.exchange(news) is None
    await asyncio.sleep(0.01)
    (_, _, *asked), (_, _, *tried) = redis.asked
    first, second = asked[3:], tried[3:]
    assert (first[2], first[8], first[12], first[28:33]) == ("4", "30000000.0", "1", ["2", "1", "1", "1", "1000000"])
    assert (second[2], second[8], second[12], second[28:33]) == ("4", "0.0", "0.0", ["2", "0", "0", "0", "0"])
    redis.takes = 0.0
    await store.aclose()


def test_a_trial_of_a_loop_that_was_closed_over_it_does_not_bar_another(redis: Scripted, store: RedisStore) -> None:
    """Whether Redis is back is found out by whoever asks next, in a loop that runs."""

    async def without_an_answer() -> None:
        with running_clock():
            redis.takes = 1e6
            for _ in range(2):
                assert await store.exchange(ASKED) is None

    async def later() -> None:
        with running_clock():
            redis.takes = 0.0
            assert await store.exchange(ASKED) is None
            await asyncio.sleep(0.01)
            assert await store.exchange(ASKED) is not None
            await store.aclose()

    with closed_over(without_an_answer()):
        asyncio.run(later())


async def test_places_are_on_the_node_of_their_target(redis: Scripted, store: RedisStore) -> None:
    """Its key is the last, with the same part in braces; each of the three is named only where it is needed."""
    claim = Claim("3", "a", 7, 3, 5.0)
    await store.exchange(ASKED._replace(places=claim))
    await store.exchange(ASKED._replace(limits="", places=claim))
    assert redis.asked[0][1:5] == (
        3, "resilient_stream:fleet:{target}:circuit:", "resilient_stream:fleet:{target}:limits:l",
        "resilient_stream:fleet:{target}:places:3",
    )  # fmt: skip
    assert redis.asked[1][1:4] == (
        2, "resilient_stream:fleet:{target}:circuit:", "resilient_stream:fleet:{target}:places:3",
    )  # fmt: skip
