"""`SyncClient`: the answers, the errors and the ends of `Client`, in any thread that waits."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from opentelemetry import trace
from pydantic import BaseModel

from resilient_stream import (
    Client,
    ClientClosed,
    Conversation,
    ConversationRecord,
    DeadlineExceeded,
    InvalidRequest,
    RetryPolicy,
    Scope,
    Stream,
    StreamError,
    StreamMisused,
    TextDelta,
    ToolProgress,
    ToolResult,
    Transcript,
    report_progress,
)
from resilient_stream.contract import Batch, CallContext, Handler, Request
from resilient_stream.sync import SyncClient, SyncScope, SyncStream
from resilient_stream.sync.background import Background, _Errand, _loops, background
from resilient_stream.sync.conversation import SyncConversation
from tests.loopback import DONE, HEAD, LAST, Loopback, Seen, Step, chat, cut_after, delta, framed, status, usage
from tests.telemetry.seen import Seen as Told

from .conftest import soon

Serve = Callable[..., Loopback]

ENDLESS = cut_after("Hello", " there", end="stall")


def calling(name: str, arguments: str = "{}") -> list[Step]:
    """An answer that calls a tool."""
    call = {"index": 0, "id": "c1", "function": {"name": name, "arguments": arguments}}
    return [HEAD, delta(tool_calls=[call]), delta(finish="tool_calls"), usage(3), DONE + LAST]


def started(server: Loopback, **options: Any) -> tuple[SyncClient, SyncStream]:
    """A client and a stream of which the first chunk was taken."""
    client = SyncClient(server.target(), **options)
    stream = client.stream("Hi")
    assert next(stream).text == "Hello"
    return client, stream


def test_it_has_what_client_has() -> None:
    """Every method and property for applications, but those that are about a loop."""
    public = {name for name in dir(Client("local")) if not name.startswith("_")}
    own = {"aclose", "calls", "closed", "priced", "prices", "slots", "targets", "tasks", "transport", "warned"}
    assert public - own <= set(dir(SyncClient))


# -- the same answers -------------------------------------------------------------------------


def test_health_and_ledger_are_those_of_the_client(serve: Serve) -> None:
    """What the calls of this process used, and how the targets are."""
    server = serve([HEAD, delta("Hi"), delta(finish="stop"), usage(3), DONE + LAST])
    with SyncClient(server.target()) as client:
        client.complete("Hi")
        assert [total.requests for total in client.ledger.totals().values()] == [1]
        assert [each.state for each in client.health()] == ["closed"]


def test_a_stream_is_a_plain_iterator_of_the_same_chunks(serve: Serve) -> None:
    """The chunks are those that `Client` gives, and the transcript says how the stream ended."""
    server = serve(chat("a", "b"))

    async def asked() -> list[Any]:
        async with Client(server.target()) as client:
            return [chunk async for chunk in client.stream("Hi")]

    with SyncClient(server.target()) as client:
        stream = client.stream("Hi", max_tokens=9)
        assert list(stream) == asyncio.run(asked())
        assert (stream.transcript.outcome, stream.transcript.text) == ("complete", "ab")
        assert list(stream) == []
    assert server.seen[0].body["max_completion_tokens"] == 9


def test_an_answer_as_texts_and_as_a_whole(serve: Serve) -> None:
    """`texts`, `collect` and `complete` give what they give elsewhere."""
    with SyncClient(serve(chat("a", "b")).target()) as client:
        assert list(client.stream("Hi").texts()) == ["a", "b"]
        assert client.stream("Hi").collect().text == "ab"
        whole = client.complete("Hi", temperature=0)
        assert isinstance(whole, Transcript)
        assert whole.outcome == "complete"


class Trip(BaseModel):
    """What `output=` asks for."""

    city: str = ""
    days: int = 0


def test_an_object_as_it_grows(serve: Serve) -> None:
    """`objects` gives the growing object, and ends with the validated one; closing it closes the stream."""
    server = serve(cut_after('{"city": "Llanfairpwllgwyn', end="stall"), chat('{"city": "Oslo", "days"', ": 2}"))
    with SyncClient(server.target()) as client:
        growing = client.stream("Hi", output=Trip).objects()
        assert next(growing) == Trip(city="Llanfairpwllgwyn")
        growing.close()
        assert soon(lambda: not server.open)
        stream = client.stream("Hi", output=Trip)
        assert list(stream.objects())[-1] == stream.transcript.output == Trip(city="Oslo", days=2)
        assert client.complete("Hi", output=Trip).output == Trip(city="Oslo", days=2)
        with pytest.raises(StreamMisused, match="no object"):
            client.stream("Hi").objects()


def test_a_conversation_runs_its_tools_in_worker_threads(serve: Serve) -> None:
    """A plain tool runs in a thread, an async one on the background loop; both see the caller's context variables."""
    user = contextvars.ContextVar("user", default="nobody")
    ran: list[tuple[str, str]] = []

    def blocking() -> str:
        ran.append((user.get(), threading.current_thread().name))
        return "fine"

    async def waiting() -> str:
        ran.append((user.get(), threading.current_thread().name))
        return "fine"

    server = serve(calling("blocking"), calling("waiting"), chat("Done."))
    user.set("Ada")
    with SyncClient(server.target()) as client:
        conversation = client.converse("Hi", tools=[blocking, waiting])
        assert "".join(chunk.text for chunk in conversation if isinstance(chunk, TextDelta)) == "Done."
        assert isinstance(conversation.record, ConversationRecord)
        assert (conversation.outcome, len(conversation.transcripts)) == ("complete", 3)
        assert [turn.role for turn in conversation.history][-3:] == ["assistant", "tool", "assistant"]
        assert client.converse("Hi").collect().text == "Done."
    assert [seen_by for seen_by, _ in ran] == ["Ada", "Ada"]
    assert ran[0][1] not in ("resilient_stream", threading.current_thread().name)
    assert ran[1][1] == "resilient_stream"


def test_a_tools_progress_comes_while_it_runs(serve: Serve) -> None:
    """The report of a plain function is there while the function waits in its thread."""
    taken = threading.Event()

    def dig() -> str:
        report_progress("half way", 1, 2)
        assert taken.wait(5)
        return "dug"

    with SyncClient(serve(calling("dig"), chat("Done.")).target()) as client:
        told: list[str] = []
        for chunk in client.converse("Hi", tools=[dig]):
            if isinstance(chunk, ToolProgress | ToolResult):
                told.append(chunk.type)
                taken.set()
    assert told == ["tool_progress", "tool_result"]


def test_a_scope_owns_its_streams(serve: Serve) -> None:
    """Leaving it closes what still runs, and outside of it nothing is started."""
    server = serve(ENDLESS)
    with SyncClient(server.target()) as client:
        with client.scope(deadline=9) as scope:
            stream = scope.stream("Hi")
            next(stream)
        assert soon(lambda: not server.open)
        assert stream.transcript.outcome == "abandoned"
        assert (scope.report().opened, scope.report().partial) == (1, 1)
        with pytest.raises(StreamMisused, match="inside its"):
            scope.stream("Hi")


@pytest.mark.parametrize(
    ("facade", "original"),
    [(SyncClient, Client), (SyncStream, Stream), (SyncConversation, Conversation), (SyncScope, Scope)],
)
def test_the_facade_has_every_method_of_the_original(facade: type, original: type) -> None:
    """By name and by parameters; `aclose` is `close`. The options of `stream` are those of `Scope.stream`: another test
    compares them with the ones that `Client.stream` spells out."""
    for name in (name for name in dir(original) if not name.startswith("_")):
        here, there = getattr(facade, "close" if name == "aclose" else name), getattr(original, name)
        if there is Client.stream:
            there = Scope.stream
        if callable(there):
            assert parameters(here) == parameters(there), name


def parameters(function: Any) -> list[tuple[str, Any, Any, Any]]:
    """The parameters, with their defaults and their types as they are written."""
    found = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default, each.annotation) for each in found]


def test_the_client_is_made_with_the_same_arguments() -> None:
    """Every argument of `Client` is one of `SyncClient`; a session is refused, because it belongs to another loop."""
    assert parameters(SyncClient) == parameters(Client)
    with SyncClient("openai:m", middlewares=iter(()), retry=RetryPolicy.off()) as client:
        assert repr(client) == "<SyncClient openai:m>"
    with pytest.raises(StreamMisused, match="session= belongs to an event loop"):
        SyncClient("openai:m", session=object.__new__(aiohttp.ClientSession))  # never opened, so nothing to close


def test_a_burst_crosses_threads_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one network read brings is fetched from the loop once, however many chunks it is."""
    run, fetched = Background.run, []

    def counted(self: Background, *values: Any) -> Any:
        fetched.append(values)
        return run(self, *values)

    burst = b"".join(step for step in chat(*"x" * 200) if isinstance(step, bytes))
    with SyncClient(serve([burst]).target()) as client:
        monkeypatch.setattr(Background, "run", counted)
        assert len(list(client.stream("Hi").texts())) == 200
        assert len(fetched) < 10


@contextlib.contextmanager
def another_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a forked process sees: another number, and so no loop of its own yet."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: 1)
        yield
        _loops.pop(1).stop()


def test_each_process_has_a_client_with_the_same_arguments(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with links that can be listed once only; and one that was closed before the fork is closed in the child."""
    asked: list[int] = []

    async def link(request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        asked.append(os.getpid())
        async for batch in call_next(request, call):
            yield batch

    mine = os.getpid()
    client = SyncClient(serve(chat("a")).target(), middlewares=iter([link]))
    client.complete("Hi")
    client.close()
    again = SyncClient(serve(chat("a")).target(), middlewares=iter([link]))
    with another_process(monkeypatch):
        with pytest.raises(ClientClosed):
            client.complete("Hi")
        again.complete("Hi")
    assert asked == [mine, 1]


# -- errors and deadlines ---------------------------------------------------------------------


def test_an_error_arrives_in_the_thread_that_waits(serve: Serve) -> None:
    """It is the same StreamError, with the transcript, each time that the stream is pulled; `on_end` is called once."""
    ended: list[Transcript] = []
    with SyncClient(serve(status(400, {"error": {"message": "no such tool"}})).target()) as client:
        stream = client.stream("Hi", on_end=ended.append)
        for _ in range(2):
            with pytest.raises(InvalidRequest, match="no such tool") as caught:
                next(stream)
            assert caught.value.transcript is stream.transcript
        with pytest.raises(InvalidRequest):
            client.complete("Hi")
    assert ended == [stream.transcript]


def test_the_deadline_holds(serve: Serve) -> None:
    """A wait of the calling thread is no longer than the deadline, and what had arrived is kept."""
    with SyncClient(serve(ENDLESS).target()) as client:
        stream = client.stream("Hi", deadline=0.5)
        with pytest.raises(DeadlineExceeded):
            list(stream)
    assert (stream.transcript.outcome, stream.transcript.text) == ("deadline", "Hello there")


def test_a_call_belongs_to_the_callers_span(serve: Serve) -> None:
    """The span that is current in the thread that pulls is the parent of the call's, though another thread runs it."""
    told = Told()
    with SyncClient(serve(chat("a")).target(), telemetry=told.telemetry()) as client:
        with told.tracers.get_tracer("app").start_as_current_span("app"):
            client.complete("Hi")
    [ours] = [span for span in told.spans if span.name == "app"]
    [call] = told.calls
    assert call.parent is not None
    assert call.parent.span_id == ours.context.span_id
    told.tracers.shutdown()
    told.meters.shutdown()


def test_a_conversation_is_one_trace(serve: Serve) -> None:
    """Under the span of the thread that pulls are the conversation, its turns and its tools, and under a tool its own
    spans, in a worker thread as well as on the background loop."""
    told = Told()
    tracer = told.tracers.get_tracer("app")

    def blocking() -> None:
        tracer.start_span("inner").end()

    async def waiting() -> None:
        tracer.start_span("inner").end()

    server = serve(calling("blocking"), calling("waiting"), chat("Done."))
    with SyncClient(server.target(), telemetry=told.telemetry()) as client:
        with tracer.start_as_current_span("app") as ours:
            for _ in client.converse("Hi", tools=[blocking, waiting]):
                assert trace.get_current_span() is ours
    names = {span.context.span_id: span.name for span in told.spans if span.context}
    links = sorted((span.name, names[span.parent.span_id]) for span in told.spans if span.parent)
    assert [link for link in links if link[0].partition(" ")[0] not in ("chat", "request")] == [
        ("execute_tool blocking", "invoke_agent"),
        ("execute_tool waiting", "invoke_agent"),
        ("inner", "execute_tool blocking"),
        ("inner", "execute_tool waiting"),
        ("invoke_agent", "app"),
    ]
    assert [above for name, above in links if name.startswith("chat")] == ["invoke_agent"] * 3
    told.tracers.shutdown()
    told.meters.shutdown()


# -- ends -------------------------------------------------------------------------------------


def leave_the_block(stream: SyncStream) -> None:
    """Leave a `with` block in the middle."""
    with stream:
        for _ in stream:
            break


ENDS: dict[str, tuple[Callable[[SyncStream], object], str]] = {
    "closed": (lambda stream: (stream.close(), stream.close()), "abandoned"),
    "closed as texts": (lambda stream: stream.texts().close(), "abandoned"),
    "left": (leave_the_block, "abandoned"),
    "left by Ctrl-C": (lambda stream: stream.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None), "cancelled"),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_close_ends_the_stream_at_once(name: str, serve: Serve) -> None:
    """The connection is closed, the transcript is kept, and another pull raises instead of ending normally."""
    end, outcome = ENDS[name]
    server = serve(cut_after("Hello", end="stall"))
    client, stream = started(server)
    end(stream) if name != "left" else end(client.stream("Hi"))
    if name == "left":
        stream.close()
    assert soon(lambda: not server.open)
    assert (stream.transcript.outcome, stream.transcript.text) == (outcome, "Hello")
    with pytest.raises(StreamError):
        next(stream)
    client.close()


@pytest.mark.parametrize("reader", [iter, SyncStream.texts])
def test_dropping_the_iterator_closes_the_connection(
    reader: Callable[[SyncStream], Iterator[Any]], serve: Serve
) -> None:
    """A loop that is left by `break` closes its stream without a `with`, without the collector."""
    server = serve(ENDLESS)
    ended: list[Transcript] = []
    gc.disable()
    try:
        with SyncClient(server.target()) as client:
            for _ in reader(client.stream("Hi", on_end=ended.append)):
                break
            assert soon(lambda: not server.open)
            assert soon(lambda: [each.outcome for each in ended] == ["abandoned"])
    finally:
        gc.enable()


@contextlib.contextmanager
def a_thread_waits(stream: SyncStream) -> Iterator[list[BaseException]]:
    """Pull in another thread; what it raised is in the list after the block."""
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            next(stream)
        except StreamError as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert soon(lambda: stream._stream._call.busy)
    yield raised
    waiting.join(1)


@pytest.mark.parametrize("how", ["stream", "client"])
def test_closing_wakes_a_pull_in_another_thread(how: str, serve: Serve) -> None:
    """The thread that waits gets an error when another one closes the stream, or the client."""
    client, stream = started(serve(cut_after("Hello", end="stall")))
    with a_thread_waits(stream) as raised:
        (client if how == "client" else stream).close()
    assert [isinstance(error, ClientClosed) for error in raised] == [how == "client"]
    assert stream.transcript.outcome == ("client_closed" if how == "client" else "abandoned")
    client.close()


def test_a_closed_client_asks_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing twice is fine; a stream of a closed client says so, also where no loop was needed until then."""

    def close_and_ask() -> None:
        client = SyncClient("openai:m")
        client.close()
        client.close()
        with pytest.raises(ClientClosed):
            next(client.stream("Hi"))

    close_and_ask()
    with another_process(monkeypatch):
        close_and_ask()


# -- signals ----------------------------------------------------------------------------------


class TimeIsUp(Exception):
    """What a task queue raises from a signal, as Celery does at its soft time limit."""


def raise_time_is_up(number: int, frame: object) -> None:
    """A signal's handler."""
    raise TimeIsUp


@contextlib.contextmanager
def a_signal_while(stream: SyncStream, number: int) -> Iterator[None]:
    """Send this process a signal when the stream waits for its provider."""

    def send() -> None:
        assert soon(lambda: stream._stream._call.busy)
        os.kill(os.getpid(), number)

    sending = threading.Thread(target=send)
    sending.start()
    yield
    sending.join()


PULLS: list[Callable[[SyncStream], object]] = [next, SyncStream.collect]


@pytest.mark.parametrize("pull", PULLS)
def test_ctrl_c_ends_a_wait_and_the_stream(pull: Callable[[SyncStream], object], serve: Serve) -> None:
    """KeyboardInterrupt leaves the pull; by then the connection is closed and the transcript is final."""
    server = serve(cut_after("Hello", end="stall"))
    client, stream = started(server)
    with a_signal_while(stream, signal.SIGINT), pytest.raises(KeyboardInterrupt):
        pull(stream)
    assert (stream.transcript.outcome, stream.transcript.text) == ("cancelled", "Hello")
    assert soon(lambda: not server.open)
    with pytest.raises(StreamError):
        next(stream)
    client.close()


def test_an_exception_of_another_signal_ends_it_too(serve: Serve) -> None:
    """A task queue's time limit leaves as it is, and the stream ends with it."""
    server = serve(cut_after("Hello", end="stall"))
    client, stream = started(server)
    before = signal.signal(signal.SIGUSR1, raise_time_is_up)
    try:
        with a_signal_while(stream, signal.SIGUSR1), pytest.raises(TimeIsUp):
            next(stream)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert stream.transcript.outcome == "cancelled"
    assert soon(lambda: not server.open)
    client.close()


def test_ctrl_c_ends_a_whole_answer(serve: Serve) -> None:
    """`complete` has no stream that could be closed: its work on the loop is cancelled."""
    server = serve(ENDLESS)
    ended: list[Transcript] = []
    with SyncClient(server.target()) as client:

        def send() -> None:
            assert soon(lambda: bool(server.open))
            os.kill(os.getpid(), signal.SIGINT)

        sending = threading.Thread(target=send)
        sending.start()
        with pytest.raises(KeyboardInterrupt):
            client.complete("Hi", on_end=ended.append)
        sending.join()
        assert [each.outcome for each in ended] == ["cancelled"]
        assert soon(lambda: not server.open)


def test_ctrl_c_when_the_answer_is_here_already(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal may come after a pull was done and before its chunk is handed out: that ends the stream, too."""
    server = serve(cut_after("Hello", end="stall"))
    wait = _Errand.wait

    def interrupted(self: _Errand[Any]) -> None:
        wait(self)
        raise KeyboardInterrupt

    with SyncClient(server.target()) as client:
        stream = client.stream("Hi")
        monkeypatch.setattr(_Errand, "wait", interrupted)
        monkeypatch.setattr("resilient_stream.sync.background.PATIENCE", 60)
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        monkeypatch.undo()
        assert time.monotonic() - begun < 20
        assert (stream.transcript.outcome, stream.transcript.text) == ("cancelled", "Hello")
        assert soon(lambda: not server.open)


def test_ctrl_c_before_the_work_was_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal may come just as a pull begins: nothing is left waiting for work that will never be done."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("resilient_stream.sync.background.copy_context", interrupted)
    monkeypatch.setattr("resilient_stream.sync.background.PATIENCE", 60)
    begun = time.monotonic()
    with SyncClient("openai:m") as client, client.stream("Hi") as stream:
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        monkeypatch.undo()
    assert time.monotonic() - begun < 20
    assert stream.transcript.outcome == "cancelled"


def test_a_stream_that_ends_while_a_chunk_is_taken() -> None:
    """The loop may end a stream between the look at what is ready and the taking: the end is raised then."""

    class Ended:
        class _ready:
            @staticmethod
            def pop() -> None:
                raise IndexError

        async def __anext__(self) -> None:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        next(SyncStream(background(), Ended()))


@pytest.mark.parametrize(("error", "outcome"), [(KeyboardInterrupt, "cancelled"), (ValueError, "abandoned")])
def test_an_exception_leaves_a_scope(error: type[BaseException], outcome: str, serve: Serve) -> None:
    """Its streams end, as cancelled after Ctrl-C."""
    with SyncClient(serve(ENDLESS).target()) as client:
        with pytest.raises(error), client.scope() as scope:
            stream = scope.stream("Hi")
            next(stream)
            raise error
    assert stream.transcript.outcome == outcome


# -- where it is used -------------------------------------------------------------------------


def test_many_threads_use_one_client(serve: Serve) -> None:
    """Each thread gets its own answer."""

    def echo(seen: Seen) -> list[Step]:
        return chat(*seen.body["messages"][-1]["content"], gap=0.001)

    found: dict[str, str] = {}
    with SyncClient(serve(choose=echo).target()) as client:

        def ask(word: str) -> None:
            found[word] = "".join(client.stream(word).texts())

        threads = [threading.Thread(target=ask, args=(f"word {number}",)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {f"word {number}": f"word {number}" for number in range(16)}


def test_two_threads_cannot_wait_for_one_stream(serve: Serve) -> None:
    """The second one is told; the first one's wait goes on."""
    client, stream = started(serve(cut_after("Hello", end="stall")))
    with a_thread_waits(stream) as raised:
        with pytest.raises(StreamMisused, match="read by another"):
            next(stream)
        assert (stream.transcript.outcome, raised) == (None, [])
        stream.close()
    client.close()


async def test_it_works_where_a_loop_is_running(serve: Serve) -> None:
    """A notebook's cell runs inside of a loop; the client waits for another one."""
    with SyncClient(serve(chat("a", "b")).target()) as client:
        assert [chunk.text for chunk in client.stream("Hi") if chunk.text] == ["a", "b"]


def test_it_says_that_the_loop_cannot_wait_for_itself(serve: Serve) -> None:
    """An async tool runs on the background loop, where waiting for that loop would never end."""
    with SyncClient(serve(calling("ask"), chat("Done.")).target()) as client:

        async def ask() -> str:
            return client.complete("Hi").text

        with pytest.raises(StreamMisused, match="has to use Client"):
            client.converse("Hi", tools=[ask]).collect()


def test_a_callback_may_close_a_stream(serve: Serve) -> None:
    """`close` works on the background loop itself, since it does not wait there."""
    server = serve(ENDLESS)
    client, stream = started(server)
    background().call(stream.close)
    assert soon(lambda: not server.open)
    assert stream.transcript.outcome == "abandoned"
    client.close()


def test_nothing_is_read_ahead() -> None:
    """While the consumer does other things the provider cannot send more than what fits into a few buffers."""
    piece = framed(b"data: %b\n\n" % (b'{"choices":[{"index":0,"delta":{"content":"%b"}}]}' % (b"x" * 1000))) * 64
    sent = [0]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)

        def flood() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(HEAD)
                connection.settimeout(0.1)
                while sent[0] < 64 << 20:
                    sent[0] += connection.send(piece)

        flooding = threading.Thread(target=flood)
        flooding.start()
        server = Loopback()
        server.port = listening.getsockname()[1]
        with SyncClient(server.target()) as client, client.stream("Hi") as stream:
            next(stream)
            flooding.join()
            received = len(stream.transcript.text)
    assert sent[0] < 16 << 20
    assert received < 1 << 20


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_tool_that_leaves_the_program_ends_its_own_conversation(kind: type[BaseException], serve: Serve) -> None:
    """It is raised in the thread that waits; streams of other threads, and later ones, go on."""

    def leave() -> str:
        raise kind

    server = serve(ENDLESS, calling("leave"), chat("Hello"))
    client, other = started(server)
    with pytest.raises(kind):
        client.converse("x", tools=[leave]).collect()
    assert client.complete("x").text == "Hello"
    assert other.transcript.outcome is None
    client.close()
    assert other.transcript.outcome == "client_closed"
