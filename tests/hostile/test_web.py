"""Hostile answers and hostile readers of web servers: formats keep their frames, and hubs their bounds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from resilient_stream import StreamMisused
from resilient_stream.chunks import (
    File,
    Logprobs,
    Raw,
    ReasoningDelta,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from resilient_stream.conversation.turns import ToolResult, TurnStarted
from resilient_stream.failures import ErrorKind, Failure
from resilient_stream.failures.kinds import TEXTS
from resilient_stream.formats.ai_sdk import AiSdkWriter
from resilient_stream.formats.events import EventsWriter
from resilient_stream.formats.ndjson import NdjsonWriter
from resilient_stream.formats.statuses import shown
from resilient_stream.formats.text import TextWriter, text_refusal
from resilient_stream.formats.values import encode
from resilient_stream.formats.writer import About, Ending, Writer
from resilient_stream.integrations.anthropic.errors import refusal as anthropic_refusal
from resilient_stream.integrations.anthropic.writer import MessagesWriter
from resilient_stream.integrations.openai.chat_writer import ChatWriter
from resilient_stream.integrations.openai.errors import refusal as openai_refusal
from resilient_stream.integrations.openai.responses_writer import ResponsesWriter
from resilient_stream.outcome.errors import AllTargetsFailed
from resilient_stream.outcome.making import error_for
from resilient_stream.web import Hub, NoSuchStream
from resilient_stream.web.starlette import StreamResponse
from tests.processor import seconds
from tests.web.hub_parts import PlainWriter, numbers, read_all, stream_of

ABOUT = About("an-id", 1, "model\n\ndata: {}", "provider:model\r\nid: 9")
HOSTILE = (
    'a\rb\nc\u2028d\u2029e\x00f\ud800g\x85\n\ndata: {"type":"end","outcome":"complete"}\n\nid: 99\nevent: x\n: y\n\n'
)
ITEMS = [
    TextDelta(HOSTILE),
    ReasoningDelta(HOSTILE),
    ToolCallDelta(0, HOSTILE, HOSTILE, '{"a":"' + HOSTILE),
    ToolCall(1, HOSTILE, HOSTILE, '{"a":1}', {"a": 1}),
    Source(url=f"https://example.org/{HOSTILE}", title=HOSTILE, quote=HOSTILE),
    File(media_type=f"text/html{HOSTILE}", data=b"\x00\n\ndata: x"),
    ServerToolCall(HOSTILE, HOSTILE, HOSTILE),
    ServerToolResult(HOSTILE, HOSTILE, {HOSTILE: [HOSTILE]}),
    Raw(HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, "doubt"),
    Logprobs([{"token": HOSTILE}]),
]
WRITERS: dict[str, Callable[[], Writer]] = {
    "events": EventsWriter,
    "ndjson": NdjsonWriter,
    "text": TextWriter,
    "ai-sdk": AiSdkWriter,
    "openai": ChatWriter,
    "responses": lambda: ResponsesWriter({"model": HOSTILE}),
    "anthropic": MessagesWriter,
}
of_each = pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)


def written(writer: Writer, items: Iterable[Any]) -> list[bytes]:
    """All frames of an answer of these items, each a batch of its own."""
    frames = list(writer.begin(ABOUT))
    for item in items:
        frames += writer.write([item])
    return [*frames, *writer.end(Ending("complete", None, "stop"))]


@of_each
def test_no_text_breaks_out_of_its_frame(writer: Callable[[], Writer]) -> None:
    """Line breaks, NUL, half a surrogate pair and whole events inside of a text, an id or a name stay inside of it."""
    made = writer()
    for frame in written(made, ITEMS):
        frame.decode()
        if made.numbered:
            assert frame.endswith(b"\n\n")
            lines = frame[:-2].split(b"\n")
            assert all(line.startswith((b"data: ", b"event: ")) and b"\r" not in line for line in lines)
            assert [line[:5] for line in lines].count(b"data:") == 1
        elif isinstance(made, NdjsonWriter):
            assert frame.count(b"\n") == 1
            assert b"\r" not in frame


@of_each
def test_arguments_of_many_small_pieces_take_linear_time(writer: Callable[[], Writer]) -> None:
    """4 MB in pieces of 50 bytes: a writer that copies all it has for each of them would take half a minute."""
    piece = "x" * 50
    whole = '{"a":"' + piece * 80_000 + '"}'
    pieces = [whole[at : at + 50] for at in range(0, len(whole), 50)]
    items = [*(ToolCallDelta(0, "c", "f", each) for each in pieces), ToolCall(0, "c", "f", whole)]
    assert seconds(lambda: written(writer(), items), soon=3) < 3


def one_by_one(count: int) -> Iterable[Any]:
    """So many calls, each with its fragment in front."""
    for number in range(count):
        yield ToolCallDelta(number, f"c{number}", "f", "{}")
        yield ToolCall(number, f"c{number}", "f", "{}", {})


def answered(count: int) -> Iterable[Any]:
    """So many calls in one turn of a conversation, and then their results."""
    yield TurnStarted(1)
    for number in range(count):
        yield ToolCall(number, f"c{number}", "f", "{}", {})
    for number in range(count):
        yield ToolResult(f"c{number}", "f", "x", False, 0.0)


@of_each
@pytest.mark.parametrize("calls", [one_by_one, answered])
def test_many_calls_take_linear_time(writer: Callable[[], Writer], calls: Callable[[int], Iterable[Any]]) -> None:
    """20,000 calls in an answer: a writer that looks at all of them for each would take some ten seconds."""
    assert seconds(lambda: written(writer(), calls(20_000)), soon=3) < 3


class Looked(OrderedDict[str, Any]):
    """Counts the answers that are looked at."""

    looks = 0

    def items(self) -> Any:
        for each in super().items():
            self.looks += 1
            yield each


async def test_full_hub_looks_at_few_answers() -> None:
    """A busy server's hub is full most of the time, and each frame of each answer asks what may be forgotten."""
    hub = Hub(max_bytes=100_000)
    while len(hub._ended) * 2500 < hub.max_bytes:
        await read_all(hub.begin(stream_of("hello"), PlainWriter()))
    hub._ended = looked = Looked(hub._ended)
    before = len(looked)
    for _ in range(20):
        await read_all(hub.begin(stream_of("hello"), PlainWriter()))
    assert hub._size <= hub.max_bytes
    assert len(looked) >= before - 1
    assert looked.looks < 50
    await hub.aclose()


@pytest.mark.parametrize("owner", ["\udcff", "me\x00", "", "M\u00fcller"])
async def test_owner_may_be_any_text(owner: str) -> None:
    """Also what a server makes of a header's bytes that are no text; it is still that owner's alone."""
    hub = Hub()
    source = hub.begin(stream_of("hello"), PlainWriter(), owner=owner)
    id = source.stream_id or ""
    await read_all(source)
    for other in (None, "x", owner + "x"):
        with pytest.raises(NoSuchStream):
            await hub.resume(id, owner=other)
    assert numbers(await read_all(await hub.resume(id, owner=owner))) == [1, 2, 3]
    await hub.aclose()


@pytest.mark.parametrize("id", ["", "\x00", "\ud800", "x" * 100_000, "../{id}", "{id}\n", " {id}", "{half}"])
async def test_no_other_id_finds_an_answer(id: str) -> None:
    """Whatever a path or a body has in the place of an id, it is one that never was."""
    hub = Hub()
    source = hub.begin(stream_of("hello"), PlainWriter())
    await read_all(source)
    known = source.stream_id or ""
    asked = id.format(id=known, half=known[:-1])
    with pytest.raises(NoSuchStream):
        await hub.resume(asked)
    assert await hub.stop(asked) is False
    await hub.aclose()


@pytest.mark.parametrize("foreign", [True, False])
@pytest.mark.parametrize("kind", ErrorKind)
@pytest.mark.parametrize("both", [False, True])
def test_readers_are_not_told_where_the_targets_are(kind: ErrorKind, foreign: bool, both: bool) -> None:
    """They learn what happened, and no address, target, proxy or variable of whoever runs the server."""
    secrets = {name: f"secret-{name}.internal" for name in ("tried", "proxy", "host", "variable", "address")}
    for code in ("", *(code for of, code in TEXTS if of is kind)):
        failure = Failure(kind=kind, code=code, facts={**secrets, "reason": "[Errno 111] secret-host.internal:8080"})
        error = error_for(
            failure, provider="openai", model="m", host="secret-host.internal:8080", foreign=foreign,
            provider_title="OpenAI", env_var="SECRET_VARIABLE", gave_up="budget",
        )  # fmt: skip
        error = AllTargetsFailed.of([error, error]) if both else error
        said = [
            encode(shown(error)), text_refusal(error).body, openai_refusal(error).body,
            anthropic_refusal(error, "r").body,
        ]  # fmt: skip
        for each in said:
            assert not any(word in each for word in (b"secret", b"SECRET", b"openai:m")), each


@pytest.mark.parametrize("odd", [0, -1, float("nan"), "5", True])
def test_heartbeat_without_a_pause_is_refused(odd: Any) -> None:
    """It would be sent for ever, and nothing else would run in the process."""
    with pytest.raises(StreamMisused, match="heartbeat"):
        StreamResponse(stream_of("hello"), heartbeat=odd)


@pytest.mark.parametrize("odd", [5, b"me", ["me"]])
async def test_owner_that_is_no_text_is_refused(odd: Any) -> None:
    """At once, and nothing is asked of a provider."""
    hub = Hub()
    with pytest.raises(StreamMisused, match="owner"):
        StreamResponse(stream_of("hello"), hub=hub, owner=odd)
    with pytest.raises(StreamMisused, match="owner"):
        hub.begin(stream_of("hello"), PlainWriter(), owner=odd)
    with pytest.raises(StreamMisused, match="owner"):
        await hub.stop("id", odd)
    assert not hub._running
    await hub.aclose()


@pytest.mark.parametrize("odd", [{"ttl": -1}, {"max_bytes": -1}, {"drain": -1}, {"ttl": float("nan")}, {"drain": "5"}])
def test_hub_without_bounds_is_refused(odd: Any) -> None:
    """No answer would ever go on in one of fewer than no bytes."""
    with pytest.raises(StreamMisused, match=next(iter(odd))):
        Hub(**odd)
