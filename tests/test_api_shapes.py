"""Messages as APIs and SDKs give them are accepted as they are; an unknown field is refused by name."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from resilient_stream import Client, ImagePart, Message, ReasoningPart, StreamMisused, Target, TextPart
from resilient_stream.contract import Request
from resilient_stream.messages import FunctionCall, Tool, to_messages
from resilient_stream.providers.anthropic.request import encode_body
from resilient_stream.providers.bedrock import converse_request

USER = {"role": "user", "content": "Hi"}
SECRET_TEXT = "what-is-private"
PNG = "data:image/png;base64,AAAA"


class Dumped:
    """An SDK's object: all that is known of it is that it can be dumped."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def model_dump(self) -> dict[str, Any]:
        """Its fields, nulls among them."""
        return self._fields


OPENAI = {
    "content": None, "refusal": None, "role": "assistant", "annotations": [], "audio": None, "function_call": None,
    "tool_calls": [
        {"id": "c1", "function": {"arguments": '{"n":1}', "name": "look"}, "type": "function", "index": 0, "x": None},
    ],
}  # fmt: skip
CLAUDE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "tool_use",
    "stop_sequence": None, "usage": {"input_tokens": 1}, "container": None,
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "S"}, {"type": "redacted_thinking", "data": "R"},
        {"type": "text", "text": "Let me look.", "citations": None},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"n": 1}, "caller": {"type": "direct"}},
    ],
}  # fmt: skip
CALL = FunctionCall(id="c1", name="look", arguments='{"n":1}')

TAKEN: dict[str, tuple[Any, list[Message]]] = {
    "OpenAI's dump": (OPENAI, [Message(role="assistant", tool_calls=(CALL,))]),
    "OpenAI's objects": (
        Dumped(**{**OPENAI, "tool_calls": [Dumped(**OPENAI["tool_calls"][0])]}),  # type: ignore[index]
        [Message(role="assistant", tool_calls=(CALL,))],
    ),
    "Anthropic's answer": (
        CLAUDE,
        [Message(
            role="assistant",
            content=(
                ReasoningPart(text="Hm.", signature="S"), ReasoningPart(redacted="R"), TextPart(text="Let me look."),
            ),
            tool_calls=(FunctionCall(id="c1", name="look", arguments='{"n": 1}'),),
        )],
    ),
    "Anthropic's blocks in their order": (
        {"role": "assistant", "content": [CLAUDE["content"][3], Dumped(type="text", text="x", citations=None)]},  # type: ignore[index]
        [Message(role="assistant", content=(TextPart(text="x"),),
                 tool_calls=(FunctionCall(id="c1", name="look", arguments='{"n": 1}', place=0),))],
    ),
    "Anthropic's results": (
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "1"}], "is_error": False},
            {"type": "text", "text": "Go"},
        ]},
        [Message(role="tool", tool_call_id="c1", content=(TextPart(text="1"),)),
         Message(role="user", content=(TextPart(text="Go"),))],
    ),
    "Anthropic's pictures": (
        {"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "image", "source": {"type": "url", "url": "https://e.org/a.png"}},
        ]},
        [Message(role="user", content=(ImagePart(url=PNG), ImagePart(url="https://e.org/a.png")))],
    ),
    "Responses' parts": (
        {"type": "message", "id": "m", "status": "completed", "role": "user", "content": [
            {"type": "input_text", "text": "a"},
            {"type": "input_image", "image_url": PNG, "detail": "low", "file_id": None},
        ]},
        [Message(role="user", content=(TextPart(text="a"), ImagePart(url=PNG, detail="low")))],
    ),
    "Responses' answer": (
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}], "logprobs": []},
            {"type": "refusal", "refusal": "No."},
        ]},
        [Message(role="assistant", content=(TextPart(text="a"), TextPart(text="No.")))],
    ),
    "a refusal": ({"role": "assistant", "content": None, "refusal": "No."}, [Message(role="assistant", content="No.")]),
    "Ollama's answer": (
        {"role": "assistant", "content": "", "thinking": "Hm.", "images": None,
         "tool_calls": [{"function": {"name": "look", "arguments": {"n": 1}}, "id": "c1"}]},
        [Message(role="assistant", content=(ReasoningPart(text="Hm."),),
                 tool_calls=(FunctionCall(id="c1", name="look", arguments='{"n": 1}'),))],
    ),
    "DeepSeek's answer": (
        {"role": "assistant", "content": "x", "reasoning_content": "Hm.", "reasoning": "Hm."},
        [Message(role="assistant", content=(ReasoningPart(text="Hm."), TextPart(text="x")))],
    ),
    "a picture by a bare address": (
        {"role": "user", "content": [{"type": "image_url", "image_url": PNG}]},
        [Message(role="user", content=(ImagePart(url=PNG),))],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "meant"), TAKEN.values(), ids=TAKEN)
def test_what_an_api_gave_is_taken_as_it_is(given: Any, meant: list[Message]) -> None:
    """Nulls, empty fields, fields of an answer, objects of an SDK: none of it has to be cleaned up before."""
    assert list(to_messages([USER, given])) == [Message(**USER), *meant]  # type: ignore[arg-type]


REFUSED: dict[str, tuple[Any, str]] = {
    "an unknown part": (
        {"role": "user", "content": [{"type": "mind", "mind": {"file_id": "f"}}]},
        "messages[0].content[0].type: 'mind' is not known; known are text, image_url",
    ),
    "a field that would be lost": (
        {"role": "user", "content": [{"type": "text", "text": "x", "keep_for": {"type": "ephemeral"}}]},
        "messages[0].content[0].keep_for: not a known field",
    ),
    "audio": ({"role": "assistant", "audio": {"id": "a"}}, "messages[0].audio: not a known field"),
    "an old function call": (
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        "messages[0].function_call: not a known",
    ),
    "nearly right": (
        {"role": "user", "contents": "x"}, "messages[0].contents: not a known field: did you mean content?",
    ),
    "another type of call": (
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "f"}}]},
        "messages[0].tool_calls[0].type: 'custom' is not known; known is function",
    ),
    "a picture kept elsewhere": (
        {"role": "user", "content": [{"type": "image_url", "file_id": "f"}]},
        "messages[0].content[0].file_id: not a known",
    ),
    "a text that is none": (
        {"role": "user", "content": [{"type": "text", "text": 3}]}, "messages[0].content[0].text: Input should be",
    ),
    "a part without a type": (
        {"role": "user", "content": [{"x": 1}]}, "messages[0].content[0].type: None is not known",
    ),
    "no message": ("x", "messages[0]: give a Message or a dict, not str"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "words"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_place_is_refused_by_its_name(given: Any, words: str) -> None:
    """The place, the field and what to do, in words of ours: nothing is lost in silence, no insides are shown."""
    with pytest.raises(StreamMisused) as caught:
        Client("openai:m").stream([given])
    said = str(caught.value)
    assert said.startswith(words)
    assert not any(word in said for word in ("union", "tuple[", "function-", "TextPart.", "Value error"))


def test_parts_may_come_as_a_list() -> None:
    """In a list, a tuple, as dicts or as parts: what is kept is the same."""
    parts = [TextPart(text="a"), ImagePart(url=PNG)]
    made = Message(role="user", content=parts)
    assert made.content == tuple(parts)
    assert made == Message(
        role="user", content=[{"type": "text", "text": "a"}, {"type": "image_url", "image_url": PNG}]
    )


def test_tools_come_in_three_shapes() -> None:
    """Tools are accepted in the shapes of OpenAI, the Responses API and Anthropic."""
    schema = {"type": "object", "properties": {}}
    tool = Tool(name="f", description="d", parameters=schema)
    inner = {"name": "f", "description": "d", "parameters": schema, "strict": None}
    shapes: list[dict[str, Any]] = [
        {"type": "function", "function": inner},
        {"type": "function", **inner},
        {"name": "f", "description": "d", "input_schema": schema, "type": "custom"},
    ]
    assert list(Client("openai:m").stream("x", tools=shapes)._call.request.tools) == [tool] * 3


WRONG = {
    "a role": (lambda: Message(role="asistant", content="x"), "Message.role: "),
    "a field": (lambda: Message(role="user", contant=SECRET_TEXT), "Message"),
    "no role": (lambda: Message(content=SECRET_TEXT), "Message.role: "),
    "a part": (lambda: Message(role="user", content=[{"type": "text"}]), "Message.content[0]"),
    "no call answered": (lambda: Message(role="tool", content="x"), "tool_call_id"),
    "a call": (lambda: Message(role="assistant", tool_calls=[{"id": "a", "name": ""}]), "Message.tool_calls[0].name"),
    "a call's field": (lambda: Message(role="assistant", tool_calls=[{"id": "a", "name": "f", "x": 1}]), "tool_calls"),
    "a tool's name": (lambda: Tool(name=""), "Tool.name: "),
    "a tool's schema": (lambda: Tool(name="f", parameters=[SECRET_TEXT]), "Tool"),
    "a picture": (lambda: ImagePart(url=3), "ImagePart.url: "),
    "a text": (lambda: TextPart(text=[SECRET_TEXT]), "TextPart.text: "),
    "reasoning": (lambda: ReasoningPart(text=1), "ReasoningPart.text: "),
    "a function call": (lambda: FunctionCall(id=1, name="f"), "FunctionCall.id: "),
}  # fmt: skip


@pytest.mark.parametrize(("make", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_misuse_wherever_it_is_given(make: Any, words: str) -> None:
    """Made directly they raise what a call raises for a dict of that kind, with the place and without the value."""
    with pytest.raises(StreamMisused) as caught:
        make()
    assert words in str(caught.value)
    assert SECRET_TEXT not in "".join(traceback.format_exception(caught.value))


def test_a_message_in_a_model_of_the_users_own_is_checked_by_pydantic() -> None:
    """There all that is wrong is said together, each with its place in that model."""

    class Asked(BaseModel):
        messages: list[Message]
        tool: Tool

    with pytest.raises(ValidationError) as caught:
        Asked.model_validate({"messages": [{"role": "user"}, {"role": "x"}], "tool": {"name": ""}})
    assert [each["loc"] for each in caught.value.errors()] == [("messages", 1, "role"), ("tool", "name")]


CALLED = {
    "role": "assistant",
    "content": [
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}, "cache_control": {"type": "ephemeral"}}
    ],
}
FAILED = {
    "role": "user",
    "content": [
        {
            "type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": "no light",
            "cache_control": {"type": "ephemeral"},
        }
    ],
}  # fmt: skip


def test_a_failed_result_and_the_marks_of_calls_and_results_go_back_to_anthropic() -> None:
    """That a tool failed, and up to where the prompt is kept, is not lost between Anthropic's shape and Anthropic."""
    messages = to_messages([{"role": "user", "content": "Look."}, CALLED, FAILED])
    assert (messages[1].tool_calls[0].cache, messages[2].is_error) == (True, True)
    turns = encode_body(Request(messages=messages, target=Target("anthropic:claude-opus-4-5")))["messages"]
    assert turns[1]["content"] == CALLED["content"]
    assert turns[2]["content"] == [
        {
            "type": "tool_result", "tool_use_id": "t1", "is_error": True,
            "content": [{"type": "text", "text": "no light", "cache_control": {"type": "ephemeral"}}],
        }
    ]  # fmt: skip


def test_bedrock_is_told_that_a_tool_failed() -> None:
    """The Converse API has a field for it, too."""
    message = Message(role="tool", tool_call_id="t1", content="no light", is_error=True)
    call = {"id": "t1", "name": "look", "arguments": "{}"}
    turns = (Message(role="user", content="Look."), Message(role="assistant", tool_calls=[call]), message)
    asked = Request(messages=turns, target=Target("bedrock:amazon.nova-pro-v1:0"))
    assert converse_request.encode_body(asked)["messages"][-1]["content"][0]["toolResult"]["status"] == "error"
