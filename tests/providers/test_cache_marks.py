"""Cache marks on parts and tools: where providers take them, in their own form, and within their limits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from resilient_stream import (
    Client,
    FilePart,
    FunctionCall,
    ImagePart,
    InvalidRequest,
    Message,
    StreamMisused,
    Target,
    TextPart,
    Tool,
)
from resilient_stream.contract import Endpoint, Request
from resilient_stream.messages import Part, to_messages, to_tools
from resilient_stream.providers import adapter_for
from resilient_stream.testing import End, FakeProvider, Text

pytestmark = pytest.mark.usefixtures("nothing_left")

PNG = ImagePart.of(b"\x89PNG\r\n\x1a\n")
LOOK = Tool(name="look", cache="1h")
CLAUDE = "anthropic:claude-haiku-4-5"
ON_BEDROCK = "bedrock:anthropic.claude-haiku-4-5-v1:0"
FIVE = {"type": "ephemeral", "ttl": "5m"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
USUAL = {"type": "ephemeral"}


def encode(target: str, *messages: Message, **fields: Any) -> dict[str, Any]:
    """The body of a request with these messages."""
    made = Target(target, **fields.pop("options", {}))
    adapter = adapter_for(made.provider)
    sent = adapter.encode(
        Request(messages=messages, target=made, **fields), Endpoint(base_url=adapter.base_url, credentials=PLACE)
    )
    return msgspec.json.decode(sent.body, type=dict[str, Any])  # type: ignore[union-attr]


def user(*parts: Part) -> Message:
    """A turn of the user."""
    return Message(role="user", content=parts)


class Place:
    """Where Vertex finds a model."""

    express, project, location = False, "p", "global"


PLACE = Place()
SYSTEM = Message(role="system", content=[TextPart(text="A handbook.", cache="1h"), TextPart(text="Be brief.")])
PDF = FilePart(data=b"%PDF-", cache=True)


@pytest.mark.parametrize(
    ("target", "options"),
    [(CLAUDE, {}), ("vertex:claude-haiku-4-5", {}), (ON_BEDROCK, {"api": "invoke"})],
)
def test_claude_is_sent_marks_wherever_it_is_served(target: str, options: dict[str, Any]) -> None:
    """On tools, the system prompt, texts, pictures and files, each with its time."""
    said = user(TextPart(text="a", cache="5m"), PNG, PDF, TextPart(text="b"))
    body = encode(target, SYSTEM, said, tools=(LOOK, Tool(name="other")), options=options)
    assert [tool.get("cache_control") for tool in body["tools"]] == [HOUR, None]
    assert body["system"] == [
        {"type": "text", "text": "A handbook.", "cache_control": HOUR}, {"type": "text", "text": "Be brief."},
    ]  # fmt: skip
    assert [block.get("cache_control") for block in body["messages"][0]["content"]] == [FIVE, None, USUAL, None]


def test_converse_is_sent_points_behind_what_is_marked() -> None:
    """A point is a block of its own there; in a tool's result none may stand, so it stands behind the result."""
    call = Message(role="assistant", tool_calls=[FunctionCall(id="c", name="look")])
    result = Message(role="tool", tool_call_id="c", content=[TextPart(text="x", cache=True)])
    body = encode(ON_BEDROCK, SYSTEM, user(TextPart(text="a", cache="5m")), call, result, tools=(LOOK,))
    hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert [*body["toolConfig"]["tools"][0]] == ["toolSpec"]
    assert body["toolConfig"]["tools"][1] == body["system"][1] == hour
    assert body["system"] == [{"text": "A handbook."}, hour, {"text": "Be brief."}]
    assert body["messages"][0]["content"] == [{"text": "a"}, {"cachePoint": {"type": "default", "ttl": "5m"}}]
    assert [[*block] for block in body["messages"][2]["content"]] == [["toolResult"], ["cachePoint"]]


def test_a_router_and_alibaba_are_sent_claudes_form() -> None:
    """OpenRouter passes it on to the provider that it asks."""
    for name in ("openrouter:anthropic/claude", "alibaba:qwen-plus"):
        body = encode(name, SYSTEM, user(TextPart(text="Hi")), tools=(LOOK,))
        assert body["messages"][0]["content"][0] == {"type": "text", "text": "A handbook.", "cache_control": HOUR}
        assert body["messages"][1] == {"role": "user", "content": "Hi"}
        assert body["tools"][0]["cache_control"] == HOUR


@pytest.mark.parametrize(
    "target",
    ["openai:gpt-5", "openai-responses:gpt-5", "gemini:gemini-2.5-flash", "mistral:m", "cohere:c", "ollama:q",
     "bedrock:meta.llama4-scout-17b-instruct-v1:0", "gemini-interactions:gemini-2.5-flash", "vllm:x"],
)  # fmt: skip
def test_elsewhere_a_mark_changes_nothing(target: str) -> None:
    """A provider that keeps prompts by itself is sent the same bytes as without it."""
    system = Message(role="system", content=[TextPart(text="A handbook.", cache="1h")])
    marked = encode(target, system, user(TextPart(text="a", cache=True)), tools=(LOOK,))
    plain = Message(role="system", content="A handbook.")
    assert marked == encode(target, plain, user(TextPart(text="a")), tools=(Tool(name="look"),))
    assert "cache" not in str(marked)


@pytest.mark.parametrize("target", [CLAUDE, ON_BEDROCK])
@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ((True,) * 5, "5 cache marks .give at most 4; each covers all that is in front of it"),
        (("5m", "1h"), 'a cache mark of "1h" behind one of "5m"'),
        ((True, "1h"), "put the longer ones first"),
    ],
)
def test_marks_that_the_api_refuses_are_refused_before(target: str, marks: tuple[Any, ...], said: str) -> None:
    """More than four, or a long one behind a short one."""
    with pytest.raises(InvalidRequest, match=said):
        encode(target, user(*(TextPart(text="a", cache=mark) for mark in marks)))
    encode(target, user(*(TextPart(text="a", cache=mark) for mark in ("1h", "1h", "5m", True))))


async def test_the_next_target_is_asked_where_marks_are_too_many() -> None:
    """A provider without marks takes the same prompt."""
    parts = [TextPart(text=f"{number}", cache=True) for number in range(5)]
    async with FakeProvider([Text("Hi."), End()]) as provider:
        async with Client(provider.target("anthropic", model="claude-haiku-4-5"), provider.target("openai")) as client:
            assert (await client.complete([user(*parts)])).text == "Hi."
        assert len(provider.requests) == 1


def test_anthropics_own_form_is_read() -> None:
    """On a part and on a tool, as its SDK has it; what is none is refused by name."""
    content = [
        {"type": "text", "text": "a", "cache_control": HOUR},
        {"type": "text", "text": "b", "cache_control": USUAL},
        {"type": "text", "text": "c", "cache_control": None},
        {"type": "document", "source": {"type": "file", "file_id": "f"}, "cache_control": USUAL},
    ]
    shape: list[dict[str, Any]] = [{"role": "user", "content": content}]
    parts = to_messages(shape)[0].parts
    assert [part.cache for part in parts] == ["1h", True, None, True]  # type: ignore[union-attr]
    (tool,) = to_tools([{"name": "look", "input_schema": {"type": "object"}, "cache_control": HOUR}])
    assert tool.cache == "1h"
    with pytest.raises(StreamMisused, match=r"\.cache_control\.type: 'forever' is not known; known is ephemeral"):
        to_messages(
            [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "forever"}}]}]
        )


def test_a_wrong_time_is_refused_by_name() -> None:
    """Providers have these two."""
    with pytest.raises(StreamMisused, match=r"TextPart\.cache: Input should be True, False, '5m' or '1h'"):
        TextPart(text="a", cache="2h")  # type: ignore[arg-type]
