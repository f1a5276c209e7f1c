"""What a request will cost: the first guess, and what is learned."""

from __future__ import annotations

import pytest

from resilient_stream.fleet.sizes import OUTPUT, PART_TOKENS, TOKENS_PER_BYTE, Sizes, size_of
from resilient_stream.messages import Message, Tool, to_messages

PICTURE = "https://example.com/a.png"


@pytest.mark.parametrize(
    ("messages", "size"),
    [
        ("a" * 400, 400),
        ("é" * 100, 200),
        ([{"role": "system", "content": "abc"}, {"role": "user", "content": "de"}], 5),
        ([{"role": "user", "content": [{"type": "text", "text": "abcd"}]}], 4),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}],
            PART_TOKENS / TOKENS_PER_BYTE,
        ),
    ],
    ids=["text", "two bytes a letter", "two messages", "part", "picture"],
)
def test_the_size_is_what_the_model_reads(messages: object, size: float) -> None:
    """Bytes of text; a picture counts as one, however large its file."""
    assert size_of(to_messages(messages), ()) == size  # type: ignore[arg-type]


def test_calls_and_tools_are_read_too() -> None:
    """Names, arguments, descriptions and schemas are sent with each request."""
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": '{"a":1}'}}
    assert size_of([Message(role="assistant", content="", tool_calls=[call])], ()) == 4 + 7  # type: ignore[list-item]
    tool = Tool(name="find", description="Finds", parameters={"type": "object"})
    assert size_of((), [tool]) == 4 + 5 + len('{"type": "object"}')


def test_before_an_answer_the_bound_is_believed() -> None:
    """max_tokens, or a few hundred where there is none."""
    sizes = Sizes()
    assert sizes.guess(400, 1000) == 100 + 1000
    assert sizes.guess(400, None) == 100 + OUTPUT


def test_answers_teach_what_is_usual() -> None:
    """The mean of what was read for each byte, and of what was written, which max_tokens still bounds."""
    sizes = Sizes()
    sizes.learn(400, 200, 40)
    assert sizes.guess(400, 1000) == 200 + 40
    sizes.learn(400, 400, 60)
    assert sizes.guess(400, None) == pytest.approx(300 + 50)
    assert sizes.guess(0, 10) == 10


def test_the_mean_follows_a_change_and_forgets_what_was() -> None:
    """After many answers of another length, that is the usual one; counts that are missing teach nothing."""
    sizes = Sizes()
    for written in [10] * 100 + [1000] * 100:
        sizes.learn(0, None, written)
    sizes.learn(100, None, None)
    assert sizes.guess(0, None) == pytest.approx(1000, rel=0.02)
