"""What is said in a second place: instead of the first, beside it, or going on from it; in every dialect.

A row gives the events of one answer, and what an attentive reader makes of them. Each is read whole and byte by byte,
with the same result.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from resilient_stream import Target
from resilient_stream.chunks import Raw, ReasoningDelta, ServerToolCall, ServerToolResult, Source, TextDelta, ToolCall
from resilient_stream.contract import Request
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for
from tests.providers.recordings import aws_message


class Said(NamedTuple):
    """What an answer says."""

    text: str = "Hello you"
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    unmodelled: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    """Tools of the provider's, files and sources: their chunks' types, and what tells each from others."""


CALL = Said("", "", (("f", '{"a":1}'),))
THOUGHT = Said("Hello you", "Hm.")


def sse(events: Iterable[Any], done: bool = False) -> bytes:
    """Events as a server sends them."""
    body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    return body + (b"data: [DONE]\n\n" if done else b"")


# -- chat -------------------------------------------------------------------------------------


def chat(*choices: dict[str, Any]) -> bytes:
    """Chunks of one choice each."""
    return sse(({"id": "c", "choices": [{"index": 0, **choice}]} for choice in choices), done=True)


def message(content: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A choice with a message in place of a delta."""
    return {"message": {"role": "assistant", "content": content, **more}, "finish_reason": finish}


def delta(content: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A choice with a delta."""
    return {"delta": {"content": content, **more}, "finish_reason": finish}


WHOLE_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
REASONED = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}

CHAT = {
    "message": (chat(message("Hello you", "stop")), Said()),
    "messages in pieces": (chat(message("Hello"), message(" you"), message("", "stop")), Said()),
    "messages that grow": (chat(message("Hello"), message("Hello you"), message("Hello you", "stop")), Said()),
    "pieces, then all": (chat(message("Hello"), message(" you"), message("Hello you", "stop")), Said()),
    "deltas, then all": (chat(delta("Hello"), delta(" you"), message("Hello you", "stop")), Said()),
    "deltas, then the rest": (chat(delta("Hel"), delta("lo"), message("Hello you", "stop")), Said()),
    "halves of a character in deltas, then all": (
        chat(delta("Hello \ud83d"), delta("\ude00"), message("Hello \U0001f600 you", "stop")),
        Said("Hello \U0001f600 you"),
    ),
    "deltas, then another text": (
        chat(delta("Hello you"), message("Something else", "stop")),
        Said(unmodelled=("message",)),
    ),
    "deltas, then another text behind the end": (
        chat(delta("Hello you"), delta(None, "stop"), message("Hello")),
        Said(unmodelled=("message",)),
    ),
    "deltas, then other reasoning": (
        chat(delta(reasoning_content="Hm."), delta("Hello you"), message("Hello you", "stop", reasoning_content="No.")),
        Said("Hello you", "Hm.", unmodelled=("message",)),
    ),
    "deltas, then the same without white space": (
        chat(delta("Hello"), delta(" you\n"), message("Hello you", "stop")),
        Said("Hello you\n"),
    ),
    "deltas with a message that lags behind": (
        chat({**message("Hel"), **delta("Hello")}, {**message("Hello"), **delta(" you")}, delta(None, "stop")),
        Said(),
    ),
    "empty delta beside a message": (chat({**message("Hello you", "stop"), "delta": {}}), Said()),
    "delta and message so far": (
        chat({**message("Hello"), **delta("Hello")}, {**message("Hello you"), **delta(" you")}, delta(None, "stop")),
        Said(),
    ),
    "text": (chat({"text": "Hello"}, {"text": " you", "finish_reason": "stop"}), Said()),
    "delta and text": (chat({**delta("Hello"), "text": "Hello"}, {**delta(" you", "stop"), "text": " you"}), Said()),
    "call in a message": (chat(message(None, "tool_calls", tool_calls=[WHOLE_CALL])), CALL),
    "call in deltas and message": (
        chat(delta(tool_calls=[{"index": 0, **WHOLE_CALL}]), message(None, "tool_calls", tool_calls=[WHOLE_CALL])),
        CALL,
    ),
    "call in each message": (
        chat(message(None, tool_calls=[WHOLE_CALL]), message(None, "tool_calls", tool_calls=[WHOLE_CALL])),
        CALL,
    ),
    "text in deltas, call in a message": (
        chat(delta("Hello you"), message("Hello you", "tool_calls", tool_calls=[WHOLE_CALL])),
        Said("Hello you", "", CALL.calls),
    ),
    "reasoning in a message": (chat(message("Hello you", "stop", reasoning="Hm.")), THOUGHT),
    "reasoning in both": (
        chat(delta(reasoning_content="Hm."), delta("Hello you"), message("Hello you", "stop", reasoning_content="Hm.")),
        THOUGHT,
    ),
    "parts with reasoning": (
        chat(delta([REASONED]), delta("Hello"), delta([{"type": "text", "text": " you"}], "stop")),
        THOUGHT,
    ),
    "reasoning_text part": (
        chat(delta([{"type": "reasoning_text", "text": "Hm."}]), delta("Hello you", "stop")),
        THOUGHT,
    ),
    "thinking part": (
        chat(delta([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]), delta("Hello you", "stop")),
        THOUGHT,
    ),
    "parts in lists": (chat(delta([[{"type": "output_text", "text": "Hello"}], [" you"]], "stop")), Said()),
    "one part": (chat(delta({"type": "text", "text": "Hello you"}, "stop")), Said()),
    "a number in place of a text": (chat(delta(42), delta("Hello you", "stop")), Said(unmodelled=("content",))),
    "one call in place of a list": (chat(delta(tool_calls=WHOLE_CALL), delta(None, "tool_calls")), CALL),
    "a whole answer as an event": (
        sse([{"object": "chat.completion", "choices": [{"index": 0, **message("Hello you", "stop")}]}]),
        Said(),
    ),
}

# -- responses --------------------------------------------------------------------------------


def response(*events: dict[str, Any], output: Any = (), status: str = "completed") -> bytes:
    """Events, and the end with its output."""
    end = {"type": f"response.{status}", "response": {"status": status, "output": list(output)}}
    return sse([*events, end])


def at(kind: str, **fields: Any) -> dict[str, Any]:
    """An event of a numbered part."""
    return {"type": f"response.{kind}", "output_index": 0, "content_index": 0, **fields}


def piece(text: str, **fields: Any) -> dict[str, Any]:
    """A text delta."""
    return at("output_text.delta", delta=text, **fields)


ITEM = {"type": "message", "content": [{"type": "output_text", "text": "Hello you"}]}
TWO_PARTS = {"type": "message", "content": [{"type": "output_text", "text": each} for each in ("Hello", " you")]}
ITEM_CALL = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
ITEM_THOUGHT = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm."}]}
SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "x"}}

MCP_CALL = {"type": "mcp_call", "id": "mcp", "name": "f", "server_label": "s", "arguments": "{}", "output": "x"}
NOTE = {"type": "url_citation", "url": "https://a.test", "title": "A", "start_index": 6, "end_index": 9}
NOTED = {"type": "message", "content": [{"type": "output_text", "text": "Hello you", "annotations": [NOTE]}]}
SEARCHED = Said(beside=("server_tool_call ws", "server_tool_result ws"))
CALLED = Said(beside=("server_tool_call mcp", "server_tool_result mcp"))
CITED = Said(beside=("source https://a.test 6 9",))

RESPONSES = {
    "only in the output": (response(output=[ITEM]), Said()),
    "only in output_text.done": (response(at("output_text.done", text="Hello you")), Said()),
    "only in content_part.done": (response(at("content_part.done", part=ITEM["content"][0])), Said()),  # type: ignore[index]
    "only in output_item.done": (response(at("output_item.done", item=ITEM)), Said()),
    "everywhere": (
        response(
            piece("Hello"),
            piece(" you"),
            at("output_text.done", text="Hello you"),
            at("content_part.done", part=ITEM["content"][0]),
            at("output_item.done", item=ITEM),
            output=[ITEM],  # type: ignore[index]
        ),
        Said(),
    ),
    "everywhere but in deltas": (
        response(at("output_text.done", text="Hello you"), at("output_item.done", item=ITEM), output=[ITEM]),
        Said(),
    ),
    "deltas and no output": (response(piece("Hello"), piece(" you")), Said()),
    "the rest in done": (response(piece("Hello"), at("output_text.done", text="Hello you"), output=[ITEM]), Said()),
    "the rest in the output": (response(piece("Hello"), output=[ITEM]), Said()),
    "halves of a character in deltas, then all": (
        response(
            piece("Hello \ud83d"),
            piece("\ude00"),
            at("output_text.done", text="Hello \U0001f600 you"),
            output=[{"type": "message", "content": [{"type": "output_text", "text": "Hello \U0001f600 you"}]}],
        ),
        Said("Hello \U0001f600 you"),
    ),
    "half a character in deltas, then all": (
        response(
            piece("Hello \ud83d"),
            at("output_text.done", text="Hello \ud83d"),
            output=[{"type": "message", "content": [{"type": "output_text", "text": "Hello \ud83d"}]}],
        ),
        Said("Hello \ufffd"),
    ),
    "halves of a character in arguments, then all": (
        response(
            at("function_call_arguments.delta", item_id="fc", delta='{"a":"\ud83d'),
            at("function_call_arguments.delta", item_id="fc", delta='\ude00"}'),
            at("output_item.done", item={**ITEM_CALL, "arguments": '{"a":"\U0001f600"}'}),
        ),
        Said("", "", (("f", '{"a":"\U0001f600"}'),)),
    ),
    "another text in the output": (
        response(piece("Hello you"), output=[{"type": "message", "content": [{"type": "output_text", "text": "No"}]}]),
        Said(unmodelled=("output",)),
    ),
    "one part in deltas, the other in done": (
        response(
            piece("Hello"),
            at("output_text.done", text="Hello"),
            at("output_text.done", text=" you", content_index=1),
            at("output_item.done", item=TWO_PARTS),
            output=[TWO_PARTS],
        ),
        Said(),
    ),
    "two parts, ended late": (
        response(
            piece("Hello"),
            piece(" you", content_index=1),
            at("output_text.done", text="Hello"),
            at("output_text.done", text=" you", content_index=1),
            output=[TWO_PARTS],
        ),
        Said(),
    ),
    "without numbers": (
        response(
            *(
                {"type": f"response.{kind}", "item_id": "m", **rest}
                for kind, rest in (
                    ("output_text.delta", {"delta": "Hello you"}),
                    ("output_text.done", {"text": "Hello you"}),
                    ("content_part.done", {"part": ITEM["content"][0]}),
                )
            ),
            output=[ITEM],
        ),  # type: ignore[index]
        Said(),
    ),
    "only in the text beside the output": (
        sse([{"type": "response.completed", "response": {"status": "completed", "output_text": "Hello you"}}]),
        Said(),
    ),
    "deltas, and the text beside the output": (
        sse([piece("Hello you"), {"type": "response.completed", "response": {"output": [], "output_text": "Hello"}}]),
        Said(),
    ),
    "a delta that is no text": (
        response({"type": "response.output_text.delta", "delta": {"text": "Hello"}}, piece("Hello you")),
        Said(unmodelled=("response.output_text.delta",)),
    ),
    "call in pieces without numbers": (
        response(
            {"type": "response.output_item.added", "item": {**ITEM_CALL, "id": None, "arguments": ""}},
            *({"type": "response.function_call_arguments.delta", "delta": part} for part in ('{"a"', ":1}")),
            {"type": "response.output_item.done", "item": {**ITEM_CALL, "id": None}},
        ),
        CALL,
    ),
    "call in the output": (response(output=[ITEM_CALL]), CALL),
    "call in its item and the output": (response(at("output_item.done", item=ITEM_CALL), output=[ITEM_CALL]), CALL),
    "call after an item that the output leaves out": (
        response(at("output_item.done", item=ITEM_CALL, output_index=3), output=[ITEM_CALL]),
        CALL,
    ),
    "reasoning in the output": (response(output=[ITEM_THOUGHT, ITEM]), THOUGHT),
    "reasoning in its item": (response(at("output_item.done", item=ITEM_THOUGHT), piece("Hello you")), THOUGHT),
    "reasoning in the end of its text": (
        response(
            at("reasoning_summary_text.done", text="Hm.", summary_index=0),
            at("output_item.done", item=ITEM_THOUGHT),
            piece("Hello you"),
            output=[ITEM_THOUGHT, ITEM],
        ),
        THOUGHT,
    ),
    "a tool of the provider's in the output": (response(output=[SEARCH, ITEM]), SEARCHED),
    "the same in its item, too": (
        response(at("output_item.done", item=SEARCH), piece("Hello you"), output=[SEARCH, ITEM]),
        SEARCHED,
    ),
    "in its item, sent twice": (
        response(at("output_item.done", item=SEARCH), at("output_item.done", item=SEARCH), piece("Hello you")),
        SEARCHED,
    ),
    "in the output under another id": (
        response(at("output_item.done", item=SEARCH), piece("Hello you"), output=[{**SEARCH, "id": "ws2"}, ITEM]),
        SEARCHED,
    ),
    "one in its item, two in the output": (
        response(at("output_item.done", item=SEARCH), piece("Hello you"), output=[{**SEARCH, "id": "ws0"}, SEARCH]),
        Said(beside=(*SEARCHED.beside, "server_tool_call ws0", "server_tool_result ws0")),
    ),
    "after its text, in the output alone": (response(piece("Hello you"), output=[ITEM, SEARCH]), SEARCHED),
    "a server's tool everywhere": (
        response(
            at("output_item.added", item={**MCP_CALL, "arguments": "", "output": None}),
            at("mcp_call_arguments.done", item_id="mcp", arguments="{}"),
            at("output_item.done", item=MCP_CALL),
            piece("Hello you"),
            output=[MCP_CALL, ITEM],
        ),
        CALLED,
    ),
    "a server's tool of which only the beginning came in time": (
        response(
            at("output_item.added", item={**MCP_CALL, "arguments": "", "output": None}),
            at("mcp_call_arguments.done", item_id="mcp", arguments="{}"),
            piece("Hello you"),
            output=[MCP_CALL, ITEM],
        ),
        CALLED,
    ),
    "a server's tool in its item": (response(at("output_item.done", item=MCP_CALL), piece("Hello you")), CALLED),
    "an annotation everywhere": (
        response(
            at("content_part.added", part={}),
            piece("Hello you"),
            at("output_text.annotation.added", annotation=NOTE),
            at("output_text.done", text="Hello you"),
            at("output_item.done", item=NOTED),
            output=[NOTED],
        ),
        CITED,
    ),
    "an annotation in its item": (response(piece("Hello you"), at("output_item.done", item=NOTED)), CITED),
    "an annotation in the output": (response(piece("Hello you"), output=[NOTED]), CITED),
    "all of it in the output": (response(output=[NOTED]), CITED),
    "an annotation behind its part, in a second message": (
        response(
            piece("Hello"),
            at("output_item.done", item={"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}),
            piece(" you", output_index=1),
            at("output_text.done", text=" you", output_index=1),
            at("output_text.annotation.added", annotation={**NOTE, "start_index": 1, "end_index": 4}, output_index=1),
        ),
        CITED,
    ),
    "a whole response as an event": (sse([{"object": "response", "status": "completed", "output": [ITEM]}]), Said()),
}

# -- messages ---------------------------------------------------------------------------------


def messages(*events: dict[str, Any], content: Any = (), end: bool = True, reason: str = "end_turn") -> bytes:
    """A message's beginning with its content, events, and the end."""
    start = {"type": "message_start", "message": {"id": "m", "content": content}}
    ends = [{"type": "message_delta", "delta": {"stop_reason": reason}}, {"type": "message_stop"}]
    return sse([start, *events, *(ends if end else [])])


def block(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    """The start of a block."""
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


STOP = {"type": "content_block_stop", "index": 0}
TEXT_BLOCK = {"type": "text", "text": "Hello you"}
TOOL_BLOCK = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
WHOLE_MESSAGE = {
    "type": "message",
    "id": "m",
    "content": [{"type": "thinking", "thinking": "Hm."}, TEXT_BLOCK],
    "stop_reason": "end_turn",
}

MESSAGES = {
    "in the start of a block": (messages(block("text", text="Hello you"), STOP), Said()),
    "in the start of the message": (messages(content=[TEXT_BLOCK]), Said()),
    "as a string": (messages(content="Hello you"), Said()),
    "in the end of a block": (messages(block("text", text=""), {**STOP, "content_block": TEXT_BLOCK}), Said()),
    "in deltas and the end of a block": (
        messages(
            block("text", text=""),
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello you"}},
            {**STOP, "content_block": TEXT_BLOCK},
        ),
        Said(),
    ),
    "a whole message as an event": (sse([WHOLE_MESSAGE]), THOUGHT),
    "a call in the start of its block": (
        messages({"type": "content_block_start", "index": 0, "content_block": TOOL_BLOCK}, STOP, reason="tool_use"),
        CALL,
    ),
    "a call in the start of the message": (messages(content=[TOOL_BLOCK], reason="tool_use"), CALL),
    "thinking in the start of its block": (
        messages(block("thinking", thinking="Hm."), STOP, block("text", text="Hello you"), STOP),
        THOUGHT,
    ),
}

# -- gemini, interactions, cohere, ollama -------------------------------------------------------


def gemini(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An event of one candidate."""
    return {"candidates": [{"content": {"parts": list(parts)}, **fields}]}


GEMINI = {
    "all in the last event": (sse([gemini(), gemini({"text": "Hello you"}, finishReason="STOP")]), Said()),
    "wrapped": (sse([{"response": gemini({"text": "Hello you"}, finishReason="STOP")}]), Said()),
    "in a list": (sse([[gemini({"text": "Hello"}), gemini({"text": " you"}, finishReason="STOP")]]), Said()),
    "an array": (json.dumps([gemini({"text": "Hello you"}, finishReason="STOP")]).encode(), Said()),
    "a call in the last event": (
        sse([gemini({"functionCall": {"name": "f", "args": {"a": 1}}}, finishReason="STOP")]),
        CALL,
    ),
    "a thought": (sse([gemini({"text": "Hm.", "thought": True}, {"text": "Hello you"}, finishReason="STOP")]), THOUGHT),
}


def step(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """An event of a step."""
    return {"event_type": f"step.{kind}", "index": 0, name: fields}


DONE = {"event_type": "interaction.completed", "interaction": {"status": "completed"}}
SPOKEN = {"type": "model_output", "content": [{"type": "text", "text": "Hello you"}]}
THOUGHT_STEP = {"type": "thought", "summary": [{"type": "text", "text": "Hm."}]}
CALL_STEP = {"type": "function_call", "id": "c1", "name": "f", "arguments": {"a": 1}}


def completed(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The end with all steps."""
    return {"event_type": "interaction.completed", "interaction": {"status": "completed", "steps": [*steps], **fields}}


INTERACTIONS = {
    "in the start of a step": (sse([step("start", "step", **SPOKEN), step("stop", "step"), DONE]), Said()),
    "in the end of a step": (
        sse([step("start", "step", type="model_output"), step("stop", "step", **SPOKEN), DONE]),
        Said(),
    ),
    "in the end": (sse([completed(THOUGHT_STEP, SPOKEN)]), THOUGHT),
    "as output_text": (sse([completed(output_text="Hello you")]), Said()),
    "as outputs": (
        sse([{**DONE, "interaction": {"outputs": [THOUGHT_STEP, *SPOKEN["content"]]}}]),  # type: ignore[misc]
        THOUGHT,
    ),
    "a call as outputs": (sse([{**DONE, "interaction": {"outputs": [CALL_STEP]}}]), CALL),
    "a call in the end": (sse([completed(CALL_STEP)]), CALL),
    "in deltas and the end": (
        sse(
            [
                step("start", "step", type="model_output"),
                step("delta", "delta", type="text", text="Hello you"),
                completed(SPOKEN, output_text="Hello you"),
            ]
        ),
        Said(),
    ),
    "the rest in the end": (sse([step("delta", "delta", type="text", text="Hello"), completed(SPOKEN)]), Said()),
    "a whole answer as an event": (sse([{"status": "completed", "steps": [THOUGHT_STEP, SPOKEN]}]), THOUGHT),
}


def cohere(kind: str, **message: Any) -> dict[str, Any]:
    """An event of a message."""
    return {"type": kind, "index": 0, "delta": {"message": message}}


COHERE_END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}
COHERE_WHOLE = {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello you"}]}

COHERE = {
    "in the start of a block": (
        sse([cohere("content-start", content={"type": "text", "text": "Hello you"}), COHERE_END]),
        Said(),
    ),
    "a delta that is a text": (sse([cohere("content-delta", content="Hello you"), COHERE_END]), Said()),
    "a delta of several blocks": (sse([cohere("content-delta", **COHERE_WHOLE), COHERE_END]), THOUGHT),
    "in the start of the message": (sse([cohere("message-start", **COHERE_WHOLE), COHERE_END]), THOUGHT),
    "in the end": (
        sse([{"type": "message-end", "delta": {"finish_reason": "COMPLETE", "message": COHERE_WHOLE}}]),
        THOUGHT,
    ),
    "in deltas and the end": (
        sse(
            [
                cohere("content-delta", content={"text": "Hello you"}),
                {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "message": {"content": "Hello you"}}},
            ]
        ),
        Said(),
    ),
    "in deltas, and another text in the end": (
        sse(
            [
                cohere("content-delta", content={"text": "Hello you"}),
                {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "message": {"content": "Hello"}}},
            ]
        ),
        Said(unmodelled=("message",)),
    ),
    "a whole answer as an event": (sse([{"id": "x", "message": COHERE_WHOLE, "finish_reason": "COMPLETE"}]), THOUGHT),
    "a call in the end": (
        sse(
            [{"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "message": {"tool_calls": [WHOLE_CALL]}}}]
        ),
        CALL,
    ),
}


def lines(*events: Any) -> bytes:
    """Lines of JSON."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


OLLAMA = {
    "response": (lines({"response": "Hello"}, {"response": " you"}, {"done": True, "done_reason": "stop"}), Said()),
    "all in the last line": (lines({"message": {"content": "Hello you"}, "done": True}), Said()),
    "the last piece in the last line": (
        lines({"message": {"content": "Hello"}}, {"message": {"content": " you"}, "done": True}),
        Said(),
    ),
    "all again in the last line": (
        lines(
            {"message": {"content": "Hello"}},
            {"message": {"content": " you"}},
            {"message": {"content": "Hello you"}, "done": True},
        ),
        Said(),
    ),
    "thinking beside response": (lines({"thinking": "Hm."}, {"response": "Hello you", "done": True}), THOUGHT),
}

# -- bedrock ----------------------------------------------------------------------------------


def frames(*events: tuple[str, dict[str, Any]]) -> bytes:
    """Messages of Converse's stream."""
    return b"".join(aws_message(name, json.dumps(said).encode()) for name, said in events)


def chunk(event: Any) -> tuple[str, dict[str, Any]]:
    """A vendor's event as InvokeModel frames it."""
    return "chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}


def converse(*deltas: dict[str, Any], start: dict[str, Any] | None = None, reason: str = "end_turn") -> bytes:
    """One block."""
    begin = [("contentBlockStart", {"contentBlockIndex": 0, "start": start})] if start else []
    pieces = [("contentBlockDelta", {"contentBlockIndex": 0, "delta": each}) for each in deltas]
    return frames(
        ("messageStart", {}),
        *begin,
        *pieces,
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": reason}),
        ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2}}),
    )


CONVERSE = {
    "in the start of a block": (converse(start={"text": "Hello you"}), Said()),
    "a call in the start of its block": (
        converse(start={"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}}, reason="tool_use"),
        CALL,
    ),
    "reasoning as in one piece": (
        converse({"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": "Hello you"}),
        THOUGHT,
    ),
}

INVOKE = {
    "message for delta": (frames(chunk({"choices": [message("Hello you", "stop")]})), Said()),
    "Claude's whole message": (frames(chunk(WHOLE_MESSAGE)), THOUGHT),
    "Cohere's last event": (
        frames(
            chunk(
                {
                    "is_finished": True,
                    "event_type": "stream-end",
                    "finish_reason": "COMPLETE",
                    "response": {"text": "Hello you"},
                }
            )
        ),
        Said(),
    ),
    "Cohere's last event again": (
        frames(
            chunk({"is_finished": False, "text": "Hello you"}),
            chunk({"is_finished": True, "finish_reason": "COMPLETE", "response": {"text": "Hello you"}}),
        ),
        Said(),
    ),
}

TABLE: dict[str, tuple[str, dict[str, Any], dict[str, tuple[bytes, Said]]]] = {
    "chat": ("openai:m", {}, CHAT),
    "responses": ("openai-responses:m", {}, RESPONSES),
    "messages": ("anthropic:m", {}, MESSAGES),
    "gemini": ("gemini:m", {}, GEMINI),
    "interactions": ("gemini-interactions:m", {}, INTERACTIONS),
    "cohere": ("cohere:m", {}, COHERE),
    "ollama": ("ollama:m", {}, OLLAMA),
    "converse": ("bedrock:m", {}, CONVERSE),
    "invoke": ("bedrock:m", {"api": "invoke"}, INVOKE),
}
ROWS = [
    pytest.param(target, options, body, said, id=f"{dialect}: {name}")
    for dialect, (target, options, rows) in TABLE.items()
    for name, (body, said) in rows.items()
]


def read(target: str, options: dict[str, Any], pieces: Iterable[bytes]) -> tuple[Said, Any]:
    """What a decoder makes of a body that arrives in these pieces."""
    made = Target(target, **options)
    decoder = adapter_for(made.provider).decoder(Request(messages=to_messages("hi"), target=made))
    chunks = [each for data in pieces for each in decoder.feed(data)]
    chunks += decoder.finish()
    return Said(
        "".join(each.text for each in chunks if isinstance(each, TextDelta)),
        "".join(each.reasoning for each in chunks if isinstance(each, ReasoningDelta)),
        tuple((each.name, each.arguments) for each in chunks if isinstance(each, ToolCall)),
        tuple(each.event for each in chunks if isinstance(each, Raw)),
        tuple(_beside(each) for each in chunks if isinstance(each, Source | ServerToolCall | ServerToolResult)),
    ), decoder


def _beside(chunk: Source | ServerToolCall | ServerToolResult) -> str:
    told = f"{chunk.url} {chunk.start} {chunk.end}" if isinstance(chunk, Source) else chunk.id
    return f"{chunk.type} {told}"


@pytest.mark.parametrize(("target", "options", "body", "said"), ROWS)
def test_nothing_is_lost_and_nothing_is_said_twice(
    target: str, options: dict[str, Any], body: bytes, said: Said
) -> None:
    """Read whole, byte by byte and in halves, an answer says the same, whichever of its places has it."""
    ways = [[body], [body[at : at + 1] for at in range(len(body))]]
    ways += [[body[:at], body[at:]] for at in range(0, len(body), max(1, len(body) // 40))]
    for pieces in ways:
        found, decoder = read(target, options, pieces)
        assert found == said
        assert (decoder.done, decoder.failure) == (True, None)


def test_a_long_text_is_not_kept_to_be_held_against_another() -> None:
    """Of an answer of a thousand reads its length and its end are known, and its whole says nothing new."""
    pieces = [sse([{"choices": [{"index": 0, "delta": {"content": f"{number} "}}]}]) for number in range(1000)]
    whole = "".join(f"{number} " for number in range(1000))
    last = chat(message(whole + "end", "stop"))
    found, decoder = read("openai:m", {}, [*pieces, last])
    assert found.text == whole + "end"
    assert decoder.failure is None
