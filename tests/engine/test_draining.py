"""An answer that its caller leaves is read on in the background, for its usage only, where `drain=` asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

import pytest
import pytest_asyncio

from resilient_stream import (
    Breaker,
    Client,
    Hedge,
    Limits,
    Recovery,
    RetryPolicy,
    Stream,
    StreamError,
    StreamMisused,
    Target,
    Timeouts,
    Transcript,
    Usage,
)
from resilient_stream.contract import Sending
from resilient_stream.engine import draining
from resilient_stream.events import Drained, Event, StreamEnded
from resilient_stream.formats.events import EventsWriter
from resilient_stream.stores import MemoryStore
from resilient_stream.web.source import Owned
from tests.engine.clock import Clock, after, running_clock
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, client_over, text_event
from tests.loops import closed_over

COUNT = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":40}}\n\n'
USED = Usage(7, 40)


@pytest_asyncio.fixture
async def clock() -> AsyncIterator[Clock]:
    """The time of this test's loop, which passes only by its timers or by hand."""
    with running_clock() as own:
        yield own


class Lasting(Answer):
    """An answer of which a read that is cancelled takes nothing, as with a socket."""

    async def read(self) -> bytes:
        """The next read of the script."""
        step = self._script[0] if self._script else b""
        if isinstance(step, asyncio.Future) and self.interrupted is None:
            await asyncio.wait([step])
        return await super().read()


def answer(*, seconds: float = 3.0, count: bytes = COUNT) -> Lasting:
    """One piece of text at once, and the rest with the provider's count so many seconds later."""
    rest = after(seconds, text_event("more") + STOP + count + END)
    return Lasting(text_event("a"), text_event("b"), rest, after(99, b""))


async def by_break(stream: Stream) -> None:
    """Leave the loop, and the block around it."""
    async with stream:
        async for _ in stream:
            break


async def by_close(stream: Stream) -> None:
    """Close the stream between two pulls."""
    await anext(stream)
    await stream.aclose()


async def waiting(stream: Stream) -> asyncio.Future[Transcript]:
    """A task that reads the stream, and waits for its third chunk."""
    task = asyncio.ensure_future(stream.collect())
    while len(stream.transcript.chunks) < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def by_cancel(stream: Stream) -> None:
    """Cancel the task that waits for the next chunk."""
    task = await waiting(stream)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_another_task(stream: Stream) -> None:
    """Close it while another task waits for its next chunk, as a web server does when the reader has left."""
    task = await waiting(stream)
    stream.close()
    with pytest.raises(StreamError):
        await task


WAYS = (by_break, by_close, by_cancel, by_another_task)
Leave = Callable[[Stream], Awaitable[None]]

OPTIONS = {
    "without a chain": {},
    "with a chain": {"breaker": Breaker()},
    "with a limit": {"limits": Limits(max_concurrency=3)},
    "with a hedge": {"hedge": Hedge(after=1.0), "targets": 2},
}


@pytest.mark.parametrize("leave", WAYS)
@pytest.mark.parametrize("chain", OPTIONS)
async def test_what_was_left_is_counted_by_its_provider(clock: Clock, leave: Leave, chain: str) -> None:
    """The caller is not kept; three seconds later the record, the transcript and the ledger have the true count."""
    client, transport = client_over(answer(), drain=10, **OPTIONS[chain])
    stream = client.stream("Hi")
    await leave(stream)
    record = stream.transcript.attempts[0]
    assert clock.passed == 0
    assert (record.usage, record.draining, record.outcome) == (None, True, "abandoned")
    assert record.estimate is not None
    assert client.ledger.totals() == {}
    await asyncio.sleep(3.5)
    assert (record.usage, record.estimate, record.draining) == (USED, None, False)
    assert stream.transcript.usage == USED
    assert stream.transcript.delivered in ("a", "ab")
    assert stream.transcript.text == "ab"
    total = client.ledger.totals()["openai:m0"]
    assert (total.input_tokens, total.output_tokens, total.wasted_tokens) == (
        (7, "exact"),
        (40, "exact"),
        (47, "exact"),
    )
    assert transport.answers[0].closed == 0
    assert len(transport.released) == 1
    await client.aclose()


async def left(client: Client, **options: object) -> Stream:
    """A stream that was left after its first chunk."""
    stream = client.stream("Hi", **options)  # type: ignore[arg-type]
    await by_break(stream)
    return stream


async def test_the_time_is_bounded(clock: Clock) -> None:
    """What does not end in time is closed, and stays an estimate: of all that has come by then."""
    more = after(4, text_event("twelve signs") + COUNT)
    client, transport = client_over(Lasting(text_event("abcd"), more, after(60, STOP + END)), drain=10)
    stream = await left(client)
    record = stream.transcript.attempts[0]
    assert record.estimate == Usage(1, 1, certainty="estimated")
    await asyncio.sleep(9.9)
    assert (record.draining, transport.answers[0].closed) == (True, 0)
    await asyncio.sleep(0.2)
    assert (record.draining, transport.answers[0].closed) == (False, 1)
    assert record.usage == USED
    total = client.ledger.totals()["openai:m0"]
    assert total.output_tokens == (40, "exact")
    assert transport.released == []


async def test_without_a_count_it_stays_an_estimate_of_all_that_came(clock: Clock) -> None:
    """Four characters are taken for a token, also of what came after the caller had left."""
    client, _ = client_over(Lasting(text_event("abcd"), after(4, text_event("twelve signs"))), drain=10)
    stream = await left(client)
    await asyncio.sleep(11)
    assert stream.transcript.attempts[0].estimate == Usage(1, 4, certainty="estimated")
    assert stream.transcript.usage.certainty == "unknown"
    assert client.ledger.totals()["openai:m0"].output_tokens == (4, "estimated")


async def test_the_bytes_are_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that does not stop is closed after so many."""
    monkeypatch.setattr(draining, "MAX_BYTES", 1000)
    pieces = [after(0.1 * place, text_event("a" * 100)) for place in range(1, 90)]
    client, transport = client_over(Lasting(text_event("a"), *pieces), drain=60)
    await left(client)
    await asyncio.sleep(5)
    assert transport.answers[0].closed == 1
    assert transport.answers[0].reads < 12


async def test_so_many_are_read_on_at_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is closed at once; when one is over, there is room again."""
    monkeypatch.setattr(draining, "MOST", 2)
    client, transport = client_over(answer(), answer(), answer(), answer(), drain=10)
    streams = [await left(client) for _ in range(3)]
    assert [each.transcript.attempts[0].draining for each in streams] == [True, True, False]
    assert [each.closed for each in transport.answers] == [0, 0, 1, 0]
    await asyncio.sleep(3.5)
    assert (await left(client)).transcript.attempts[0].draining
    assert client.ledger.totals()["openai:m0"].attempts == 3
    await client.aclose()


@pytest.mark.parametrize(("clients", "calls", "read_on"), [(0.0, None, False), (0.0, 5.0, True), (5.0, 0.0, False)])
async def test_a_call_has_its_own(clock: Clock, clients: float, calls: float | None, read_on: bool) -> None:
    """drain= of a call stands over the client's; without it nothing is read on."""
    client, transport = client_over(answer(), drain=clients)
    stream = await left(client, drain=calls)
    assert stream.transcript.attempts[0].draining is read_on
    assert transport.answers[0].closed == (not read_on)
    await client.aclose()


@pytest.mark.parametrize("value", [-1, float("nan"), "10", True])
def test_a_wrong_time_is_refused(value: object) -> None:
    """As it is given, with the option's name."""
    with pytest.raises(StreamMisused, match=r"^drain must be a number"):
        Client("openai:gpt", drain=value)  # type: ignore[arg-type]
    with pytest.raises(StreamMisused, match=r"^drain must be a number"):
        Client("openai:gpt").stream("Hi", drain=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("breaker", [None, Breaker()])
@pytest.mark.parametrize("leave", WAYS)
async def test_a_place_is_held_while_the_provider_works(clock: Clock, leave: Leave, breaker: Breaker | None) -> None:
    """With one place, the next call goes when the left one is over; tokens are counted by what it used."""
    limits = Limits(max_concurrency=1, tokens_per_minute=6000)
    client, _ = client_over(
        answer(), Lasting(text_event("z") + STOP + COUNT + END), drain=10, limits=limits, breaker=breaker
    )
    await leave(client.stream("Hi"))
    assert client.health()[0].in_flight == 1
    await client.complete("Hi")
    assert clock.passed == 3
    assert client.health()[0].in_flight == 0
    assert client.slots._gates == {}


@pytest.mark.parametrize("limits", [Limits(), Limits(max_concurrency=3)])
@pytest.mark.parametrize("leave", WAYS)
async def test_it_is_in_flight_while_the_provider_works(clock: Clock, leave: Leave, limits: Limits) -> None:
    """With a breaker or routing, also without limits: the target has as much to do as before."""
    client, _ = client_over(answer(), drain=10, limits=limits, routing="least_busy")
    await leave(client.stream("Hi"))
    await asyncio.sleep(2.9)
    assert client.health()[0].in_flight == 1
    await asyncio.sleep(0.2)
    assert client.health()[0].in_flight == 0


@pytest.mark.parametrize("limits", [Limits(), Limits(max_concurrency=3)])
async def test_both_of_a_race_that_is_left_are_in_flight_each_for_its_time(clock: Clock, limits: Limits) -> None:
    """One that is over frees its own target, and not the other's."""
    first = Lasting(b": ping\n\n", after(6, text_event("a") + STOP + COUNT + END))
    second = Lasting(b": ping\n\n", after(4, text_event("b") + STOP + COUNT + END))
    options = {"hedge": Hedge(after=1), "breaker": Breaker(), "limits": limits, "drain": 20}
    client, _ = client_over(first, second, targets=2, **options)
    task = asyncio.ensure_future(client.complete("Hi"))
    seen = []
    for at, event in ((2, task.cancel), (3, None), (5, None), (7, None)):
        await asyncio.sleep(at - clock.passed)
        seen.append(tuple(each.in_flight for each in client.health()))
        if event is not None:
            event()
    await asyncio.wait([task])
    assert seen == [(1, 1), (1, 1), (1, 0), (0, 0)]


async def test_the_loser_of_a_race_is_closed_at_once(clock: Clock) -> None:
    """Somebody else's answer is read, so its own is not waited for."""
    slow = Lasting(after(9, text_event("slow") + STOP + COUNT + END))
    client, _ = client_over(slow, answer(seconds=2), targets=2, hedge=Hedge(after=1), drain=20)
    async with client.stream("Hi") as stream:
        await anext(stream)
        assert (slow.closed, clock.passed) == (1, 1)
        assert not any(attempt.draining for attempt in stream.transcript.attempts)


async def test_a_race_that_is_left_is_read_on(clock: Clock) -> None:
    """Both are billed, and written down together when both are over."""
    first = Lasting(b": ping\n\n", after(4, text_event("a") + STOP + COUNT + END))
    second = Lasting(b": ping\n\n", after(6, text_event("b") + STOP + COUNT + END))
    client, _ = client_over(first, second, targets=2, hedge=Hedge(after=1), drain=20)
    task = asyncio.ensure_future(client.complete("Hi"))
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (first.closed, second.closed) == (0, 0)
    await asyncio.sleep(3)
    assert client.ledger.totals() == {}
    await asyncio.sleep(3)
    totals = client.ledger.totals()
    assert [total.output_tokens for total in totals.values()] == [(40, "exact"), (40, "exact")]
    assert sum(total.requests for total in totals.values()) == 1


@pytest.mark.parametrize("chain", OPTIONS)
async def test_what_fails_is_not_read_on(clock: Clock, chain: str) -> None:
    """A deadline, a stall, a broken connection, the client's own end: the answer is closed at once."""
    options = {"retry": RetryPolicy.off(), "recovery": Recovery.off(), "drain": 60, **OPTIONS[chain]}
    for timeouts, step in (
        (Timeouts(total=1), lambda: after(9, b"")),
        (Timeouts(stall=1), lambda: after(9, b"")),
        (Timeouts(), lambda: ConnectionResetError("gone")),
    ):
        client, transport = client_over(Lasting(text_event("a"), step()), timeouts=timeouts, **options)
        with pytest.raises(StreamError):
            await client.complete("Hi")
        assert transport.answers[0].closed == 1
        assert client.ledger.totals()["openai:m0"].attempts == 1
    client, transport = client_over(answer(), **options)
    stream = client.stream("Hi")
    await anext(stream)
    await client.aclose()
    assert transport.answers[0].closed == 1


async def test_a_request_without_an_answer_is_closed_at_once(clock: Clock) -> None:
    """Its head has not come, so there is nothing to read."""

    class Silent(ScriptedTransport):
        async def open(self, request: object, connect_timeout: float | None, sending: Sending) -> Answer:
            """Never answer."""
            sending.written = True
            await asyncio.sleep(100)
            raise AssertionError

    client, _ = client_over(drain=10)
    client.transport = Silent([])
    task = asyncio.ensure_future(client.complete("Hi"))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    transcript = Transcript.of(caught.value)
    assert transcript is not None
    assert not transcript.attempts[0].draining


@pytest.mark.parametrize("chain", OPTIONS)
async def test_one_that_was_left_before_its_content_is_read_on(clock: Clock, chain: str) -> None:
    """Nothing of it reaches the transcript, but its count reaches the record and the ledger."""
    rest = after(2, text_event("late") + STOP + COUNT + END)
    client, _ = client_over(Lasting(b": ping\n\n", rest), drain=10, **OPTIONS[chain])
    stream = client.stream("Hi")
    task = asyncio.ensure_future(stream.collect())
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(2)
    record = stream.transcript.attempts[0]
    assert (record.usage, record.outcome, stream.transcript.chunks) == (USED, "abandoned", ())
    assert client.ledger.totals()["openai:m0"].output_tokens == (40, "exact")


@pytest.mark.parametrize(
    "rest",
    [
        ConnectionResetError("gone"),
        b'data: {"error":{"message":"overloaded"}}\n\n',
        b"data: [not json]\n\n",
        b"",
    ],
)
async def test_what_fails_later_changes_nothing(clock: Clock, rest: bytes | Exception) -> None:
    """An answer that breaks while it is read on stays an estimate, and nobody is told of an error."""
    steps = (after(1, b": x\n\n"), rest) if isinstance(rest, Exception) else (after(1, rest),)
    client, transport = client_over(Lasting(text_event("abcd"), *steps, after(99, b"")), drain=10)
    stream = await left(client)
    await asyncio.sleep(1.5)
    record = stream.transcript.attempts[0]
    assert (record.draining, record.error, record.usage) == (False, None, None)
    assert record.estimate == Usage(1, 1, certainty="estimated")
    assert transport.answers[0].closed == 1
    assert (stream.transcript.outcome, stream.transcript.error) == ("abandoned", None)


async def test_who_watches_is_told(clock: Clock) -> None:
    """First of the end of the call, and of the count when it is there."""
    told: list[tuple[float, Event]] = []
    client, _ = client_over(answer(), drain=10, on_event=lambda event: told.append((clock.passed, event)))
    stream = await left(client)
    await asyncio.sleep(4)
    (first, ended), (second, drained) = told[-2:]
    assert (first, type(ended), second) == (0, StreamEnded, 3)
    assert drained == Drained(ended.call_id, "openai:m0", 1, stream.transcript.attempts[0])


async def test_costs_are_computed_by_the_true_count(clock: Clock) -> None:
    """The estimate's price is never written down."""
    client, _ = client_over(answer(), drain=10, prices=lambda target, usage: usage.output_tokens or 0)
    stream = await left(client)
    assert stream.transcript.attempts[0].cost is None
    await asyncio.sleep(4)
    assert stream.transcript.attempts[0].cost == 40
    assert client.ledger.today() == 40


async def test_closing_the_client_waits_for_what_is_read_on(clock: Clock) -> None:
    """Until the count has come, and no longer than the time of each."""
    client, transport = client_over(answer(), Lasting(text_event("a"), after(90, b"")), drain=10)
    await left(client)
    await left(client)
    await client.aclose()
    assert clock.passed == 10
    assert [each.closed for each in transport.answers] == [0, 1]
    assert client.ledger.totals()["openai:m0"].attempts == 2


async def test_closing_that_is_cancelled_closes_them(clock: Clock) -> None:
    """Whoever has no time to wait cancels the closing."""
    client, transport = client_over(answer(seconds=9), drain=10)
    stream = await left(client)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.aclose(), 1)
    assert clock.passed == 1
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert transport.answers[0].closed == 1
    assert not stream.transcript.attempts[0].draining
    assert client.ledger.totals()["openai:m0"].output_tokens == (1, "estimated")


async def test_a_whole_answer_and_our_own_server_are_not_read_on(clock: Clock) -> None:
    """The one comes at once when it is ready, the other costs nothing but our own machine's time."""
    begun = Lasting(
        b'{"choices":', after(9, b'[{"message":{"content":"Hi"}}]}'), headers={"content-type": "application/json"}
    )
    client, transport = client_over(answer(), begun, drain=10)
    await by_break(client.stream("Hi", to=Target("local", base_url="http://127.0.0.1:9")))
    whole = client.stream("Hi", to=Target("openai:m0", base_url="http://127.0.0.1:9", api_key="k" * 12, stream=False))
    task = asyncio.ensure_future(whole.collect())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [each.closed for each in transport.answers] == [1, 1]
    assert not whole.transcript.attempts[0].draining


async def test_a_stream_that_was_stopped_at_its_end_is_not_read_on(clock: Clock) -> None:
    """What had arrived when the caller left has the end marker in it."""
    client, transport = client_over(Lasting(text_event("a"), STOP + COUNT + END), drain=10)
    stream = await left(client)
    assert stream.transcript.attempts[0].usage == USED
    assert not stream.transcript.attempts[0].draining
    assert len(transport.released) == 1


async def test_tasks_that_begin_at_once_change_nothing(clock: Clock) -> None:
    """With an eager task factory the reading still begins after the leaving."""
    if not hasattr(asyncio, "eager_task_factory"):
        pytest.skip("Python 3.12 brings eager tasks")
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    client, _ = client_over(answer(), drain=10)
    stream = await left(client)
    assert stream.transcript.attempts[0].draining
    await asyncio.sleep(4)
    assert stream.transcript.attempts[0].usage == USED


async def test_what_had_arrived_before_any_content_is_nobodys(clock: Clock) -> None:
    """A caller who left before the first content has none of it in the transcript; only its count is taken."""
    first = Lasting(after(50, b""))
    client, _ = client_over(first, drain=10)
    stream = client.stream("Hi")
    task = asyncio.ensure_future(stream.collect())
    await asyncio.sleep(0.5)
    first._script[:] = [text_event("late"), after(1, STOP + COUNT + END)]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(2)
    record = stream.transcript.attempts[0]
    assert (record.usage, record.outcome, stream.transcript.chunks) == (USED, "abandoned", ())


async def test_a_running_count_is_the_last_word_at_the_end_only(clock: Clock) -> None:
    """What was counted before the caller left stands where the end marker brings no other, and nowhere else."""
    early = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1}}\n\n'
    more = text_event("more than one token")
    client, _ = client_over(
        Lasting(text_event("a") + early, after(1, more + STOP + END)),
        Lasting(text_event("a") + early, after(1, more), after(99, b"")),
        drain=10,
    )
    whole, cut = await left(client), await left(client)
    await asyncio.sleep(11)
    assert (whole.transcript.attempts[0].usage, whole.transcript.attempts[0].estimate) == (Usage(7, 1), None)
    assert cut.transcript.attempts[0].estimate == Usage(7, 5, certainty="estimated")


async def test_an_end_without_a_count_is_an_estimate(clock: Clock) -> None:
    """A server that counts nothing is waited for, and what came of it is counted by characters."""
    client, _ = client_over(Lasting(text_event("abcd"), after(1, text_event("efgh") + STOP + END)), drain=10)
    stream = await left(client)
    await asyncio.sleep(2)
    assert stream.transcript.attempts[0].estimate == Usage(1, 2, certainty="estimated")


async def test_a_server_that_only_closes_has_ended(clock: Clock) -> None:
    """With terminal="eof_ok" the end of the body is the end marker, here too."""
    client, transport = client_over(Lasting(text_event("a"), after(1, text_event("b") + COUNT), b""), drain=10)
    target = client.targets[0].model_copy(update={"options": {"terminal": "eof_ok"}})
    stream = await left(client, to=target)
    await asyncio.sleep(2)
    record = stream.transcript.attempts[0]
    assert (record.usage, record.estimate, len(transport.released)) == (USED, None, 1)


async def test_ctrl_c_is_not_the_callers_wish_to_leave(clock: Clock) -> None:
    """What ends in any other way than by a break, a close or a cancel is closed at once."""

    class Interrupted(Lasting):
        async def read(self) -> bytes:
            """A signal's exception in the second read."""
            if self.reads:
                raise KeyboardInterrupt
            return await super().read()

    client, transport = client_over(Interrupted(text_event("a"), after(9, b"")), drain=10)
    stream = client.stream("Hi")
    await anext(stream)
    with pytest.raises(KeyboardInterrupt):
        await anext(stream)
    assert transport.answers[0].closed == 1
    assert not stream.transcript.attempts[0].draining
    assert client.ledger.totals()["openai:m0"].attempts == 1


async def test_whoever_cancels_every_task_closes_it(clock: Clock) -> None:
    """Also where the reading has not taken its first step."""
    client, transport = client_over(answer(), drain=10)
    stream = await left(client)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert transport.answers[0].closed == 1
    assert not stream.transcript.attempts[0].draining


def test_the_end_of_the_loop_closes_what_begins_then() -> None:
    """`asyncio.run` cancels the task that reads, and waits for no task that begins because of that."""
    client, transport = client_over(Lasting(text_event("a")), drain=10)
    stream = client.stream("Hi")

    async def main() -> None:
        transport.answers[0]._script.append(asyncio.get_running_loop().create_future())
        _reading.append(asyncio.ensure_future(stream.collect()))
        while not stream.transcript.chunks:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert stream.transcript.outcome == "cancelled"
    assert transport.answers[0].closed == 1
    assert not stream.transcript.attempts[0].draining
    assert _reading.pop().cancelled()


_reading: list[asyncio.Future[Transcript]] = []


async def test_what_is_shared_is_held_while_it_is_read(clock: Clock) -> None:
    """A place at a target and money of a shared budget are free for others when the true count is known."""
    store = MemoryStore(clock=lambda: clock.now)
    options = {"store": store, "prices": lambda target, usage: usage.output_tokens, "retry": RetryPolicy.off()}
    limits = Limits(max_concurrency=1, cost_per_day=5000)
    one, _ = client_over(answer(), drain=10, limits=limits, **options)
    two, _ = client_over(Lasting(text_event("z") + STOP + COUNT + END), limits=limits, **options)
    await left(one)
    assert one._sharing is not None
    purse = one._sharing.purses.of(None, Decimal("5000.0"), one.ledger)
    assert purse._running > 0
    await two.complete("Hi")
    assert clock.passed >= 3
    assert (purse._running, one.ledger.today()) == (0, 40)
    await one.aclose()
    await two.aclose()


async def test_a_web_reader_who_leaves_is_read_on(clock: Clock) -> None:
    """The response of a server closes its stream while a pull waits; the count comes all the same."""
    client, _ = client_over(answer(), drain=10)
    source = Owned(client.stream("Hi"), EventsWriter())
    sending = asyncio.ensure_future(_all_of(source))
    await asyncio.sleep(1)
    source.leave()
    await sending
    await asyncio.sleep(3)
    assert client.ledger.totals()["openai:m0"].output_tokens == (40, "exact")


async def _all_of(source: Owned) -> None:
    while await source.frames():
        pass


class Waking(Lasting):
    """An answer that wakes who reads it when it is closed, as a socket's does."""

    def close(self) -> None:
        """Let the read that waits end."""
        super().close()
        for step in self._script:
            if isinstance(step, asyncio.Future) and not step.done():
                step.set_result(b"")


def test_one_in_a_loop_that_was_closed_over_it_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the next answer is left: its connection is closed, its place is free, and what is known of it written
    down."""
    monkeypatch.setattr(draining, "MOST", 1)
    client, transport = client_over(drain=10, limits=Limits(max_concurrency=1))

    async def leaving() -> Stream:
        with running_clock():
            transport.answers.append(Waking(text_event("a"), asyncio.get_running_loop().create_future()))
            stream = await left(client)
            await asyncio.sleep(0.1)
            assert stream.transcript.attempts[0].draining
            return stream

    async def later() -> None:
        await leaving()
        assert client.health()[0].in_flight == 1
        await client.aclose()

    with closed_over(leaving()) as stream:
        asyncio.run(later())
        assert not stream.transcript.attempts[0].draining
        assert transport.answers[0].closed == 1
        assert client.ledger.totals()["openai:m0"].attempts == 2
        assert client.slots._gates == {}


def test_closing_the_client_ends_one_in_a_loop_that_was_closed_over_it() -> None:
    """Also where its reading had not taken a first step."""
    client, transport = client_over(Waking(text_event("a"), b""), drain=10)

    async def leaving() -> None:
        stream = client.stream("Hi")
        await anext(stream)
        asyncio.get_running_loop().call_soon(stream.close)

    with closed_over(leaving()):
        asyncio.run(client.aclose())
        assert transport.answers[0].closed == 1
        assert client.ledger.totals()["openai:m0"].output_tokens == (1, "estimated")
