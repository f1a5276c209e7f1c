"""Each dialect's way to stream an answer: documented shapes, written down by hand; no decoder of ours is asked."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from tests.corpus.aws import aws_message
from tests.corpus.said import Counts, Said

__all__ = ["DIALECTS", "Dialect", "Event", "json_text"]

Event: TypeAlias = Any
"""A JSON value; a str is sent as it is; a pair is an event's name and its value."""


def json_text(value: Any) -> str:
    """JSON as most servers write it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Dialect(NamedTuple):
    """events: an answer as events. frame: the bytes of all of them. stops: the provider's own word for each end.
    counts: the usage that is to be read from it, as (input, output, reasoning, cached, written). ids: whether calls
    have ids. early: the usage that is known before an answer's end."""

    provider: str
    events: Callable[[Said, str], Iterator[Event]]
    frame: Callable[[list[Event]], bytes]
    stops: Mapping[str, str]
    counts: Callable[[Counts], tuple[int | None, ...]]
    model: str = "model"
    ids: bool = True
    early: tuple[int | None, ...] | None = None


# -- OpenAI's chat completions ----------------------------------------------------------------


def chat_chunk(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of a chat completion."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish}
    return {"id": "chatcmpl-9", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice], **more}


def _chat(said: Said, stop: str) -> Iterator[Event]:
    yield chat_chunk({"role": "assistant", "content": ""})
    yield from (chat_chunk({"reasoning_content": piece}) for piece in said.reasoning)
    yield from (chat_chunk({"content": piece}) for piece in said.text)
    for index, call in enumerate(said.calls):
        begin = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield chat_chunk({"tool_calls": [begin]})
        for piece in call.pieces:
            yield chat_chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chat_chunk({}, stop)
    prompt, answer, reasoning, cached = said.counts
    usage = {
        "prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }  # fmt: skip
    yield {"id": "chatcmpl-9", "object": "chat.completion.chunk", "model": "m-1", "choices": [], "usage": usage}
    yield "[DONE]"


# -- Anthropic's messages ---------------------------------------------------------------------


def _messages(said: Said, stop: str) -> Iterator[Event]:
    prompt, answer, _, cached = said.counts
    usage = {"input_tokens": prompt - cached, "cache_read_input_tokens": cached, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m-1", "usage": usage}
    yield {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}}
    yield {"type": "ping"}
    for index, (block, deltas) in enumerate(_blocks(said)):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
           "usage": {"output_tokens": answer}}  # fmt: skip
    yield {"type": "message_stop"}


def _blocks(said: Said) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if said.reasoning:
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in said.reasoning]
        yield {"type": "thinking", "thinking": "", "signature": ""}, [
            *thoughts, {"type": "signature_delta", "signature": "c2lnbmVk"},
        ]  # fmt: skip
    if said.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in said.text]
    for call in said.calls:
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *call.pieces)]
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, pieces


# -- OpenAI's Responses -----------------------------------------------------------------------


def _responses(said: Said, stop: str) -> Iterator[Event]:
    events = _numbered(said, stop)
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def _numbered(said: Said, stop: str) -> Iterator[dict[str, Any]]:
    base = {"id": "resp_1", "object": "response", "model": "m-1", "status": "in_progress", "output": []}
    yield {"type": "response.created", "response": base}
    yield {"type": "response.in_progress", "response": base}
    output: list[dict[str, Any]] = []
    for item, deltas in _items(said):
        place = {"output_index": len(output), "item_id": item["id"]}
        yield {
            "type": "response.output_item.added",
            "output_index": len(output),
            "item": {**item, **_EMPTY[item["type"]]},
        }
        yield from ({**delta, **place} for delta in deltas)
        yield {"type": "response.output_item.done", "output_index": len(output), "item": item}
        output.append(item)
    prompt, answer, reasoning, cached = said.counts
    usage = {
        "input_tokens": prompt, "input_tokens_details": {"cached_tokens": cached}, "output_tokens": answer,
        "output_tokens_details": {"reasoning_tokens": reasoning}, "total_tokens": prompt + answer,
    }  # fmt: skip
    whole = {**base, "output": output, "usage": usage}
    if stop == "completed":
        yield {"type": "response.completed", "response": {**whole, "status": "completed"}}
    else:
        yield {"type": "response.incomplete",
               "response": {**whole, "status": "incomplete", "incomplete_details": {"reason": stop}}}  # fmt: skip


_EMPTY: Mapping[str, Mapping[str, Any]] = {
    "reasoning": {"summary": []}, "message": {"content": [], "status": "in_progress"},
    "function_call": {"arguments": "", "status": "in_progress"},
}  # fmt: skip


def _items(said: Said) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if said.reasoning:
        whole = "".join(said.reasoning)
        deltas = [{"type": "response.reasoning_summary_text.delta", "summary_index": 0, "delta": piece}
                  for piece in said.reasoning]  # fmt: skip
        done = {"type": "response.reasoning_summary_text.done", "summary_index": 0, "text": whole}
        yield {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": whole}]}, [*deltas, done]
    if said.text:
        whole = "".join(said.text)
        part = {"type": "output_text", "text": whole, "annotations": []}
        deltas = [
            {"type": "response.content_part.added", "content_index": 0, "part": {**part, "text": ""}},
            *({"type": "response.output_text.delta", "content_index": 0, "delta": piece} for piece in said.text),
            {"type": "response.output_text.done", "content_index": 0, "text": whole},
            {"type": "response.content_part.done", "content_index": 0, "part": part},
        ]
        yield {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}, deltas
    for call in said.calls:
        arguments = call.arguments or "{}"
        deltas = [
            {"type": "response.function_call_arguments.delta", "delta": piece} for piece in call.pieces or ("{}",)
        ]
        done = {"type": "response.function_call_arguments.done", "arguments": arguments}
        item = {"type": "function_call", "id": f"fc_{call.id}", "call_id": call.id, "name": call.name}
        yield {**item, "arguments": arguments, "status": "completed"}, [*deltas, done]


# -- Gemini -----------------------------------------------------------------------------------


def _gemini(said: Said, stop: str) -> Iterator[Event]:
    parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in said.reasoning]
    parts += [{"text": piece} for piece in said.text]
    parts += [{"functionCall": {"name": call.name, "args": json.loads(call.arguments or "{}")}} for call in said.calls]
    prompt, answer, reasoning, cached = said.counts
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        candidate = {
            "content": {"role": "model", "parts": [part]},
            "index": 0,
            **({"finishReason": stop} if last else {}),
        }
        usage: dict[str, Any] = {"promptTokenCount": prompt}
        if last:
            usage |= {"candidatesTokenCount": answer - reasoning, "thoughtsTokenCount": reasoning,
                      "cachedContentTokenCount": cached, "totalTokenCount": prompt + answer}  # fmt: skip
        yield {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m-1", "responseId": "resp1"}


def _interactions(said: Said, stop: str) -> Iterator[Event]:
    for number, (kind, fields) in enumerate(_steps(said, stop)):
        yield (kind, {**fields, "event_type": kind, "event_id": str(number)})
    yield ("done", "[DONE]")


def _steps(said: Said, stop: str) -> Iterator[tuple[str, dict[str, Any]]]:
    whole = {"id": "int_1", "object": "interaction", "model": "m-1"}
    yield "interaction.created", {"interaction": {**whole, "status": "in_progress"}}
    for index, (step, deltas) in enumerate(_step_deltas(said)):
        yield "step.start", {"index": index, "step": step}
        for delta in deltas:
            yield "step.delta", {"index": index, "delta": delta}
        yield "step.stop", {"index": index}
    prompt, answer, reasoning, cached = said.counts
    usage = {"total_input_tokens": prompt, "total_cached_tokens": cached, "total_output_tokens": answer - reasoning,
             "total_thought_tokens": reasoning, "total_tool_use_tokens": 0,
             "total_tokens": prompt + answer}  # fmt: skip
    yield "interaction.completed", {"interaction": {**whole, "status": stop, "usage": usage}}


def _step_deltas(said: Said) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if said.reasoning:
        yield (
            {"type": "thought"},
            [{"type": "thought_summary", "content": {"type": "text", "text": piece}} for piece in said.reasoning],
        )
    if said.text:
        yield {"type": "model_output"}, [{"type": "text", "text": piece} for piece in said.text]
    for call in said.calls:
        step = {"type": "function_call", "id": call.id, "name": call.name, "arguments": {}, "signature": ""}
        yield step, [{"type": "arguments_delta", "arguments": piece} for piece in call.pieces]


# -- Bedrock, Cohere, Ollama ------------------------------------------------------------------


def _converse(said: Said, stop: str) -> Iterator[Event]:
    yield "messageStart", {"role": "assistant"}
    for index, (start, deltas) in enumerate(_converse_blocks(said)):
        if start:
            yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
        for delta in deltas:
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": stop}
    prompt, answer, _, cached = said.counts
    usage = {"inputTokens": prompt - cached, "outputTokens": answer, "totalTokens": prompt + answer,
             "cacheReadInputTokens": cached}  # fmt: skip
    yield "metadata", {"usage": usage, "metrics": {"latencyMs": 312}}


def _converse_blocks(said: Said) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if said.reasoning:
        thoughts: list[dict[str, Any]] = [{"reasoningContent": {"text": piece}} for piece in said.reasoning]
        yield {}, [*thoughts, {"reasoningContent": {"signature": "c2lnbmVk"}}]
    if said.text:
        yield {}, [{"text": piece} for piece in said.text]
    for call in said.calls:
        start = {"toolUse": {"toolUseId": call.id, "name": call.name}}
        yield start, [{"toolUse": {"input": piece}} for piece in call.pieces]


def _invoke(said: Said, stop: str) -> Iterator[Event]:
    *before, last = _messages(said, stop)
    yield from before
    prompt, answer, _, cached = said.counts
    metrics = {"inputTokenCount": prompt - cached, "outputTokenCount": answer, "cacheReadInputTokenCount": cached,
               "invocationLatency": 400, "firstByteLatency": 200}  # fmt: skip
    yield {**last, "amazon-bedrock-invocationMetrics": metrics}


def _cohere(said: Said, stop: str) -> Iterator[Event]:
    yield {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}}
    contents = [("thinking", said.reasoning), ("text", said.text)]
    for index, (kind, pieces) in enumerate((kind, pieces) for kind, pieces in contents if pieces):
        yield {"type": "content-start", "index": index, "delta": {"message": {"content": {"type": kind, kind: ""}}}}
        for piece in pieces:
            yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: piece}}}}
        yield {"type": "content-end", "index": index}
    for index, call in enumerate(said.calls):
        begin = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": begin}}}
        for piece in call.pieces:
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            yield {"type": "tool-call-delta", "index": index, "delta": delta}
        yield {"type": "tool-call-end", "index": index}
    prompt, answer, _, cached = said.counts
    tokens = {"input_tokens": prompt, "output_tokens": answer}
    usage = {"billed_units": tokens, "tokens": tokens, "cached_tokens": cached}
    yield {"type": "message-end", "id": "c1", "delta": {"finish_reason": stop, "usage": usage}}


def _ollama(said: Said, stop: str) -> Iterator[Event]:
    head = {"model": "m-1", "created_at": "2026-01-01T00:00:00Z"}
    pieces = [{"content": "", "thinking": piece} for piece in said.reasoning]
    pieces += [{"content": piece} for piece in said.text]
    for fields in pieces:
        yield {**head, "message": {"role": "assistant", **fields}, "done": False}
    for call in said.calls:
        function = {"name": call.name, "arguments": json.loads(call.arguments or "{}")}
        message = {"role": "assistant", "content": "", "tool_calls": [{"function": function}]}
        yield {**head, "message": message, "done": False}
    counts = {"prompt_eval_count": said.counts.prompt, "eval_count": said.counts.answer}
    end = {"message": {"role": "assistant", "content": ""}, "done_reason": stop, "done": True}
    yield {**head, **end, "total_duration": 5, **counts}


# -- framing ----------------------------------------------------------------------------------


def sse(events: list[Event]) -> bytes:
    """Server-sent events of data alone."""
    return "".join(f"data: {json_text(event)}\n\n" for event in events).encode()


def named_sse(events: list[Event]) -> bytes:
    """Server-sent events with the name of each, which is also its type, in front."""
    pairs = (event if isinstance(event, tuple) else (event["type"], event) for event in events)
    return "".join(f"event: {name}\ndata: {json_text(value)}\n\n" for name, value in pairs).encode()


def lines(events: list[Event]) -> bytes:
    """JSON lines."""
    return "".join(f"{json_text(event)}\n" for event in events).encode()


def array(events: list[Event]) -> bytes:
    """One JSON array over several lines."""
    inside = ",\r\n".join(json.dumps(event, ensure_ascii=False, indent=1) for event in events)
    return f"[{inside}\r\n]\r\n".encode()


def aws(events: list[Event]) -> bytes:
    """AWS's binary event stream."""
    return b"".join(aws_message(name, json_text(value).encode()) for name, value in events)


def aws_chunks(events: list[Event]) -> bytes:
    """The same for InvokeModel: each event in base64, in a message of its own."""
    texts = (base64.b64encode(json_text(event).encode()).decode() for event in events)
    return b"".join(aws_message("chunk", json_text({"bytes": text}).encode()) for text in texts)


_CHAT = {"stop": "stop", "length": "length", "tools": "tool_calls", "filter": "content_filter"}
_CLAUDE = {"stop": "end_turn", "length": "max_tokens", "tools": "tool_use", "filter": "refusal"}
_GOOGLE = {"stop": "STOP", "length": "MAX_TOKENS", "tools": "STOP", "filter": "SAFETY"}

DIALECTS: Mapping[str, Dialect] = {
    "openai-chat": Dialect(
        "openai", _chat, sse, _CHAT, lambda c: (c.prompt, c.answer, c.reasoning, c.cached, None)),
    "anthropic-messages": Dialect(
        "anthropic", _messages, named_sse, _CLAUDE, lambda c: (c.prompt - c.cached, c.answer, None, c.cached, None),
        early=(11, 1, None, 0, None)),
    "openai-responses": Dialect(
        "openai-responses", _responses, named_sse,
        {"stop": "completed", "length": "max_output_tokens", "tools": "completed", "filter": "content_filter"},
        lambda c: (c.prompt, c.answer, c.reasoning, c.cached, None)),
    "gemini": Dialect(
        "gemini", _gemini, sse, _GOOGLE, lambda c: (c.prompt, c.answer - c.reasoning, c.reasoning, c.cached, None),
        ids=False, early=(11, None, None, None, None)),
    "gemini-array": Dialect(
        "gemini", _gemini, array, _GOOGLE, lambda c: (c.prompt, c.answer - c.reasoning, c.reasoning, c.cached, None),
        ids=False),
    "gemini-interactions": Dialect(
        "gemini-interactions", _interactions, named_sse,
        {"stop": "completed", "length": "incomplete", "tools": "requires_action", "filter": ""},
        lambda c: (c.prompt, c.answer - c.reasoning, c.reasoning, c.cached, None)),
    "bedrock-converse-stream": Dialect(
        "bedrock", _converse, aws,
        {"stop": "end_turn", "length": "max_tokens", "tools": "tool_use", "filter": "content_filtered"},
        lambda c: (c.prompt - c.cached, c.answer, None, c.cached, None)),
    "bedrock-invoke-stream": Dialect(
        "bedrock", _invoke, aws_chunks, _CLAUDE,
        lambda c: (c.prompt - c.cached, c.answer, None, c.cached, None), "anthropic.claude-3",
        early=(11, 1, None, 0, None)),
    "cohere": Dialect(
        "cohere", _cohere, named_sse,
        {"stop": "COMPLETE", "length": "MAX_TOKENS", "tools": "TOOL_CALL", "filter": ""},
        lambda c: (c.prompt, c.answer, None, c.cached, None)),
    "ollama-chat": Dialect(
        "ollama", _ollama, lines, {"stop": "stop", "length": "length", "tools": "stop", "filter": ""},
        lambda c: (c.prompt, c.answer, None, None, None), ids=False),
}  # fmt: skip
"""An empty word: that provider has none for such an end."""
