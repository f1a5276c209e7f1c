"""The report of a client: once a second, beside its calls, and no longer than it lives."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest

from resilient_stream import Client
from resilient_stream.engine import reporting as module
from resilient_stream.engine.reporting import EVERY, LASTS, LONGEST, MOST_A_SECOND
from resilient_stream.fleet.report import Report, read
from resilient_stream.stores import MemoryStore
from tests.engine.clock import Clock
from tests.engine.scripted import END, STOP, Answer, client_over, text_event
from tests.loops import passing_clock

pytestmark = pytest.mark.usefixtures("nothing_left")


class Told(MemoryStore):
    """A store that notes what it is told, and when. takes: seconds for a report. known: how many it says there are."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(lambda: clock.now)
        self.told: list[tuple[float, str, float]] = []
        self.takes = 0.0
        self.known: int | None = None
        self.fails: Exception | None = None
        self._time = clock

    async def report(self, name: str, record: bytes, lasts: float) -> int | None:
        """Note it."""
        self.told.append((self._time.passed, name, lasts))
        await asyncio.sleep(self.takes)
        if self.fails is not None:
            raise self.fails
        count = await super().report(name, record, lasts)
        return count if self.known is None else self.known

    async def read(self) -> list[Report]:
        """What `top` would read."""
        return read((await self.reports()).records)


@pytest.fixture
def store(clock: Clock) -> Told:
    """Where it is reported to."""
    return Told(clock)


def good() -> Answer:
    """A whole answer."""
    return Answer(text_event("Hello") + STOP + END)


async def test_it_is_told_once_a_second_from_the_beginning_to_the_end(clock: Clock, store: Told) -> None:
    """Also before the first call and where nothing is asked; nothing comes after the client is closed."""
    client, _ = client_over(good(), store=store)
    async with client:
        await asyncio.sleep(10 * EVERY)
        assert len(store.told) == 10
        ((_, name, lasts), *_) = store.told
        assert {each[1:] for each in store.told} == {(name, lasts)}
        assert lasts == LASTS * EVERY
        (report,) = await store.read()
        assert [mine.target for mine in report.targets] == ["openai:m0"]
    await asyncio.sleep(20)
    assert len(store.told) == 10
    assert await store.read() == []


async def test_a_client_without_a_with_begins_at_its_first_call(clock: Clock, store: Told) -> None:
    """And ends as it is closed."""
    client, _ = client_over(good(), good(), store=store)
    await asyncio.sleep(5)
    assert store.told == []
    for _ in range(2):
        await client.complete("Hi")
    await asyncio.sleep(3 * EVERY)
    assert len(store.told) == 3
    await client.aclose()
    assert client._reporting is not None
    assert client._reporting._timer is not None
    assert client._reporting._timer.handle.cancelled()
    await asyncio.sleep(5)
    assert len(store.told) == 3


async def test_a_client_that_nobody_keeps_is_not_kept_by_its_report(clock: Clock, store: Told) -> None:
    """Without `aclose` it ends, too."""
    client, _ = client_over(good(), store=store)
    await client.complete("Hi")
    await asyncio.sleep(2 * EVERY)
    told = len(store.told)
    del client
    gc.collect()
    await asyncio.sleep(5)
    assert len(store.told) == told > 0


async def test_without_a_store_there_is_nothing(clock: Clock) -> None:
    """No timer, no observer, and not even its module's objects; nor with a store that takes no reports."""

    class Old:
        lease = 10.0

        async def exchange(self, news: Any) -> None:
            """Nothing is known."""

        async def claim(self, claim: Any) -> None:
            """Nothing is known."""

    for options in ({}, {"store": Old()}):
        client, _ = client_over(good(), **options)
        async with client:
            assert client._reporting is None
            assert client.ledger.tell is None
            assert len(client._observers) == 1
            await client.complete("Hi")


async def test_clients_and_processes_are_told_apart(clock: Clock, store: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clients of one process are two records of one process, and a forked process is another one."""
    clients = [client_over(store=store)[0] for _ in range(2)]
    async with clients[0], clients[1]:
        await asyncio.sleep(EVERY)
        reports = await store.read()
        assert (len(reports), len({report.process for report in reports})) == (2, 1)
        monkeypatch.setattr(module.os, "getpid", lambda: -1)
        await asyncio.sleep(EVERY)
        reports = await store.read()
        assert (len(reports), len({report.process for report in reports})) == (4, 2)


async def test_no_call_waits_for_a_slow_store_and_reports_do_not_pile_up(clock: Clock, store: Told) -> None:
    """While a record is on its way no other one is sent; closing does not wait for it."""
    store.takes = 5.5
    client, _ = client_over(*(good() for _ in range(9)), store=store)
    async with client:
        for _ in range(9):
            before = clock.passed
            await client.complete("Hi")
            assert clock.passed == before
            await asyncio.sleep(EVERY)
        assert len(store.told) == 2
        before = clock.passed
    assert clock.passed == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_many_processes_report_less_often(clock: Clock, store: Told) -> None:
    """So that all of them together are so many records a second at most; and each lasts as long as that needs."""
    client, _ = client_over(store=store)
    async with client:
        for known, every in ((5 * MOST_A_SECOND, 5), (100_000 * MOST_A_SECOND, LONGEST), (1, EVERY)):
            store.known = known
            await asyncio.sleep(2 * LONGEST)
            (earlier, *_), (later, _, lasts) = store.told[-2:]
            assert later - earlier == pytest.approx(every)
            assert lasts == LASTS * every


async def test_a_store_that_raises_is_told_no_more_and_harms_no_call(
    clock: Clock, store: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the application's own then: ours raise nothing. The log says it once."""
    caplog.set_level(logging.ERROR, "resilient_stream")
    store.fails = RuntimeError("a bug")
    client, _ = client_over(*(good() for _ in range(5)), store=store)
    async with client:
        for _ in range(5):
            await asyncio.sleep(EVERY)
            assert (await client.complete("Hi")).text == "Hello"
    assert len(store.told) == 1
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_client_that_is_used_in_loop_after_loop_reports_in_each() -> None:
    """As scripts do that call asyncio.run more than once."""
    store = MemoryStore()
    client = Client("openai:m", store=store)
    loops = []

    async def used() -> None:
        assert client._reporting is not None
        client._reporting.begin()
        assert client._reporting._timer is not None
        loops.append(client._reporting._timer.loop is asyncio.get_running_loop())

    asyncio.run(used())
    asyncio.run(used())
    assert loops == [True, True]


def test_loops_that_take_turns_report_once_a_second() -> None:
    """One that has stopped reports nothing, and when it goes on, its timer of before is not a second one; nor is a
    record waited for that is on its way in another loop."""
    client, told = Client("openai:m", store=MemoryStore()), []

    async def report(*_: object) -> int:
        told.append(asyncio.get_running_loop())
        await asyncio.sleep(1e6 if len(told) == 1 else 0)
        return 1

    async def used(seconds: float) -> int:
        before = len(told)
        with passing_clock():
            client._reporting.begin()  # type: ignore[union-attr]
            await asyncio.sleep(seconds)
        return len(told) - before

    client._reporting._store.report = report  # type: ignore[union-attr,method-assign]
    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert [one.run(used(1.0)), other.run(used(10)), one.run(used(10)), other.run(used(10))] == [1, 10, 10, 10]
