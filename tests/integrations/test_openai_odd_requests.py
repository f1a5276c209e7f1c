"""Requests with an odd value anywhere in them: each is read, or refused in words; nothing else is ever raised."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resilient_stream import Client, StreamMisused
from resilient_stream.integrations.openai import Asked, Refused, read_chat, read_responses

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    2**70,
    "",
    "x",
    [],
    [1],
    [[]],
    {},
    {"type": 1},
    {"a": None},
    [{"type": "x"}],
)

FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}", "parsed_arguments": {}}}
SCHEMA = {"name": "n", "description": "d", "strict": True, "schema": {"type": "object"}}

CHAT = {
    "model": "m", "stream": True, "stream_options": {"include_usage": True}, "temperature": 1, "max_tokens": 5,
    "stop": ["x"], "n": 1, "seed": 1, "user": "u", "reasoning_effort": "low", "store": True, "logprobs": True,
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "name": "n", "content": [
            {"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
        ]},
        {"role": "assistant", "content": "a", "refusal": None, "parsed": {}, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ],
    "tools": [{"type": "function", "function": FUNCTION}, {"type": "web_search"}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": SCHEMA},
}  # fmt: skip
RESPONSES = {
    "model": "m", "stream": True, "instructions": "i", "max_output_tokens": 5, "include": ["x"], "metadata": {"a": "b"},
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "t"}]},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "e"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "t", "parsed": {}}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "web_search_call", "id": "w"},
        {"type": "function_call_output", "call_id": "c", "output": "o"},
    ],
    "tools": [{"type": "function", **FUNCTION}], "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "json_schema", **SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto", "other": 1},
}  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The way to each value inside of a value."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (key,)
        yield from ((key, *rest) for rest in places(value[key]))


def with_odd(body: dict[str, Any], place: tuple[Any, ...], odd: Any) -> bytes:
    """The body with one value replaced."""
    made = copy.deepcopy(body)
    inside: Any = made
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = odd
    return json.dumps(made).encode()


@pytest.mark.parametrize(("read", "body"), [(read_chat, CHAT), (read_responses, RESPONSES)], ids=["chat", "responses"])
def test_an_odd_value_is_read_or_refused(read: Callable[[bytes], Asked], body: dict[str, Any]) -> None:
    """Wherever it stands; and the body without one is read."""
    client = Client("openai:m")
    asked = read(json.dumps(body).encode())
    client.stream(asked.messages, **asked.options)
    refused = 0
    for place in places(body):
        for odd in ODD:
            try:
                asked = read(with_odd(body, place, odd))
                client.stream(asked.messages, **asked.options)
            except (Refused, StreamMisused):
                refused += 1
            except Exception as error:
                raise AssertionError(f"{place} {odd!r}") from error
    assert refused > 200
