"""A whole answer as one chat completion."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream.chunks import Chunk, Finished, Logprobs, ReasoningDelta, Seam, Source, TextDelta, ToolCall, Usage
from resilient_stream.formats.writer import About
from resilient_stream.integrations.openai import Refused, write_whole
from resilient_stream.outcome.transcript import Transcript

ABOUT = About("abc", 1_700_000_000, "gpt")


def completion(*chunks: Chunk) -> dict[str, Any]:
    """The object for an answer of these chunks."""
    transcript = Transcript()
    transcript._receive(list(chunks))
    if any(isinstance(chunk, Seam) for chunk in chunks):
        transcript._restart()
    transcript.target = "openai:gpt"
    made: dict[str, Any] = json.loads(write_whole(transcript, ABOUT))
    return made


def test_it_has_all_that_the_stream_has() -> None:
    """Text, reasoning, calls, sources, why it ended, and the counts."""
    made = completion(
        ReasoningDelta("Hm."), TextDelta("He"), TextDelta("llo"), ToolCall(3, "a", "f", "", {}),
        Source("https://e.com", "E"), Source(title="a book"), Logprobs(({"token": "He"},)),
        Finished("tool_calls", "tool_calls"), Usage(3, 4, 1, 2),
    )  # fmt: skip
    [choice] = made.pop("choices")
    assert choice == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "Hello",
            "refusal": None,
            "reasoning_content": "Hm.",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            "annotations": [{"type": "url_citation", "url_citation": {"url": "https://e.com", "title": "E"}}],
        },
        "logprobs": {"content": [{"token": "He"}], "refusal": None},
        "finish_reason": "tool_calls",
    }
    assert made == {
        "id": "chatcmpl-abc", "object": "chat.completion", "created": 1_700_000_000, "model": "gpt",
        "usage": {
            "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }  # fmt: skip


def test_a_refusal_has_its_own_field() -> None:
    """The SDK's `parse` looks there."""
    made = completion(Finished("refusal", "stop", "refusal", "I won't."))["choices"][0]
    assert (made["message"]["content"], made["message"]["refusal"], made["finish_reason"]) == (None, "I won't.", "stop")


def test_only_the_answer_that_holds_is_written() -> None:
    """What a restart took back is not in it; here it can be taken back."""
    made = completion(TextDelta("a"), Seam("x:y", "z:w", "restart", restart=True), TextDelta("b"))
    assert made["choices"][0]["message"]["content"] == "b"


def test_a_call_that_must_not_be_run_is_an_error() -> None:
    """A client that reads its arguments would run it."""
    with pytest.raises(Refused, match="two names") as caught:
        completion(ToolCall(0, "a", "f", "{}", None, error="it has two names"))
    assert caught.value.status == 502
