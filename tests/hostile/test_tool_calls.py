"""A tool is never run with arguments that were not said of it: fragments in odd order, pieces that contradict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

from resilient_stream import Client, Recovery, RetryPolicy, StreamError, ToolCall
from resilient_stream.chunks import Chunk, ToolCallDelta
from resilient_stream.providers.anthropic.stream import messages_decoder
from resilient_stream.providers.bedrock.converse_stream import ConverseReader
from resilient_stream.providers.bedrock.frames import Frame
from resilient_stream.providers.bedrock.whole import WHOLE
from resilient_stream.providers.cohere.stream import cohere_decoder
from resilient_stream.providers.google.interactions_stream import interaction_decoder
from resilient_stream.providers.google.stream import gemini_decoder
from resilient_stream.providers.ollama.stream import ollama_decoder
from resilient_stream.providers.openai.chat_stream import chat_decoder
from resilient_stream.providers.openai.item_calls import ItemCalls
from resilient_stream.providers.openai.responses_stream import responses_decoder
from resilient_stream.providers.shared.block_calls import BlockCalls
from resilient_stream.providers.shared.open_call import LateArguments
from resilient_stream.providers.shared.tool_calls import ToolCalls, parse_arguments
from resilient_stream.testing import End, FakeProvider, Text, serve_bytes

Fragment: TypeAlias = tuple[int | None, str | None, str | None, str]

A, B = '{"path": "/a"}', '{"path": "/b"}'
TWO = [("delete", {"path": "/a"}), ("delete", {"path": "/b"})]
ONE = [("delete", {"path": "/a"})]


def halves(text: str) -> tuple[str, str]:
    """A text in two pieces."""
    return text[:7], text[7:]


ORDERS: dict[str, tuple[list[Fragment], list[tuple[str, Any]]]] = {
    "one index, a new id begins, fragments without ids": (
        [
            (0, "a", "delete", ""), *((0, None, None, piece) for piece in halves(A)),
            (0, "b", "delete", ""), *((0, None, None, piece) for piece in halves(B)),
        ],
        TWO,
    ),
    "the same with empty ids": (
        [
            (0, "a", "delete", ""), *((0, "", "", piece) for piece in halves(A)),
            (0, "b", "delete", ""), *((0, "", "", piece) for piece in halves(B)),
        ],
        TWO,
    ),
    "no index, a new id begins": (
        [
            (None, "a", "delete", ""), *((None, None, None, piece) for piece in halves(A)),
            (None, "b", "delete", ""), *((None, None, None, piece) for piece in halves(B)),
        ],
        TWO,
    ),
    "no index, no ids, a name begins": (
        [
            (None, None, "delete", ""), *((None, None, None, piece) for piece in halves(A)),
            (None, None, "delete", ""), *((None, None, None, piece) for piece in halves(B)),
        ],
        TWO,
    ),
    "one index, no ids, whole calls": ([(0, None, "delete", A), (0, None, "delete", B)], TWO),
    "one index, no ids, whole calls of two tools": (
        [(0, None, "delete", A), (0, None, "now", "{}"), (0, None, "now", "{}")],
        [*ONE, ("now", {}), ("now", {})],
    ),
    "one index, no ids, calls without arguments": ([(0, None, "now", ""), (0, None, "today", "")],
                                                   [("now", {}), ("today", {})]),
    "one index, no ids, null for no arguments": ([(0, None, "now", "null"), (0, None, "now", "null")],
                                                 [("now", {}), ("now", {})]),
    "no index, interleaved by ids": (
        [
            (None, "a", "delete", ""), (None, "b", "delete", ""), (None, "a", None, A[:7]), (None, "b", None, B[:7]),
            (None, "a", None, A[7:]), (None, "b", None, B[7:]),
        ],
        TWO,
    ),
    "right indexes, interleaved": (
        [
            (0, "a", "delete", ""), (1, "b", "delete", ""), (0, None, None, A[:7]), (1, None, None, B[:7]),
            (0, None, None, A[7:]), (1, None, None, B[7:]),
        ],
        TWO,
    ),
    "the name with each fragment": ([(0, "a", "delete", piece) for piece in (*halves(A), "")], ONE),
    "the name with each fragment, no ids": ([(0, None, "delete", piece) for piece in ("", *halves(A), "")], ONE),
    "braces inside of strings": (
        [(0, None, "delete", '{"path": "}'), (0, None, "delete", '\\"}{'), (0, None, "delete", '"}')],
        [("delete", {"path": '}"}{'})],
    ),
    "a new id with each fragment": ([(0, "a", "delete", ""), (0, "b", None, A[:7]), (0, "c", None, A[7:])], ONE),
    "a new index with each fragment": ([(0, "a", "delete", ""), (1, "a", None, A[:7]), (2, "a", None, A[7:])], ONE),
    "the whole call once more at the end": (
        [(0, "a", "delete", ""), (0, None, None, A), (0, "a", "delete", '{"path":"/a"}')], ONE,
    ),
    "two calls of one id under two indexes": ([(0, "a", "delete", A), (1, "a", "delete", B)], TWO),
    # What contradicts itself is an error on that call.
    "two objects under one id": ([(0, "a", "delete", A), (0, "a", "delete", B)], [("delete", None)]),
    "two objects glued together": ([(0, "a", "delete", A), (0, None, None, B)], [("delete", None)]),
    "two names under one id": ([(0, "a", "delete", ""), (0, "a", "list", A)], [("delete", None)]),
    "a second name inside the arguments": ([(0, None, "delete", A[:7]), (0, None, "list", A[7:])], [("delete", None)]),
    "arguments of a call that nobody named": ([(0, "a", "delete", ""), (1, None, None, A)],
                                              [("delete", None), ("", None)]),
    "no object": ([(0, "a", "delete", "[1]")], [("delete", None)]),
}  # fmt: skip


@pytest.mark.parametrize(("fragments", "calls"), ORDERS.values(), ids=ORDERS)
def test_a_fragment_goes_to_the_call_it_was_meant_for(fragments: list[Fragment], calls: list[tuple[str, Any]]) -> None:
    """Whatever servers make of indexes, ids and names; and what may be of two calls is run as neither."""
    reading = ToolCalls()
    for fragment in fragments:
        reading.add(*fragment)
    whole = reading.whole()
    assert [(call.name, call.parsed) for call in whole] == calls
    assert len({call.index for call in whole}) == len(whole)


@pytest.mark.parametrize(("fragments", "calls"), ORDERS.values(), ids=ORDERS)
def test_the_same_in_the_stream_of_a_chat_completion(fragments: list[Fragment], calls: list[tuple[str, Any]]) -> None:
    """A chat completion's stream gives the same calls from the same fragments."""
    reading = chat_decoder("openai", max_event_bytes=100_000)
    chunks = reading.feed(b"".join(map(chat_event, fragments)) + CHAT_END)
    assert [(call.name, call.parsed) for call in chunks if isinstance(call, ToolCall)] == calls


def test_the_legacy_function_call_is_held_to_the_same() -> None:
    """It has no ids at all: a name after a whole object begins another call."""
    pieces = [("delete", A[:7]), (None, A[7:]), ("delete", B)]
    events = [{"choices": [{"delta": {"function_call": {"name": n, "arguments": a}}}]} for n, a in pieces]
    chunks = chat_decoder("openai", max_event_bytes=100_000).feed(sse(*events) + CHAT_END)
    assert [(call.name, call.parsed) for call in chunks if isinstance(call, ToolCall)] == TWO


def test_arguments_after_the_call_was_given_out_end_the_answer() -> None:
    """The call that left as whole was not: no conversation may run it."""
    reading = chat_decoder("openai", max_event_bytes=100_000)
    reading.feed(chat_event((0, "a", "delete", "")) + CHAT_FINISH)
    reading.feed(chat_event((0, None, None, A)))
    assert reading.failure is not None
    assert not reading.done


NOTHINGS = ["", " ", "\n", "null", " null ", "[]", '""', '"null"', '"{}"', "{}"]


@pytest.mark.parametrize("text", NOTHINGS)
def test_nothing_in_any_spelling_is_an_empty_object(text: str) -> None:
    """Servers write it in many ways for a tool that takes nothing."""
    assert parse_arguments(text) == {}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ('{"a": "line\nend\ttab"}', {"a": "line\nend\ttab"}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ('{"a": "\\ud83d"}', {"a": "\ufffd"}),
        ('{"a": "\\ud83d\\udc69\\udc69"}', {"a": "\U0001f469\ufffd"}),
        ('{"a": "\\\\ud83d"}', {"a": "\\ud83d"}),
        ('{"a": 1e999}', None),
        ('{"a": NaN}', None),
        ('{"a": ' + "9" * 5000 + "}", None),
        ("[" * 100_000, None),
        ('{"a":' * 100_000, None),
        ("{} {}", None),
        ('"x"', None),
        ("1", None),
        ("undefin", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_arguments_are_read_as_they_were_meant_or_not_at_all(text: str, parsed: Any) -> None:
    """Line ends in strings, JSON in JSON and half a pair of surrogates are read; nothing is guessed."""
    assert parse_arguments(text) == parsed


# -- the dialects -----------------------------------------------------------------------------


def sse(*events: Any) -> bytes:
    """Events as a server sends them."""
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def chat_event(fragment: Fragment) -> bytes:
    """A fragment in a chat completion's event, without the fields that are None."""
    index, id, name, arguments = fragment
    function = {"arguments": arguments} | ({} if name is None else {"name": name})
    call = {"function": function} | ({} if index is None else {"index": index}) | ({} if id is None else {"id": id})
    return sse({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})


CHAT_FINISH = sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
CHAT_END = CHAT_FINISH + b"data: [DONE]\n\n"


def anthropic(*events: dict[str, Any]) -> Iterator[Any]:
    """The answer of a Messages API with these events in the middle."""
    yield {"type": "message_start", "message": {"id": "m", "model": "m", "content": []}}
    yield from events
    yield {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}
    yield {"type": "message_stop"}


def begin(index: int, id: str, name: str = "delete", **given: Any) -> dict[str, Any]:
    """A block that is a call begins."""
    block = {"type": "tool_use", "id": id, "name": name, "input": given}
    return {"type": "content_block_start", "index": index, "content_block": block}


def piece(index: int, text: str) -> dict[str, Any]:
    """A piece of a block's arguments."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": text}}


def stop(index: int) -> dict[str, Any]:
    """A block ends."""
    return {"type": "content_block_stop", "index": index}


SEARCH = {
    "type": "content_block_start", "index": 0,
    "content_block": {"type": "server_tool_use", "id": "s", "name": "search", "input": {}},
}  # fmt: skip

BLOCKS = {
    "all blocks are number 0": ([begin(0, "a"), piece(0, A), stop(0), begin(0, "b"), piece(0, B), stop(0)], TWO),
    "a block begins where another is open": ([begin(0, "a"), piece(0, A), begin(0, "b"), piece(0, B), stop(0)], TWO),
    "the same begins twice": ([begin(0, "a"), begin(0, "a"), piece(0, A), stop(0)], ONE),
    "both begin before any arguments": (
        [begin(0, "a"), begin(0, "b"), piece(0, A), piece(0, B), stop(0)], [("delete", None), ("delete", None)],
    ),
    "arguments under another number": ([begin(0, "a"), piece(1, A), stop(0)], [("delete", None)]),
    "a tool that the provider runs": ([SEARCH, piece(0, A), stop(0), begin(1, "b", "now"), stop(1)], [("now", {})]),
    "no name": ([begin(0, "a", ""), piece(0, A), stop(0)], [("", None)]),
    "given, no pieces": ([begin(0, "a", path="/a"), stop(0)], ONE),
    "no end": ([begin(0, "a"), piece(0, A)], ONE),
}  # fmt: skip


def read(decoder: Any, body: bytes) -> list[tuple[str, Any]]:
    """The calls of a body, by name and what may be run of them."""
    chunks = [*decoder.feed(body), *decoder.finish()]
    return [(call.name, call.parsed) for call in chunks if isinstance(call, ToolCall)]


@pytest.mark.parametrize(("events", "calls"), BLOCKS.values(), ids=BLOCKS)
def test_a_block_that_contradicts_another_is_not_run(events: list[Any], calls: list[tuple[str, Any]]) -> None:
    """Numbers of blocks that come twice, and arguments for a block that was never begun."""
    assert read(messages_decoder("anthropic", max_event_bytes=100_000), sse(*anthropic(*events))) == calls


def test_arguments_after_their_block_end_the_answer() -> None:
    """The call left with `{}`; what comes now shows that this was wrong."""
    reading = messages_decoder("anthropic", max_event_bytes=100_000)
    reading.feed(sse(*anthropic(begin(0, "a"), stop(0), piece(0, A))))
    assert reading.failure is not None


def test_arguments_of_blocks_are_held_to_the_same_in_other_dialects() -> None:
    """Bedrock's and the Interactions' readers use the same calls by block."""
    calls = BlockCalls()
    calls.begin(0, "a", "delete")
    assert calls.add(5, A) == []
    assert [chunk.parsed for chunk in calls.end(0) if isinstance(chunk, ToolCall)] == [None]
    with pytest.raises(LateArguments):
        calls.add(0, A)


def item(event: str, index: int | None = 0, **fields: Any) -> dict[str, Any]:
    """An event about an item of the Responses API."""
    place = {} if index is None else {"output_index": index}
    return {"type": f"response.{event}", **place, **fields}


def said(arguments: str, id: str = "a", name: str = "delete", item_id: str = "i") -> dict[str, Any]:
    """A call as an item has it."""
    return {"type": "function_call", "id": item_id, "call_id": id, "name": name, "arguments": arguments}


DONE = {"type": "response.completed", "response": {"status": "completed"}}
ADDED = item("output_item.added", item=said(""))
DELTA, DELTA_DONE = "function_call_arguments.delta", "function_call_arguments.done"

ITEMS = {
    "as it should be": ([ADDED, item(DELTA, delta=A), item("output_item.done", item=said(A))], ONE),
    "done says other arguments": ([ADDED, item(DELTA, delta=A), item("output_item.done", item=said(B))],
                                  [("delete", None)]),
    "done is written differently": ([ADDED, item(DELTA, delta=A), item("output_item.done", item=said('{"path":"/a"}'))],
                                    ONE),
    "done says nothing": ([ADDED, item(DELTA, delta=A), item("output_item.done", item=said(""))], ONE),
    "done says another name": ([ADDED, item(DELTA, delta=A), item("output_item.done", item=said(A, name="list"))],
                               [("delete", None)]),
    "only the end of the arguments says them": ([ADDED, item(DELTA_DONE, arguments=A)], ONE),
    "deltas go by the item's id alone": ([ADDED, item(DELTA, None, item_id="i", delta=A)], ONE),
    "deltas of an item that nobody knows": ([ADDED, item(DELTA, 7, delta=A)], [("delete", None), ("", None)]),
    "done twice": ([ADDED, *[item("output_item.done", item=said(A))] * 2], ONE),
    "all items are number 0": (
        [
            ADDED, item(DELTA, delta=A), item("output_item.done", item=said(A)), item("output_item.added",
            item=said("", "b", item_id="j")), item(DELTA, delta=B), item("output_item.done", item=said(B, "b")),
        ],
        TWO,
    ),
    "an item begins where another is open": (
        [ADDED, item("output_item.added", item=said("", "b")), item(DELTA, delta=A)],
        [("delete", None), ("delete", {"path": "/a"})],
    ),
    "only done": ([item("output_item.done", item=said(A))], ONE),
}  # fmt: skip


@pytest.mark.parametrize(("events", "calls"), ITEMS.values(), ids=ITEMS)
def test_an_item_and_its_pieces_are_one_call_or_none(events: list[Any], calls: list[tuple[str, Any]]) -> None:
    """What an item says when it is done counts where no piece said it, and is an error where it differs."""
    assert read(responses_decoder("openai-responses", max_event_bytes=100_000), sse(*events, DONE)) == calls


def test_items_are_numbered_in_the_order_in_which_they_began() -> None:
    """Also when one has ended before the next begins."""
    calls = ItemCalls()
    for key in ("0", "1"):
        calls.begin(key, key, "f", "{}")
        calls.end(key, key, "f", "{}")
    assert len(calls) == 2
    last = calls.begin("5", "x", "f", "")[0]
    assert isinstance(last, ToolCallDelta)
    assert last.index == 2


def function_call(**fields: Any) -> dict[str, Any]:
    """Gemini's event with a function call."""
    return {"candidates": [{"content": {"parts": [{"functionCall": fields}]}}]}


GEMINI_END = {"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]}
GEMINI = {
    "whole": ([function_call(name="delete", args={"path": "/a"})], ONE),
    "cut by the next name before its arguments": (
        [function_call(name="delete", willContinue=True), function_call(name="now", args={})],
        [("delete", None), ("now", {})],
    ),
    "cut by the end before its arguments": ([function_call(name="delete", willContinue=True)], [("delete", None)]),
    "two ids": (
        [function_call(name="delete", id="a", willContinue=True), function_call(id="b", args={"path": "/a"})],
        [("delete", None)],
    ),
    "arguments twice": (
        [function_call(name="delete", args={"path": "/a"}, willContinue=True), function_call(args={"path": "/b"})],
        [("delete", None)],
    ),
    "no name": ([function_call(args={"path": "/a"})], [("", None)]),
    "null": ([function_call(name="now", args=None)], [("now", {})]),
}


@pytest.mark.parametrize(("events", "calls"), GEMINI.values(), ids=GEMINI)
def test_geminis_calls_in_pieces_are_whole_or_not_run(events: list[Any], calls: list[tuple[str, Any]]) -> None:
    """A name that comes too early cuts the call before it."""
    assert read(gemini_decoder("gemini", max_event_bytes=100_000), sse(*events, GEMINI_END)) == calls


def test_a_call_without_a_name_is_an_error_in_every_dialect() -> None:
    """Cohere, Ollama and the Interactions, too: it leaves, with the reason, and is not run."""
    call = {"id": "a", "function": {"arguments": A}}
    cohere = sse(
        {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": call}}},
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}},
    )
    ollama = json.dumps({"message": {"tool_calls": [{"function": {"arguments": {"path": "/a"}}}]}, "done": True})
    interactions = sse(
        {"event_type": "step.start", "index": 0, "step": {"type": "function_call", "id": "a", "arguments": {"p": 1}}},
        {"event_type": "step.stop", "index": 0},
        {"event_type": "interaction.completed", "interaction": {"status": "requires_action"}},
    )
    assert read(cohere_decoder(max_event_bytes=100_000), cohere) == [("", None)]
    assert read(ollama_decoder("ollama", max_event_bytes=100_000), ollama.encode() + b"\n") == [("", None)]
    assert read(interaction_decoder("gemini-interactions", max_event_bytes=100_000), interactions) == [("", None)]


# -- in a conversation ------------------------------------------------------------------------


async def ran(body: bytes, provider: str = "openai") -> tuple[list[str], str]:
    """What a conversation runs of an answer, and what the model is told."""
    paths: list[str] = []

    async def delete(path: str = "/") -> str:
        """Delete a path."""
        paths.append(path)
        return "deleted"

    recovery, retry = Recovery.off(), RetryPolicy(initial=0.01, maximum=0.02)
    async with FakeProvider(serve_bytes(body), [Text("done"), End()]) as fake:
        target = fake.target(provider, model="claude-haiku-4-5" if provider == "anthropic" else "fake-model")
        async with Client(target, recovery=recovery, retry=retry) as client:
            try:
                await client.converse("Tidy up.", tools=[delete]).collect()
            except StreamError as error:
                return paths, str(error)
        return paths, json.dumps(fake.requests[-1].json)


CONTRADICTIONS = {
    "chat: two names": ("openai", b"".join(map(chat_event, ORDERS["two names under one id"][0])) + CHAT_END),
    "chat: lost arguments": (
        "openai", b"".join(map(chat_event, ORDERS["arguments of a call that nobody named"][0])) + CHAT_END,
    ),
    "chat: two objects": ("openai", b"".join(map(chat_event, ORDERS["two objects under one id"][0])) + CHAT_END),
    "chat: late arguments": (
        "openai", chat_event((0, "a", "delete", "")) + CHAT_FINISH + chat_event((0, None, None, A)) + CHAT_END,
    ),
    "messages: lost arguments": ("anthropic", sse(*anthropic(begin(0, "a"), piece(1, A), stop(0)))),
    "messages: late arguments": ("anthropic", sse(*anthropic(begin(0, "a"), stop(0), piece(0, A)))),
    "responses: other arguments": (
        "openai-responses",
        sse(ADDED, item(DELTA, delta=A), item("output_item.done", item=said(B)), DONE),
    ),
    "gemini: cut": ("gemini", sse(function_call(name="delete", willContinue=True), GEMINI_END)),
}  # fmt: skip


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(("provider", "body"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
async def test_a_conversation_runs_no_call_that_contradicts_itself(provider: str, body: bytes) -> None:
    """All of its parameters have defaults, so nothing else would stop it; the model is told instead."""
    paths, told = await ran(body, provider)
    assert paths == []
    assert "was not run" in told or "Invalid arguments" in told or "cannot be read" in told


@pytest.mark.usefixtures("nothing_left")
async def test_a_conversation_runs_parallel_calls_with_their_own_arguments() -> None:
    """Two deletions under one index delete what was asked for, and not the default."""
    fragments = ORDERS["one index, a new id begins, fragments without ids"][0]
    paths, _ = await ran(b"".join(map(chat_event, fragments)) + CHAT_END)
    assert sorted(paths) == ["/a", "/b"]


# -- arguments that went astray ---------------------------------------------------------------

EMPTY: list[Fragment] = [(0, "a", "delete", ""), (0, "b", "delete", "")]
NUMBERED: list[Fragment] = [(0, "a", "delete", ""), (1, "b", "delete", "")]
UNNUMBERED: list[Fragment] = [(None, "a", "delete", ""), (None, "b", "delete", "")]


def chat(*fragments: Fragment) -> tuple[str, bytes]:
    """A chat completion of these fragments."""
    return "openai", b"".join(map(chat_event, fragments)) + CHAT_END


def chat_call(function: Any, reason: str = "tool_calls", **beside: Any) -> tuple[str, bytes]:
    """A chat completion with one fragment, in fields that may be odd."""
    call = {"index": 0, "id": "a", "function": function, **beside}
    end = sse({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}) + b"data: [DONE]\n\n"
    return "openai", sse({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}) + end


def chat_whole(*fragments: Fragment, arguments: str) -> tuple[str, bytes]:
    """Fragments, and then the whole message with the arguments of call a."""
    call = {"id": "a", "function": {"name": "delete", "arguments": arguments}}
    message = sse({"choices": [{"index": 0, "message": {"tool_calls": [call]}}]})
    return "openai", b"".join(map(chat_event, fragments)) + message + CHAT_END


def messages(*events: dict[str, Any]) -> tuple[str, bytes]:
    """An answer of the Messages API."""
    return "anthropic", sse(*anthropic(*events))


def delta(index: int, **fields: Any) -> dict[str, Any]:
    """A delta of a block, in fields that may be odd."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", **fields}}


def block(**fields: Any) -> dict[str, Any]:
    """A call's block, in fields that may be odd."""
    return {"type": "content_block_start", "index": 0,
            "content_block": {"type": "tool_use", "id": "a", "name": "delete", **fields}}  # fmt: skip


def responses(*events: Any) -> tuple[str, bytes]:
    """An answer of the Responses API."""
    return "openai-responses", sse(*events, DONE)


def added(index: int, id: str) -> dict[str, Any]:
    """An item that is a call begins."""
    return item("output_item.added", index, item=said("", id, item_id=f"item-{id}"))


def item_done(**fields: Any) -> dict[str, Any]:
    """An item that is a call is whole, in fields that may be odd."""
    call = {"type": "function_call", "id": "i", "call_id": "a", "name": "delete", **fields}
    return item("output_item.done", item=call)


def cohere(*events: tuple[str, int, Any], whole: Any = None) -> tuple[str, bytes]:
    """An answer of Cohere's: events of calls, by type, index and call."""
    sent = [{"type": kind, "index": index, "delta": {"message": {"tool_calls": call}}} for kind, index, call in events]
    end = {"finish_reason": "TOOL_CALL"} | ({} if whole is None else {"message": {"tool_calls": [whole]}})
    return "cohere", sse({"type": "message-start", "id": "m"}, *sent, {"type": "message-end", "delta": end})


def start(index: int, id: str, **function: Any) -> tuple[str, int, Any]:
    """A call of Cohere's begins."""
    return "tool-call-start", index, {"id": id, "type": "function", "function": {"name": "delete", **function}}


def more(index: int, arguments: str) -> tuple[str, int, Any]:
    """A piece of its arguments."""
    return "tool-call-delta", index, {"function": {"arguments": arguments}}


def gemini(*calls: dict[str, Any]) -> tuple[str, bytes]:
    """An answer of Gemini's with these parts, one in each event."""
    return "gemini", sse(*(function_call(**call) for call in calls), GEMINI_END)


def ollama(*calls: dict[str, Any]) -> tuple[str, bytes]:
    """An answer of Ollama's with these calls, one in each line."""
    lines = [{"message": {"content": "", "tool_calls": [call]}, "done": False} for call in calls]
    end = {"message": {"content": ""}, "done": True, "done_reason": "stop"}
    return "ollama", b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, end])


def steps(*events: tuple[str, int, dict[str, Any]], whole: Any = ()) -> tuple[str, bytes]:
    """An answer of the Interactions API: events of steps, by kind, index and what they have."""
    field = {"start": "step", "delta": "delta", "stop": "step"}
    sent = [{"event_type": f"step.{kind}", "index": index, field[kind]: said} for kind, index, said in events]
    end = {"id": "n", "status": "requires_action", "steps": list(whole)}
    return "gemini-interactions", sse(*sent, {"event_type": "interaction.completed", "interaction": end})


def step(index: int, id: str, **fields: Any) -> tuple[str, int, dict[str, Any]]:
    """A step that is a call begins."""
    return "start", index, {"type": "function_call", "id": id, "name": "delete", **fields}


def step_piece(index: int, **fields: Any) -> tuple[str, int, dict[str, Any]]:
    """A piece of its arguments."""
    return "delta", index, {"type": "arguments_delta", **fields}


PATH = {"path": "/a"}
NAMED = {"name": "delete"}
ASTRAY: dict[str, tuple[tuple[str, bytes], list[str]]] = {
    "chat: two announced, pieces by the same index": (
        chat(*EMPTY, (0, None, None, A), (0, None, None, B)), []),
    "chat: three announced, two pieces": (
        chat(*EMPTY, (0, "c", "delete", ""), (0, None, None, A), (0, None, None, B)), []),
    "chat: two announced, pieces without an index": (
        chat(*UNNUMBERED, (None, None, None, A), (None, None, None, B)), []),
    "chat: two numbered, pieces without an index": (
        chat(*NUMBERED, (None, None, None, A), (None, None, None, B)), []),
    "chat: two numbered, pieces of one": (chat(*NUMBERED, (1, None, None, A), (1, None, None, B)), []),
    "chat: two numbered, mixed pieces of one": (
        chat(*NUMBERED, *((1, None, None, each) for each in (A[:9], B[:9], A[9:], B[9:]))), []),
    "chat: one piece that may be of two": (chat(*NUMBERED, (None, None, None, A)), []),
    "chat: an empty object and again with arguments": (
        chat((0, "a", "delete", "{}"), (0, None, "delete", A)), ["/a"]),
    "chat: empty objects, pieces of one": (
        chat((0, "a", "delete", "{}"), (1, "b", "delete", "{}"), (1, None, None, A), (1, None, None, B)), []),
    "chat: input": (chat_call({**NAMED, "input": A}), ["/a"]),
    "chat: parameters": (chat_call({**NAMED, "parameters": PATH}), ["/a"]),
    "chat: arguments beside the function": (chat_call(NAMED, arguments=A), ["/a"]),
    "chat: all beside the function": (chat_call(None, name="delete", arguments=A), ["/a"]),
    "chat: arguments in two places": (chat_call({**NAMED, "arguments": A, "input": B}), []),
    "chat: a field that is not known": (chat_call({**NAMED, "arguments": "", "payload": A}), []),
    "chat: a field beside that is not known": (chat_call(NAMED, payload=PATH), []),
    "chat: a function that is a text": (chat_call(A, name="delete"), []),
    "chat: the message at the end has them": (chat_whole((0, "a", "delete", ""), arguments=A), ["/a"]),
    "chat: the end fell into the call": (chat_call({**NAMED, "arguments": "{}"}, "length"), []),
    "messages: pieces of one block": (
        messages(begin(0, "a"), begin(1, "b"), piece(1, A), piece(1, B), stop(0), stop(1)), []),
    "messages: pieces of the second of two that follow": (
        messages(begin(0, "a"), stop(0), begin(1, "b"), piece(1, A), piece(1, B), stop(1)), []),
    "messages: arguments as text": (
        messages(begin(0, "a"), delta(0, type="text_delta", text=A), stop(0)), []),
    "messages: a delta that is not known": (
        messages(begin(0, "a"), delta(0, type="args_delta", payload=A), stop(0)), []),
    "messages: a delta's field that is not known": (messages(begin(0, "a"), delta(0, payload=A), stop(0)), []),
    "messages: input of a delta": (messages(begin(0, "a"), delta(0, input=A), stop(0)), ["/a"]),
    "messages: a delta that is an object": (messages(begin(0, "a"), delta(0, partial_json=PATH), stop(0)), ["/a"]),
    "messages: the end of a block has them": (
        messages(begin(0, "a"), {**begin(0, "a", path="/a"), "type": "content_block_stop"}), ["/a"]),
    "messages: arguments": (messages(block(arguments=PATH), stop(0)), ["/a"]),
    "messages: a block's field that is not known": (messages(block(input={}, payload=PATH), stop(0)), []),
    "messages: a block that begins twice": (
        messages(begin(0, "a"), piece(0, A), begin(0, "a"), stop(0)), ["/a"]),
    "messages: the message at the end has them": (
        messages(begin(0, "a"), stop(0), {"type": "message", "id": "m", "stop_reason": "tool_use",
                                          "content": [block(input=PATH)["content_block"]]}), []),
    "responses: pieces of one item": (
        responses(added(0, "a"), added(1, "b"), item(DELTA, 1, delta=A), item(DELTA, 1, delta=B)), []),
    "responses: index and id say different calls": (
        responses(added(0, "a"), added(1, "b"), item(DELTA, 0, item_id="item-b", delta=A),
                  item(DELTA, 1, item_id="item-a", delta=B)), []),
    "responses: arguments that are an object": (responses(item_done(arguments=PATH)), ["/a"]),
    "responses: input": (responses(item_done(input=A)), ["/a"]),
    "responses: a field that is not known": (responses(item_done(arguments="", payload=A)), []),
    "responses: arguments in two places": (responses(item_done(arguments=A, input=B)), []),
    "responses: a delta that is an object": (responses(added(0, "a"), item(DELTA, delta=PATH)), ["/a"]),
    "responses: arguments of a delta": (responses(added(0, "a"), item(DELTA, arguments=A)), ["/a"]),
    "responses: a delta's field that is not known": (responses(added(0, "a"), item(DELTA, payload=A)), []),
    "responses: the end's field that is not known": (responses(added(0, "a"), item(DELTA_DONE, payload=A)), []),
    "responses: done twice, first without": (responses(item_done(arguments=""), item_done(arguments=A)), []),
    "responses: done without, the whole answer has them": (
        ("openai-responses", sse(item_done(arguments=""), {**DONE, "response": {
            "status": "completed", "output": [said(A)]}})), []),
    "cohere: pieces of one call": (cohere(start(0, "a"), start(1, "b"), more(1, A), more(1, B)), []),
    "cohere: two announced under one index": (cohere(start(0, "a"), start(0, "b"), more(0, A), more(0, B)), []),
    "cohere: parameters": (cohere(start(0, "a", parameters=PATH)), ["/a"]),
    "cohere: arguments that are an object": (cohere(start(0, "a", arguments=PATH)), ["/a"]),
    "cohere: a field that is not known": (cohere(start(0, "a", payload=A)), []),
    "cohere: pieces in a list": (
        cohere(start(0, "a"), ("tool-call-delta", 0, [{"function": {"arguments": A}}])), ["/a"]),
    "cohere: the message at the end has them": (
        cohere(start(0, "a"), whole={"id": "a", "function": {**NAMED, "arguments": A}}), ["/a"]),
    "gemini: arguments without the name": (gemini(NAMED, {"args": PATH}), ["/a"]),
    "gemini: arguments": (gemini({**NAMED, "arguments": PATH}), ["/a"]),
    "gemini: arguments that are a text": (gemini({**NAMED, "args": A}), ["/a"]),
    "gemini: a field that is not known": (gemini({**NAMED, "payload": PATH}), []),
    "gemini: the same with arguments": (gemini(NAMED, {**NAMED, "args": PATH}), ["/a"]),
    "gemini: arguments of no call": (gemini({"args": PATH}, NAMED), []),
    "ollama: parameters": (ollama({"function": {**NAMED, "parameters": PATH}}), ["/a"]),
    "ollama: arguments beside the function": (ollama({"function": NAMED, "arguments": PATH}), ["/a"]),
    "ollama: a field that is not known": (ollama({"function": {**NAMED, "arguments": {}, "payload": PATH}}), []),
    "ollama: the same index again with arguments": (
        ollama(*({"function": {**NAMED, "index": 0, "arguments": each}} for each in ({}, PATH))), ["/a"]),
    "ollama: arguments of no call": (ollama({"function": {"arguments": PATH}}, {"function": NAMED}), []),
    "interactions: pieces of one step": (
        steps(step(0, "a"), step(1, "b"), step_piece(1, arguments=A), step_piece(1, arguments=B),
              ("stop", 0, {}), ("stop", 1, {})), []),
    "interactions: input": (steps(step(0, "a", input=PATH), ("stop", 0, {})), ["/a"]),
    "interactions: a piece that is an object": (
        steps(step(0, "a"), step_piece(0, arguments=PATH), ("stop", 0, {})), ["/a"]),
    "interactions: a field that is not known": (steps(step(0, "a", payload=PATH), ("stop", 0, {})), []),
    "interactions: a delta that is not known": (
        steps(step(0, "a"), ("delta", 0, {"type": "args", "payload": A}), ("stop", 0, {})), []),
    "interactions: the whole answer has them": (
        steps(step(0, "a"), whole=[{"type": "function_call", "id": "a", "name": "delete", "arguments": PATH}]), ["/a"]),
}  # fmt: skip


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(("answer", "paths"), ASTRAY.values(), ids=ASTRAY)
async def test_a_call_whose_arguments_went_astray_is_never_run_without(
    answer: tuple[str, bytes], paths: list[str]
) -> None:
    """They are read where they can mean one call only; otherwise no call that is left without any is run."""
    provider, body = answer
    found, _ = await ran(body, provider)
    assert found == paths


CLEAN: dict[str, tuple[str, bytes]] = {
    "chat": chat(*NUMBERED, (1, None, None, A)),
    "chat: known fields": chat_call({**NAMED, "arguments": ""}, type="function", extra_content={"google": {"a": "b"}}),
    "messages": messages(begin(0, "a"), stop(0), begin(1, "b"), piece(1, A), stop(1)),
    "messages: known fields": messages(block(input={}, caller={"type": "direct"}), piece(0, ""), stop(0)),
    "responses": responses(added(0, "a"), item(DELTA, delta=""), item_done(arguments="", status="completed")),
    "cohere": cohere(start(0, "a"), start(1, "b"), more(1, A)),
    "gemini": gemini(NAMED),
    "gemini: two": gemini({**NAMED, "args": {}}, {**NAMED, "args": {}}),
    "ollama": ollama({"function": {**NAMED, "index": 0, "arguments": {}}}),
    "ollama: another index": ollama(
        *({"function": {**NAMED, "index": index, "arguments": each}} for index, each in enumerate(({}, PATH)))
    ),
    "interactions": steps(step(0, "a", arguments={}, signature="s"), ("stop", 0, {})),
}  # fmt: skip


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(("provider", "body"), CLEAN.values(), ids=CLEAN)
async def test_a_call_without_arguments_is_run_in_an_answer_without_contradictions(provider: str, body: bytes) -> None:
    """A tool may have no parameters, and a model may leave out those that have defaults."""
    paths, _ = await ran(body, provider)
    assert "/" in paths


def frames(*events: tuple[str, int, Any]) -> list[Frame]:
    """Events of ConverseStream, by name, block and the field that they have."""
    field = {"contentBlockStart": "start", "contentBlockDelta": "delta", "contentBlockStop": "stop"}
    sent = [Frame(name, json.dumps({"contentBlockIndex": at, field[name]: said}).encode()) for name, at, said in events]
    return [*sent, Frame("messageStop", b'{"stopReason": "tool_use"}')]


def tool_use(block: int, id: str, **fields: Any) -> tuple[str, int, Any]:
    """A block that is a call begins."""
    return "contentBlockStart", block, {"toolUse": {"toolUseId": id, "name": "delete", **fields}}


def tool_piece(block: int, **fields: Any) -> tuple[str, int, Any]:
    """A piece of its input."""
    return "contentBlockDelta", block, {"toolUse": fields}


CONVERSE = {
    "pieces of one block": (
        [tool_use(0, "a"), tool_use(1, "b"), tool_piece(1, input=A), tool_piece(1, input=B)], [None, None]),
    "arguments": ([tool_use(0, "a", arguments=PATH)], [PATH]),
    "a piece that is an object": ([tool_use(0, "a"), tool_piece(0, input=PATH)], [PATH]),
    "arguments as text": ([tool_use(0, "a"), ("contentBlockDelta", 0, {"text": A})], [None]),
    "a delta that is not known": ([tool_use(0, "a"), ("contentBlockDelta", 0, {"payload": {"a": A}})], [None]),
    "a field that is not known": ([tool_use(0, "a", payload=A)], [None]),
    "a piece's field that is not known": ([tool_use(0, "a"), tool_piece(0, payload=A)], [None]),
    "none at all": ([tool_use(0, "a"), tool_piece(0, input="")], [{}]),
}  # fmt: skip


@pytest.mark.parametrize(("events", "parsed"), CONVERSE.values(), ids=CONVERSE)
def test_bedrocks_calls_are_held_to_the_same(events: list[Any], parsed: list[Any]) -> None:
    """A call that was left without arguments is an error where something of the answer was not understood."""
    reading = ConverseReader(max_event_bytes=100_000, raw=False, eof_ok=False)
    batch: list[Chunk] = []
    reading.read(frames(*events), batch)
    assert [call.parsed for call in batch if isinstance(call, ToolCall)] == parsed


def test_a_whole_answer_of_bedrocks_is_held_to_the_same() -> None:
    """Its input under another name is read; `{}` in its place is none."""
    content = [{"toolUse": {"toolUseId": "a", "name": "delete", "parameters": PATH}}]
    whole = {"output": {"message": {"content": content}}, "stopReason": "tool_use"}
    events = json.loads(WHOLE["converse"][1](json.dumps(whole).encode()))
    reading = ConverseReader(max_event_bytes=100_000, raw=False, eof_ok=False)
    batch: list[Chunk] = []
    reading.read([Frame(name, json.dumps(said).encode()) for name, said in events], batch)
    assert [call.parsed for call in batch if isinstance(call, ToolCall)] == [PATH]
