"""Answers in one piece: when they are asked for, that they say the same, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import (
    Client,
    Limits,
    ResourceError,
    ResponseTimeout,
    RetryPolicy,
    Stream,
    StreamError,
    StreamInterrupted,
    Target,
    TextDelta,
    Timeouts,
    ToolCall,
    Transcript,
)
from resilient_stream.contract import Capabilities, Request
from resilient_stream.engine import spool
from resilient_stream.engine.middleware import buffered as module
from resilient_stream.engine.middleware.buffered import variable_of
from resilient_stream.engine.process import PROCESS
from resilient_stream.engine.spool import Spool
from resilient_stream.engine.whole_body import SLICE, WholeBody
from resilient_stream.events import Event, FellBack
from resilient_stream.messages import to_messages
from resilient_stream.providers.openai.chat import OpenAIChat
from resilient_stream.providers.openai.hosts import HOSTS
from resilient_stream.providers.shared.event_decoder import EventDecoder
from resilient_stream.testing import (
    CallTool,
    CleanEnd,
    Cut,
    End,
    FakeProvider,
    Head,
    Script,
    Send,
    Sleep,
    Stall,
    Status,
    Text,
)
from resilient_stream.testing import Event as SseEvent
from tests.engine.clock import Clock
from tests.processor import Heartbeat

from .loopback import InThread, Loopback

QUICK = RetryPolicy(initial=0.001, maximum=0.002)
TOOLS = [{"name": "look", "parameters": {"type": "object", "properties": {}}}]
JSON = {"content-type": "application/json"}
HELLO: Script = (Text("Hel", "lo"), End())
LONG = "wörd 😀 \n" * 5000
"""More than is kept in memory here, with characters that a piece may tear."""
HUGE = "x" * 400_000
"""More than one network read, so that a stream's decoder has to keep a part of its event."""

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Bodies beyond 10 kB go to this folder."""
    monkeypatch.setattr(spool, "IN_MEMORY", 10_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def chat(text: str, **more: Any) -> bytes:
    """A whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"id": "c-1", "model": "m-1", **more, "choices": [choice]}, ensure_ascii=False).encode()


def streamed(provider: FakeProvider) -> list[bool]:
    """Whether each request asked for a stream."""
    return [bool(request.json["stream"]) for request in provider.requests]


def fell_back(happened: list[Event]) -> list[tuple[str, str]]:
    """How, and because of what kind of error."""
    return [(event.how, event.error.kind.value) for event in happened if isinstance(event, FellBack)]


# -- on request -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "given"),
    [("openai", {}), ("anthropic", {}), ("gemini", {}), ("bedrock", {}),
     ("bedrock", {"model": "anthropic.claude-x", "api": "invoke"})],
    ids=["openai", "anthropic", "gemini", "bedrock", "bedrock, invoked"],
)  # fmt: skip
async def test_a_target_may_be_asked_for_whole_answers(dialect: str, given: dict[str, Any]) -> None:
    """The same text, tool call, usage and end as from a stream."""
    happened: list[Event] = []
    script: Script = (Text("Hel", "lo"), CallTool("look", {"x": 1}), End())
    async with FakeProvider(script) as provider, Client(on_event=happened.append) as client:
        found = [
            await client.complete("hi", tools=TOOLS, to=provider.target(dialect, **given, **options))
            for options in ({}, {"stream": False})
        ]
        paths = [request.path for request in provider.requests]
    first, second = [
        (t.text, t.delivered, [c.parsed for c in t.tool_calls], t.finish_reason, t.usage, t.outcome, t.model)
        for t in found
    ]
    assert first == second
    assert second[0] == "Hello"
    assert fell_back(happened) == []  # it was asked for
    assert (paths[0] != paths[1]) is (dialect in ("gemini", "bedrock"))


@pytest.mark.parametrize(
    ("value", "option", "stream"),
    [("1", None, False), ("true", None, False), ("", None, True), ("0", None, True), ("off", None, True),
     ("1", True, True), ("0", False, False)],
)  # fmt: skip
async def test_the_environment_switches_streaming_off(
    value: str, option: bool | None, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a provider by its name; what the target says stands over it."""
    monkeypatch.setenv("OPENAI_DISABLE_STREAMING", value)
    async with FakeProvider(HELLO) as provider, Client(provider.target("openai", stream=option)) as client:
        assert (await client.complete("hi")).text == "Hello"
        assert streamed(provider) == [stream]


def test_the_variables_name_is_the_providers() -> None:
    """In capitals, with what is no letter as a line."""
    assert variable_of("openai") == "OPENAI_DISABLE_STREAMING"
    assert variable_of("openai-responses") == "OPENAI_RESPONSES_DISABLE_STREAMING"


async def test_a_model_that_cannot_stream_tools_is_asked_for_whole_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tools are given; without them it streams."""
    unable = Capabilities(whole=True, streaming_tools=False)
    monkeypatch.setattr(OpenAIChat, "capabilities", lambda self, model: unable)
    async with FakeProvider(HELLO) as provider, Client(provider.target("openai")) as client:
        await client.complete("hi", tools=TOOLS)
        await client.complete("hi")
        assert streamed(provider) == [False, True]


async def test_who_cannot_give_whole_answers_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent; the next target answers."""
    monkeypatch.setattr(OpenAIChat, "capabilities", lambda self, model: Capabilities())
    async with FakeProvider(HELLO) as provider:
        async with Client(provider.target("openai", stream=False), provider.target("anthropic")) as client:
            transcript = await client.complete("hi")
        assert len(provider.requests) == 1
    assert transcript.target == "anthropic:fake-model"


async def test_a_server_that_streams_all_the_same_is_read_as_a_stream() -> None:
    """A server that streams although one piece was asked for is read by its content type."""
    script: Script = (Head(), *(SseEvent(event) for event in SSE), CleanEnd())
    async with FakeProvider(script) as provider, Client(provider.target("openai", stream=False)) as client:
        assert (await client.complete("hi")).text == "Hello"
        assert streamed(provider) == [False]


SSE: tuple[Any, ...] = (
    {"choices": [{"index": 0, "delta": {"content": "Hello"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    "[DONE]",
)


# -- when memory is short, or the stream cannot be read ---------------------------------------


@pytest.mark.parametrize("retry", [QUICK, RetryPolicy.off()], ids=["with retries", "without"])
async def test_an_event_above_the_limit_is_asked_for_in_one_piece(retry: RetryPolicy) -> None:
    """A long text in one event is too large for a stream's buffer; a whole answer's long text is never held."""
    happened: list[Event] = []
    limits = Limits(max_event_bytes=2048)
    async with FakeProvider([Text(HUGE), End()]) as provider:
        async with Client(provider.target("openai"), limits=limits, retry=retry, on_event=happened.append) as client:
            transcript = await client.complete("hi")
        assert streamed(provider) == [True, False]
    assert (transcript.text == HUGE, transcript.outcome) == (True, "complete")
    assert fell_back(happened) == [("buffered", "buffer_limit")]
    assert [attempt.error and attempt.error.kind.value for attempt in transcript.attempts] == ["buffer_limit", None]


async def test_it_is_asked_once_more_and_no_more() -> None:
    """When the whole answer is too large as well, that is the error; the next target is not asked."""
    large = {"choices": [], "new": HUGE}
    scripts = (SseEvent(large), CleanEnd()), (Head(200, JSON), Send(json.dumps(large).encode()), CleanEnd())
    async with FakeProvider(*scripts) as provider, FakeProvider(HELLO) as other:
        targets = (provider.target("openai"), other.target("openai"))
        async with Client(*targets, limits=Limits(max_event_bytes=1024), retry=QUICK) as client:
            with pytest.raises(ResourceError, match="too large"):
                await client.complete("hi")
        assert streamed(provider) == [True, False]
        assert other.requests == []


async def test_a_memory_error_is_answered_by_a_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised where a stream is decoded."""
    happened: list[Event] = []
    feed = EventDecoder.feed

    def fails(self: EventDecoder[Any], data: bytes) -> Any:
        monkeypatch.setattr(EventDecoder, "feed", feed)
        raise MemoryError

    monkeypatch.setattr(EventDecoder, "feed", fails)
    async with FakeProvider(HELLO) as provider:
        async with Client(provider.target("openai"), on_event=happened.append) as client:
            assert (await client.complete("hi")).text == "Hello"
        assert streamed(provider) == [True, False]
    assert fell_back(happened) == [("buffered", "out_of_memory")]


@pytest.mark.parametrize(("limit", "stream"), [(1, False), (1 << 50, True)])
async def test_above_the_ceiling_nothing_is_streamed(limit: int, stream: bool) -> None:
    """Looked at before each attempt; the event says how much is in use."""
    happened: list[Event] = []
    async with FakeProvider(HELLO) as provider:
        limits = Limits(max_rss_bytes=limit)
        async with Client(provider.target("openai"), limits=limits, on_event=happened.append) as client:
            assert (await client.complete("hi")).text == "Hello"
        assert streamed(provider) == [stream]
    assert fell_back(happened) == ([] if stream else [("buffered", "out_of_memory")])
    told = [event for event in happened if isinstance(event, FellBack)]
    assert all("MiB" in event.error.message and event.source == event.target == "openai:fake-model" for event in told)


async def test_the_retry_after_an_unreadable_stream_asks_for_one_piece() -> None:
    """After an unreadable stream, one retry asks for one piece, if the retry policy allows it."""
    happened: list[Event] = []
    bad: Script = (SseEvent("{nope"), CleanEnd())
    async with FakeProvider(bad, HELLO) as provider:
        async with Client(provider.target("openai"), retry=QUICK, on_event=happened.append) as client:
            assert (await client.complete("hi")).text == "Hello"
        assert streamed(provider) == [True, False]
    assert fell_back(happened) == [("buffered", "protocol_error")]
    async with FakeProvider(bad) as provider:
        async with Client(provider.target("openai"), retry=RetryPolicy.off()) as client:
            with pytest.raises(StreamError):
                await client.complete("hi")
        assert streamed(provider) == [True]


async def test_after_content_nothing_is_asked_again() -> None:
    """An event above the limit in the middle of an answer is an error with what had come."""
    script: Script = (Text("Hel"), Sleep(0.01), Text(HUGE), End())
    async with FakeProvider(script) as provider:
        async with Client(provider.target("openai"), limits=Limits(max_event_bytes=1024)) as client:
            with pytest.raises(ResourceError) as caught:
                await client.complete("hi")
        assert len(provider.requests) == 1
    assert caught.value.transcript is not None
    assert caught.value.transcript.text == "Hel"


async def test_what_is_to_stream_is_never_buffered() -> None:
    """A target with `stream=True` is streamed, even when memory is short."""
    limits = Limits(max_event_bytes=1024, max_rss_bytes=1)
    async with FakeProvider([Text(HUGE), End()]) as provider:
        async with Client(provider.target("openai", stream=True), limits=limits, retry=QUICK) as client:
            with pytest.raises(ResourceError):
                await client.complete("hi")
        assert streamed(provider) == [True]


# -- what is learned --------------------------------------------------------------------------


BROKEN: Script = (CallTool("look", '{"x":'), End())


async def test_a_target_that_mis_streams_tool_calls_is_remembered(caplog: pytest.LogCaptureFixture) -> None:
    """The broken call is delivered as it is; from then on whole answers are asked for where tools are given."""
    happened: list[Event] = []
    async with FakeProvider(BROKEN, HELLO) as provider:
        target, other = provider.target("openai"), provider.target("openai", model="other")
        async with Client(target) as client:
            assert [call.parsed for call in (await client.complete("hi", tools=TOOLS)).tool_calls] == [None]
        async with Client(target, on_event=happened.append) as client:  # another client, the same process
            await client.complete("hi", tools=TOOLS)
            await client.complete("hi")
            await client.complete("hi", tools=TOOLS, to=other)
        assert streamed(provider) == [True, False, True, True]
    assert fell_back(happened) == [("buffered", "model_output_invalid")]
    [record] = [record for record in caplog.records if "while this process lives" in record.getMessage()]
    assert "openai:fake-model streamed a tool call that cannot be read" in record.getMessage()


async def test_a_bedrock_target_that_mis_streams_tool_calls_is_remembered() -> None:
    """As any other: from then on the path of whole answers is asked for."""
    async with FakeProvider(BROKEN, HELLO) as provider, Client(provider.target("bedrock")) as client:
        await client.complete("hi", tools=TOOLS)
        assert (await client.complete("hi", tools=TOOLS)).text == "Hello"
        assert [each.path.rpartition("/")[2] for each in provider.requests] == ["converse-stream", "converse"]


async def test_bedrocks_long_text_is_read_from_disk(on_disk: Path) -> None:
    """A frame above the limit is asked for as a whole answer, whose text is never held at once."""
    limits = Limits(max_event_bytes=2048)
    async with FakeProvider([Text(HUGE), End()]) as provider:
        async with Client(provider.target("bedrock"), limits=limits) as client:
            transcript = await client.complete("hi")
        assert len(provider.requests) == 2
    assert (transcript.text == HUGE, transcript.outcome) == (True, "complete")


async def test_a_failed_tool_stream_is_asked_for_in_one_piece_at_once() -> None:
    """The retry that it gets anyway is the whole answer."""
    failed = {"choices": [{"index": 0, "delta": {}, "finish_reason": "malformed_function_call"}]}
    async with FakeProvider([SseEvent(failed), CleanEnd()], HELLO) as provider:
        async with Client(provider.target("openai"), retry=QUICK) as client:
            assert (await client.complete("hi", tools=TOOLS)).text == "Hello"
        assert streamed(provider) == [True, False]


@pytest.mark.parametrize(
    ("script", "tools"),
    [
        ((CallTool("look", '{"x":'), End("length")), TOOLS),
        ((CallTool("look", '{"x":'), Cut()), TOOLS),
        (BROKEN, None),
        ((Status(400, body={"error": {"message": "tool_use_failed", "code": "tool_use_failed"}}),), TOOLS),
    ],
    ids=["cut by max_tokens", "cut", "no tools", "refused by status"],
)
async def test_what_is_no_fault_of_the_stream_teaches_nothing(script: Script, tools: Any) -> None:
    """A call that is cut is broken as well."""
    async with FakeProvider(script, HELLO) as provider:
        async with Client(provider.target("openai"), retry=RetryPolicy.off()) as client:
            try:
                await client.complete("hi", tools=tools)
            except StreamError:
                pass
            await client.complete("hi", tools=TOOLS)
        assert streamed(provider) == [True, True]


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many remembered targets, the oldest is forgotten."""
    monkeypatch.setattr(module, "MAX_LEARNED", 3)
    async with FakeProvider(BROKEN) as provider, Client() as client:
        for number in range(5):
            await client.complete("hi", tools=TOOLS, to=provider.target("openai", model=f"m{number}"))
    assert [key.split(" ")[0] for key in PROCESS.whole] == ["openai:m2", "openai:m3", "openai:m4"]


# -- how a whole answer goes wrong ------------------------------------------------------------


def body(data: bytes, *rest: Any, length: int | None = None) -> Script:
    """A JSON body of this length, or of its own."""
    headers = {**JSON, "content-length": str(len(data) if length is None else length)}
    return (Head(200, headers, "length"), Send(data), *rest)


WHOLE = chat("Hello")
WRONG: dict[str, Script] = {
    "a cut": body(WHOLE[:-20], Cut(), length=len(WHOLE)),
    "a cut before all": body(b" ", Cut(), length=len(WHOLE)),
    "a clean end in the middle": (Head(200, JSON), Send(WHOLE[:-20]), CleanEnd()),
    "nothing": (Head(200, JSON), CleanEnd()),
    "broken JSON": body(WHOLE.replace(b'"choices"', b'}"choices"')),
    "an error in a 200": body(b'{"error": {"message": "no", "code": 503}}'),
    "a login page": (Head(200, {"content-type": "text/html"}), Send(b"<html>"), CleanEnd()),
    "a login page that calls itself JSON": (Head(200, JSON), Send(b"\n<html>"), CleanEnd()),
    "an HTTP error": (Status(503),),
    "an answer to something else": body(b'{"status": "ok"}'),
}


@pytest.mark.parametrize("script", WRONG.values(), ids=list(WRONG))
async def test_whatever_is_wrong_is_found_before_anything_is_given(script: Script) -> None:
    """So the next target can answer (promise 2), and the caller sees one answer."""
    async with FakeProvider(script) as provider, FakeProvider(HELLO) as other:
        targets = (provider.target("openai", stream=False), other.target("openai"))
        async with Client(*targets, retry=RetryPolicy.off()) as client:
            transcript = await client.complete("hi")
    assert (transcript.text, len(transcript.attempts)) == ("Hello", 2)
    assert transcript.attempts[0].error is not None


@pytest.mark.parametrize("name", ["a login page", "a login page that calls itself JSON"])
async def test_a_page_is_not_the_api(name: str) -> None:
    """By what it is, not by what it calls itself."""
    async with FakeProvider(WRONG[name]) as provider, Client(provider.target("openai", stream=False)) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("hi")
    assert caught.value.kind == "unexpected_response"


@pytest.mark.parametrize("times", [1, 75], ids=["small", "large"])
async def test_an_answer_that_is_whole_when_the_connection_breaks_is_whole(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that lacks only the end of its HTTP framing is whole, also when its last part is still in a buffer."""
    write = Spool.write

    async def slowly(self: Spool, data: bytes) -> None:
        await asyncio.sleep(0.01)
        await write(self, data)

    monkeypatch.setattr(Spool, "write", slowly)
    data = chat("Hello 😀" * 300 * times)
    async with FakeProvider(body(data, Cut(), length=len(data) + 1)) as provider:
        async with Client(provider.target("openai", stream=False), retry=RetryPolicy.off()) as client:
            transcript = await client.complete("hi")
    assert (transcript.outcome, transcript.text) == ("complete", "Hello 😀" * 300 * times)


async def test_an_answer_without_content_is_one() -> None:
    """A whole answer without content is complete, with its finish reason."""
    async with FakeProvider(body(chat(""))) as provider:
        async with Client(provider.target("openai", stream=False), retry=RetryPolicy.off()) as client:
            transcript = await client.complete("hi")
    assert (transcript.text, transcript.finish_reason, transcript.outcome) == ("", "stop", "complete")


async def test_a_full_disk_is_named(on_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is this process's trouble: no retry that is billed again, no other target; and what to do is said."""

    def full(self: Spool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spool, "_flush", full)
    async with FakeProvider([Text(LONG), End()]) as provider, FakeProvider(HELLO) as other:
        async with Client(provider.target("openai", stream=False), other.target("openai")) as client:
            with pytest.raises(ResourceError) as caught:
                await client.complete("hi")
        assert (len(provider.requests), len(other.requests)) == (1, 0)
    assert "No space left on device" in caught.value.message
    assert "TMPDIR" in caught.value.resolution


# -- clocks -----------------------------------------------------------------------------------


async def test_empty_lines_do_not_feed_the_clock() -> None:
    """Some servers send them for minutes to keep a connection alive."""
    lines = [step for _ in range(100) for step in (Send(b"\n"), Sleep(0.005))]
    timeouts = Timeouts(first_content=0.05, stall=0.02)
    async with FakeProvider([Head(200, JSON), *lines]) as provider:
        target = provider.target("openai", stream=False)
        async with Client(target, timeouts=timeouts, retry=RetryPolicy.off()) as client:
            with pytest.raises(ResponseTimeout):
                await client.complete("hi")


async def test_a_body_that_is_arriving_is_not_too_late(own_clock: Clock) -> None:
    """While parts of it come, each within the stall time, the first content may be later than it should."""
    data = chat("x" * 100)
    parts = [step for at in range(0, len(data), 10) for step in (Send(data[at : at + 10]), Sleep(0.01))]
    timeouts = Timeouts(first_content=0.04, stall=0.2)
    async with FakeProvider([Head(200, JSON), *parts, CleanEnd()]) as provider:
        target = provider.target("openai", stream=False)
        async with Client(target, timeouts=timeouts, retry=RetryPolicy.off()) as client:
            transcript = await client.complete("hi")
    assert transcript.outcome == "complete"
    assert own_clock.passed > 0.1


async def test_a_body_that_stops_arriving_is(own_clock: Clock) -> None:
    """And its part is kept by nobody: it never was an answer."""
    timeouts = Timeouts(first_content=0.02, stall=0.06)
    async with FakeProvider([Head(200, JSON), Send(WHOLE[:20]), Stall()]) as provider:
        target = provider.target("openai", stream=False)
        async with Client(target, timeouts=timeouts, retry=RetryPolicy.off()) as client:
            with pytest.raises(ResponseTimeout) as caught:
                await client.complete("hi")
    assert caught.value.transcript is not None
    assert caught.value.transcript.text == ""
    assert 0.05 < own_clock.passed < 0.5


# -- from disk --------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
async def test_a_large_answer_comes_from_disk_in_pieces(
    dialect: str, on_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same text, and the connection is free before the first of them is taken."""
    monkeypatch.setattr("resilient_stream.engine.whole_body.PIECE", 1000)
    async with FakeProvider([Text(LONG), End()]) as provider:
        async with Client(provider.target(dialect, stream=False)) as client:
            stream = client.stream("hi")
            pieces = [(await anext(stream)).text]
            assert provider.open == 0
            pieces += [piece async for piece in stream.texts()]
    assert "".join(pieces) == stream.transcript.text == stream.transcript.delivered == LONG
    assert len(pieces) > 10
    assert max(map(len, pieces)) <= 1000
    assert list(on_disk.iterdir()) == []


async def test_the_loop_goes_on_while_a_large_answer_is_read() -> None:
    """Ten megabytes, received, looked through and handed out, and no other task waits long for its turn."""
    data = chat("some words\\n and ü " * 500_000)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode()
    with InThread(Loopback([head, data])) as server:
        async with Client(server.target(stream=False)) as client:
            gc.collect()
            async with Heartbeat(soon=0.01) as beats:
                async for _ in (stream := client.stream("hi")):
                    pass
    assert stream.transcript.outcome == "complete"
    assert len(beats.gaps) > 20
    assert beats.longest < 0.01


async def test_a_read_is_looked_through_in_slices() -> None:
    """A body of a thousand tiny parts costs more than its bytes; the loop has a turn between two slices."""
    data = [b"x" * (5 * SLICE + 1), b""]

    async def read() -> bytes:
        return data.pop(0)

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    decoder = OpenAIChat("openai", HOSTS["openai"]).whole_decoder(REQUEST)
    whole, running = WholeBody(b"x" * (SLICE + 1), read, decoder), asyncio.create_task(others())
    sizes = []
    while part := await whole.receive():
        sizes.append(len(part))
    running.cancel()
    whole.close()
    assert sizes == [SLICE, 1, *[SLICE] * 5, 1]
    assert turns >= 5
    assert SLICE <= 16 * 1024


REQUEST = Request(messages=to_messages("hi"), target=Target("openai:m"), stream=False)


async def test_what_is_in_memory_is_kept_when_the_caller_leaves(on_disk: Path) -> None:
    """The whole of it was received; of one that lies on disk at least the usage is known."""
    async with FakeProvider([Text("x" * 9000), End()], [Text("x" * 90_000), End()]) as provider:
        async with Client(provider.target("openai", stream=False)) as client:
            for size in (9000, 90_000):
                async with client.stream("hi") as stream:
                    first = await anext(stream)
                assert isinstance(first, TextDelta)
                assert (stream.transcript.outcome, stream.transcript.delivered) == ("abandoned", first.text)
                assert stream.transcript.attempts[0].usage is not None
                assert len(stream.transcript.text) == size or size > 10_000


# -- endings ----------------------------------------------------------------------------------


ARRIVING: Script = (Head(200, JSON), Send(chat(LONG)[:-100]), Stall())
ARRIVED: Script = (Text(LONG), End())


async def answered(stream: Stream) -> None:
    """Wait until the answer begins, and a moment more, in which its body arrives."""
    while not stream.transcript.attempts or stream.transcript.attempts[0].status is None:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)


async def by_break(stream: Stream) -> None:
    """How it is left."""
    async for _ in stream:
        break


async def by_close(stream: Stream) -> None:
    """How it is left."""
    pull = asyncio.ensure_future(anext(stream))
    await answered(stream)
    stream.close()
    await asyncio.gather(pull, return_exceptions=True)


async def by_cancel(stream: Stream) -> None:
    """How it is left."""
    task = asyncio.create_task(stream.collect())
    await answered(stream)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def by_timeout(stream: Stream) -> None:
    """How it is left."""
    try:
        async with asyncio.timeout(None) as time:
            task = asyncio.create_task(answered(stream))
            task.add_done_callback(lambda _: time.reschedule(0))
            await stream.collect()
    except TimeoutError:
        pass


async def by_deadline(stream: Stream) -> None:
    """How it is left."""
    try:
        async for _ in stream:
            await asyncio.sleep(0.1)
    except TimeoutError:
        pass


@pytest.fixture
async def no_file_left(on_disk: Path) -> AsyncIterator[None]:
    """As many files are open after the test as before it, and none is in the folder."""
    before = len(os.listdir("/proc/self/fd"))
    yield
    for _ in range(100):
        if len(os.listdir("/proc/self/fd")) <= before:
            break
        await asyncio.sleep(0.005)
    assert len(os.listdir("/proc/self/fd")) <= before
    assert list(on_disk.iterdir()) == []


WAYS: list[tuple[Callable[[Stream], Awaitable[None]], Script]] = [
    (by_close, ARRIVING), (by_cancel, ARRIVING), (by_timeout, ARRIVING), (by_deadline, ARRIVING),
    (by_break, ARRIVED), (by_cancel, ARRIVED), (by_deadline, ARRIVED),
]  # fmt: skip


@pytest.mark.usefixtures("no_file_left")
@pytest.mark.parametrize(
    ("way", "script"),
    WAYS,
    ids=[f"{way.__name__} {'in' if script is ARRIVING else 'after'} the body" for way, script in WAYS],
)
async def test_however_it_ends_nothing_is_left(
    way: Callable[[Stream], Awaitable[None]], script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither connection nor file, while the body arrives or while it is handed out; on_end once."""
    monkeypatch.setattr("resilient_stream.engine.whole_body.PIECE", 500)
    ended: list[Transcript] = []
    async with FakeProvider(script) as provider:
        async with Client(provider.target("openai", stream=False)) as client:
            await way(client.stream("hi", on_end=ended.append, deadline=0.2 if way is by_deadline else None))
            await provider.wait_closed(1, 10)
            assert not client.calls
    assert len(ended) == 1
    assert ended[0].outcome != "failed"
    assert ended[0].outcome != "complete" or way is by_cancel


@pytest.mark.usefixtures("no_file_left")
async def test_a_dropped_stream_takes_its_file_along() -> None:
    """A dropped stream removes its file at once, without a warning."""
    async with FakeProvider(ARRIVED) as provider, Client(provider.target("openai", stream=False)) as client:
        before = len(os.listdir("/proc/self/fd"))
        stream = client.stream("hi")
        await anext(stream)
        assert len(os.listdir("/proc/self/fd")) > before
        gc.disable()
        try:
            del stream
            assert not client.calls
        finally:
            gc.enable()


@pytest.mark.usefixtures("no_file_left")
async def test_a_failed_body_is_forgotten_before_the_next_is_asked_for() -> None:
    """Each attempt has a file of its own."""
    cut: Script = (Head(200, JSON), Send(chat(LONG)[:-100]), Cut())
    async with FakeProvider(cut, ARRIVED) as provider:
        async with Client(provider.target("openai", stream=False), retry=QUICK) as client:
            transcript = await client.complete("hi")
    assert transcript.text == LONG
    assert isinstance(transcript.attempts[0].error, StreamInterrupted)


async def test_own_middlewares_see_how_it_is_asked() -> None:
    """They stand around each attempt, and may ask for whole answers themselves."""
    seen: list[bool] = []

    async def mine(request, call, call_next):  # type: ignore[no-untyped-def]
        seen.append(request.stream)
        async for batch in call_next(dataclasses.replace(request, stream=False), call):
            yield batch

    async with FakeProvider(HELLO) as provider:
        async with Client(provider.target("openai", stream=False), middlewares=[mine]) as client:
            await client.complete("hi")
            await client.complete("hi", to=provider.target("openai"))
        assert streamed(provider) == [False, False]
    assert seen == [False, True]


async def test_two_long_texts_of_one_answer_are_each_whole(on_disk: Path) -> None:
    """The second one is read from its own beginning."""
    message = {"role": "assistant", "reasoning_content": LONG, "content": f"So: {LONG}"}
    body = json.dumps({"id": "c-1", "model": "m-1", "choices": [{"message": message, "finish_reason": "stop"}]})
    async with FakeProvider([Head(200, JSON), Send(body.encode()), CleanEnd()]) as provider:
        async with Client(provider.target("deepseek", stream=False)) as client:
            transcript = await client.complete("hi")
    assert (transcript.reasoning, transcript.text) == (LONG, f"So: {LONG}")


async def test_a_tool_call_of_a_whole_answer_is_not_learned_from() -> None:
    """There is nothing else to turn to."""
    async with FakeProvider(BROKEN) as provider, Client(provider.target("openai", stream=False)) as client:
        transcript = await client.complete("hi", tools=TOOLS)
        assert [type(call) for call in transcript.tool_calls] == [ToolCall]
    assert not PROCESS.whole
    assert Target("openai:m", stream=None).options == {"stream": None}
