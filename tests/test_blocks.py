"""Blocks that only their provider understands go back to it unchanged and in their places, and to nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from resilient_stream import (
    Client,
    FunctionCall,
    HostedTool,
    Message,
    OpaquePart,
    ReasoningPart,
    TextPart,
    Tool,
    Transcript,
)
from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
)
from resilient_stream.contract import Request
from resilient_stream.engine.recovery import Partial, Splice
from resilient_stream.engine.recovery.matchers import Prefilled, Replayed
from resilient_stream.fitting.signatures import GO_ON, for_its_target
from resilient_stream.outcome.archive import pack
from resilient_stream.providers import families_of
from resilient_stream.target import Target
from resilient_stream.testing import End, FakeProvider, Text, serve_bytes
from tests.providers.test_anthropic import _block, _end, _message_start, _sse, _stop

CALL = ServerToolCall("s1", "web_search", '{"q":"x"}', {"q": "x"}, {"type": "server_tool_use", "id": "s1"})
RESULT = ServerToolResult("s1", "web_search", [1], False, {"type": "web_search_tool_result", "tool_use_id": "s1"})
STOP = Finished("stop", "end_turn")
PAUSE = Finished("pause", "pause_turn")


def _history(*chunks: Chunk, calls: bool | None = None) -> list[Message]:
    transcript = Transcript()
    transcript.target = "anthropic:claude-opus-4-7"
    transcript._receive(list(chunks))
    return transcript.as_history(calls)


def _blocks(messages: list[Message]) -> list[str]:
    return [block.type if not hasattr(block, "arguments") else "call" for block in messages[0].blocks]


def test_blocks_keep_their_order() -> None:
    """Thinking, a search, its results, more thinking, text and a call of a function come back as they came."""
    first, second = ReasoningDelta("hm", "S1"), ReasoningDelta("so", "S2")
    call = ToolCall(0, "t1", "weather", "{}", {})
    messages = _history(
        first, CALL, RESULT, second, TextDelta("Let me look."), call, Finished("tool_calls", "tool_use")
    )
    assert _blocks(messages) == ["reasoning", "opaque", "opaque", "reasoning", "text", "call"]
    assert messages[0].blocks[1] == OpaquePart(provider="anthropic", data=CALL.native)


@pytest.mark.parametrize("finished", [[], [Finished("length", "max_tokens", "output_truncated")]])
def test_a_tool_that_was_cut_off_is_left_out_with_what_was_signed_beside_it(finished: list[Chunk]) -> None:
    """A call without its result would be refused, and so would signed thinking whose neighbour is missing."""
    messages = _history(TextDelta("I look."), ReasoningDelta("hm", "S1"), CALL, *finished)
    assert _blocks(messages) == ["text"]


def test_a_paused_turn_is_kept_as_it_came() -> None:
    """The provider goes on with the tool that has no result yet, even when nothing else was said."""
    assert _blocks(_history(ReasoningDelta("hm", "S1"), CALL, PAUSE)) == ["reasoning", "opaque"]
    assert _blocks(_history(CALL, PAUSE, calls=False)) == ["opaque"]


def test_a_cited_passage_is_a_part_of_its_own() -> None:
    """Citations go back with the text that rests on them; all of the text stays."""
    said = "It is: so. Truly."
    source = Source("https://a.test", start=7, end=9, native={"type": "x"})
    [message] = _history(TextDelta(said[:8]), TextDelta(said[8:]), source, STOP)
    assert message.text == said
    parts = [part for part in message.parts if isinstance(part, TextPart)]
    assert [(part.text, part.citations) for part in parts] == [
        ("It is: ", ()),
        ("so", ({"type": "x"},)),
        (". Truly.", ()),
    ]
    assert parts[1].cited_by == "anthropic"


@pytest.mark.parametrize(("start", "end"), [(None, None), (0, 99), (5, 5), (-3, 2)])
def test_a_passage_that_is_not_there_changes_nothing(start: int | None, end: int | None) -> None:
    """A place that is no place of the text is not believed."""
    [message] = _history(TextDelta("It is so."), Source(start=start, end=end, native={}), STOP)
    assert message.content == "It is so."


def test_a_file_has_words_for_those_who_cannot_read_it() -> None:
    """A picture goes back to its provider; others are told that there was one, or what it says."""
    [message] = _history(File("image/png", b"x", native={"p": 1}), STOP)
    assert message.parts == (OpaquePart(provider="anthropic", data={"p": 1}, text="[image: image/png]"),)
    [message] = _history(File("audio/wav", b"x", text="hello", native={"p": 1}), STOP)
    assert message.parts[0].text == "hello"  # type: ignore[union-attr]
    assert _history(File("text/csv", id="f1"), TextDelta("done"), STOP)[0].content == "done"


def test_an_unknown_block_goes_back_and_unknown_content_does_not() -> None:
    """A whole block is an OpaquePart; a piece of one that nobody understands voids the signatures beside it."""
    assert _blocks(_history(Raw("anthropic", "new", {"type": "new"}, "block"), STOP)) == ["opaque"]
    piece = Raw("anthropic", "new", {"type": "new"})
    assert _blocks(_history(TextDelta("a"), ReasoningDelta("hm", "S1"), piece, STOP)) == ["text"]


# -- for another target -------------------------------------------------------------------------

TURN = Message(
    role="assistant",
    content=[
        ReasoningPart(text="hm", signature="S", signed_by="anthropic:claude-opus-4-7"),
        OpaquePart(provider="anthropic", data={"type": "server_tool_use"}),
        TextPart(text="so", citations=({"a": 1},), cited_by="anthropic"),
        OpaquePart(provider="anthropic", data={"p": 1}, text="[image: image/png]"),
    ],
)


def _for(target: str, *messages: Message) -> tuple[Message, ...]:
    return for_its_target(Request(messages=messages, target=Target(target)), families_of).messages


def test_its_own_provider_gets_everything() -> None:
    """Nothing changes on the way back to the provider, whichever of its models reads it."""
    asked = (TURN, Message(role="user", content="and?"))
    assert _for("anthropic:claude-sonnet-4-5", *asked) == asked


@pytest.mark.parametrize("target", ["openai:gpt-5-mini", "vertex:claude-opus-4-7", "gemini:gemini-2.5-flash"])
def test_others_get_its_text(target: str) -> None:
    """Blocks, citations and the signed reasoning beside them stay away, also from the same model elsewhere."""
    turn, _ = _for(target, TURN, Message(role="user", content="and?"))
    assert turn.parts == (TextPart(text="so"), TextPart(text="[image: image/png]"))


def test_a_turn_of_nothing_but_a_signed_call_stays() -> None:
    """Only the proof is left out: without its call, a result would be refused."""
    call = FunctionCall(id="c", name="f", signature="S", signed_by="gemini:gemini-3-pro")
    turn, result = _for(
        "anthropic:claude-opus-4-7",
        Message(role="assistant", tool_calls=[call]),
        Message(role="tool", tool_call_id="c", content="1"),
    )
    assert [(each.id, each.signature) for each in turn.tool_calls] == [("c", None)]
    assert result.role == "tool"


def test_a_call_keeps_its_place_where_a_block_before_it_is_left_out() -> None:
    """A call that was made before a text stands before it, also when a block in front of both is not sent."""
    block = OpaquePart(provider="anthropic", data={"type": "server_tool_use"})
    call = FunctionCall(id="c", name="weather", place=1)
    turn = Message(role="assistant", content=[block, TextPart(text="so")], tool_calls=[call])
    [made, *_] = _for("openai:gpt-5-mini", turn, Message(role="tool", tool_call_id="c", content="fine"))
    assert [getattr(block, "name", None) or getattr(block, "text", None) for block in made.blocks] == ["weather", "so"]


def test_a_paused_turn_is_asked_for_elsewhere() -> None:
    """Who cannot go on with the provider's own blocks is asked to, in a turn of the user."""
    assert _for("openai:gpt-5-mini", TURN)[-1] == Message(role="user", content=GO_ON)
    assert len(_for("anthropic:claude-opus-4-7", TURN)) == 1


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, False),
        ({"tools": (Tool(name="f"),)}, False),
        ({"hosted": (HostedTool("web_search"),)}, True),
        ({"extra": {"tools": [{"type": "web_search"}]}}, True),
        ({"messages": (TURN,)}, True),
    ],
)
def test_passages_are_counted_where_there_may_be_citations(fields: dict[str, Any], may: bool) -> None:
    """With a tool that runs at the provider, whichever way it was given, or a block of an earlier answer."""
    fields = {"messages": (Message(role="user", content="hi"),), **fields}
    assert Request(target=Target("anthropic:m"), **fields).may_cite is may


# -- in a conversation --------------------------------------------------------------------------


def _answer(*events: dict[str, Any], reason: str) -> Any:
    return serve_bytes(_sse(_message_start(), *events, *_end(reason)), content_type="text/event-stream")


async def test_a_pause_is_continued_with_no_turn_of_the_user() -> None:
    """The paused turn goes back with its blocks, and the model goes on by itself."""
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
    paused = _answer(_block(0, use), _stop(0), reason="pause_turn")
    done = _answer(_block(0, {"type": "text", "text": "So."}), _stop(0), reason="end_turn")
    async with FakeProvider(paused, done) as provider, Client(provider.target("anthropic")) as client:
        record = await client.converse("Search.").collect()
    sent = provider.requests[1].json["messages"]
    assert sent == [{"role": "user", "content": "Search."}, {"role": "assistant", "content": [use]}]
    assert record.outcome == "complete"


# -- in a continuation --------------------------------------------------------------------------


def test_sources_of_a_continuation_are_placed_in_the_whole_text() -> None:
    """The second answer counts from its own beginning, which is behind what was delivered."""
    partial = Partial.of([TextDelta("one two three")])
    splice = Splice(Prefilled(partial), "a:m", "b:m", "prefill", partial)
    given = [*splice.feed([TextDelta(" four")]), *splice.feed([Source("u", start=1, end=5)]), *splice.feed([STOP])]
    assert type(given[0]) is Seam
    assert next(chunk for chunk in given if isinstance(chunk, Source)) == Source("u", start=14, end=18)


def test_a_replay_gives_no_source_twice() -> None:
    """What was delivered is not delivered again, and what is new is."""
    old, new = Source("u", start=0, end=3), Source("v", start=4, end=7)
    partial = Partial.of([TextDelta("one two"), old])
    splice = Splice(Replayed(partial), "a:m", "b:m", "replay", partial)
    given = splice.feed([TextDelta("one two"), old, new, TextDelta(" three"), STOP])
    assert [chunk for chunk in given if isinstance(chunk, Source)] == [new]


def test_what_is_new_is_stored_and_read_again() -> None:
    """Sources, files and server tools are in the transcript, and in one that was stored."""
    transcript = Transcript()
    chunks = [CALL, RESULT, File("image/png", b"\x00\xff"), TextDelta("so"), Source("u", native={"a": 1}), STOP]
    transcript._receive(list(chunks))
    again = Transcript.from_dict(transcript.to_dict())
    for each in (transcript, again):
        assert each.server_tools == (CALL, RESULT)
        assert each.files == (File("image/png", b"\x00\xff"),)
        assert each.sources == (Source("u", native={"a": 1}),)
    assert pack(chunks, [0])[0] == chunks


async def test_a_program_that_calls_a_function_goes_on_with_its_result() -> None:
    """The program's block and the call's `caller` go back, so that the provider knows who waits for the result."""
    program = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {"code": "roll()"}}
    caller = {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}
    use = {"type": "tool_use", "id": "toolu_1", "name": "roll", "input": {}, "caller": caller}
    called = _answer(_block(0, program), _stop(0), _block(1, use), _stop(1), reason="tool_use")
    done = _answer(_block(0, {"type": "text", "text": "Six."}), _stop(0), reason="end_turn")

    async def roll() -> int:
        """Roll a die."""
        return 6

    scripts = called, done, [Text("Hi"), End()]
    async with FakeProvider(*scripts) as provider, Client(provider.target("anthropic")) as client:
        record = await client.converse("Roll.", tools=[roll]).collect()
        await client.complete([*record.history, {"role": "user", "content": "And?"}], to=provider.target("openai"))
    _, turn, result = provider.requests[1].json["messages"]
    assert turn["content"] == [program, use]
    assert [block["tool_use_id"] for block in result["content"]] == ["toolu_1"]
    assert "caller" not in str(provider.requests[2].json)
