"""What a request used, where its provider did not count: by characters."""

from __future__ import annotations

import pytest

from resilient_stream import Chunk, Message, ReasoningDelta, Seam, TextDelta, ToolCall, ToolCallDelta, Usage
from resilient_stream.outcome.estimate import estimate

PROMPT = [Message(role="user", content="12345")]


@pytest.mark.parametrize(
    ("chunks", "made"),
    [
        ([], 0),
        ([TextDelta("12345678"), TextDelta("9")], 3),
        ([ReasoningDelta("12345678")], 2),
        ([ToolCallDelta(0, "c", "f", '{"a":1}'), ToolCall(0, "c", "f", '{"a":1}', {"a": 1})], 2),
        ([Seam("a", "b", "replay", 8), TextDelta("1234")], 3),
    ],
)
def test_output_is_a_token_for_each_four_characters(chunks: list[Chunk], made: int) -> None:
    """Text, reasoning and arguments, each once; with what a continuation said again."""
    assert estimate(PROMPT, chunks, 0, None) == Usage(2, made, certainty="estimated")


def test_chunks_that_were_not_kept_are_a_token_each() -> None:
    """Of the loser of a race, only their number is known."""
    assert estimate(PROMPT, [], 7, None) == Usage(2, 7, certainty="estimated")


def test_a_prompt_is_all_that_is_said_in_it() -> None:
    """Texts in parts, and the arguments of earlier calls."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    messages = [
        Message(role="user", content=[{"type": "text", "text": "12345"}]),
        Message(role="assistant", content="", tool_calls=[call]),
        Message(role="tool", content="1", tool_call_id="c"),
    ]
    assert estimate(messages, [], 0, None) == Usage(4, 0, certainty="estimated")


def test_a_prompt_with_a_picture_is_not_known() -> None:
    """A picture costs what its provider makes of it."""
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}]
    assert estimate([Message(role="user", content=parts)], [], 0, None) == Usage(None, 0, certainty="estimated")


def test_a_count_of_the_provider_stays_unless_more_was_seen() -> None:
    """Its input is kept; its output too, if the answer has no more."""
    told = Usage(50, 3, cached_input_tokens=10)
    assert estimate(PROMPT, [TextDelta("123456789012")], 1, told) is None
    assert estimate(PROMPT, [TextDelta("1234567890123")], 1, told) == Usage(
        50, 4, cached_input_tokens=10, certainty="estimated"
    )
