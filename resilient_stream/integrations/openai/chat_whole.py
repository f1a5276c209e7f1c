"""Writes a whole answer as a chat completion, for a request that does not ask for a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ...chunks import Finished, Logprobs, ToolCall
from ...formats.writer import About
from ...outcome.transcript import Transcript
from ..refused import Refused
from .chat_writer import file_fields
from .pieces import UNTRUSTED, arguments_of, finish_reason, is_untrusted, refusal_words, url_citation
from .usage import chat_usage

__all__ = ["chat_completion", "write_whole"]


def write_whole(transcript: Transcript, about: About) -> bytes:
    """Return the body of the response for a complete answer. Raises Refused for one that a client must not act on."""
    return msgspec.json.encode(chat_completion(transcript, about))


def chat_completion(transcript: Transcript, about: About) -> dict[str, Any]:
    """Return a complete answer as the object `chat.completion`. Raises Refused."""
    finished = next((chunk for chunk in reversed(transcript._answer()) if isinstance(chunk, Finished)), None)
    refused = refusal_words(finished)
    choice: dict[str, Any] = {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": transcript.text or None,
            "refusal": refused or None,
            **dict(_other_fields(transcript)),
        },
        "logprobs": _logprobs(transcript),
        "finish_reason": finish_reason(transcript.finish_reason, refused=bool(refused)),
    }
    made = {
        "id": f"chatcmpl-{about.id}",
        "object": "chat.completion",
        "created": about.created,
        "model": about.model,
        "choices": [choice],
    }
    usage = chat_usage(transcript.usage, transcript.target or "")
    return made if usage is None else {**made, "usage": usage}


def _other_fields(transcript: Transcript) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a message beside its text, each only where there is something to say."""
    if transcript.reasoning:
        yield "reasoning_content", transcript.reasoning
    if transcript.tool_calls:
        yield "tool_calls", [_call(call) for call in transcript.tool_calls]
    cited = [found for source in transcript.sources if (found := url_citation(source)) is not None]
    if cited:
        yield "annotations", [{"type": "url_citation", "url_citation": each} for each in cited]
    yield from _joined(file_fields(file) for file in transcript.files).items()


def _joined(fields: Iterable[dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for each in fields:
        for name, value in each.items():
            made[name] = [*made.get(name, ()), *value] if isinstance(value, list) else value
    return made


def _call(call: ToolCall) -> dict[str, Any]:
    if is_untrusted(call):
        raise Refused(UNTRUSTED + (call.error or ""), status=502, code="model_output_invalid")
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments_of(call)}}


def _logprobs(transcript: Transcript) -> dict[str, Any] | None:
    tokens = [token for chunk in transcript._answer() if isinstance(chunk, Logprobs) for token in chunk.tokens]
    return {"content": tokens, "refusal": None} if tokens else None
