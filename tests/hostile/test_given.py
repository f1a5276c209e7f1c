"""What a caller gives and cannot be sent: halves of characters are mended, all else is said before sending."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest

from resilient_stream import Client, Message, StreamMisused, Target, TextPart, Tool, Transcript
from resilient_stream.errors import AllTargetsFailed, ErrorKind, Failure, error_for
from resilient_stream.messages import to_messages
from resilient_stream.testing import CallTool, End, FakeProvider, Text
from tests.test_history import WAYS, sent

HALF = "a\ud83db"
PAIR = "\ud83d\ude00"
MODEL = Client("openai:m")


def stream(**given: Any) -> Any:
    """A stream that is not sent."""
    return MODEL.stream(given.pop("prompt", "Hi"), **given)


def circle() -> dict[str, Any]:
    """An object that is inside itself."""
    made: dict[str, Any] = {}
    made["self"] = [made]
    return made


def deep(levels: int) -> Any:
    """Lists in one another."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def everywhere(half: str) -> list[Message]:
    """A conversation with this text in each place that a text can stand in."""
    call = {"id": half, "name": half, "arguments": f'{{"x":"{half}"}}'}
    turns = [
        {"role": "system", "content": half},
        {"role": "user", "name": half, "content": [{"type": "text", "text": half}]},
        {"role": "assistant", "content": half, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": half, "content": half},
        {"role": "user", "content": half},
    ]  # fmt: skip
    return list(to_messages(turns))


@pytest.mark.parametrize("target", WAYS, ids=str)
def test_half_a_character_is_sent_as_u_fffd_and_two_halves_as_one(target: Target) -> None:
    """In every place of a conversation, to every dialect: browsers' JSON and cut texts have such halves."""
    for given, expected in ((HALF, "a\ufffdb"), (PAIR, "\U0001f600")):
        _, body = sent(target, everywhere(given))
        said = body.decode()
        assert expected in (said if body[:1] != b"{" else json.dumps(json.loads(said), ensure_ascii=False))


def test_halves_are_mended_wherever_a_request_has_texts() -> None:
    """Options, schemas and tools too; nothing of it raises when it is encoded."""
    tool = {"name": HALF, "description": HALF, "parameters": {"type": "object", "properties": {HALF: {"const": HALF}}}}
    asked = stream(
        prompt=HALF, system=HALF, tools=[tool], tool_choice=HALF, stop=[HALF], reasoning=HALF, extra={HALF: [HALF]},
        output={"type": "object", "title": HALF}, metadata={HALF: HALF},
    )._call.request  # fmt: skip
    written = repr((asked.messages, asked.tools, asked.tool_choice, asked.stop, asked.extra, asked.output))
    assert "\ud83d" not in written
    assert "\\ud83d" not in written
    assert TextPart(text=HALF).text == "a\ufffdb"
    assert Tool(name="f", description=HALF).description == "a\ufffdb"


async def test_a_tools_result_with_half_a_character_reaches_the_model() -> None:
    """A text and a structure: neither ends the conversation."""

    def text() -> str:
        """Text."""
        return HALF

    def structure() -> dict[str, Any]:
        """Structure."""
        return {HALF: [HALF, PAIR]}

    calls = [CallTool("text", {}), CallTool("structure", {}), End("tool_calls")]
    async with FakeProvider(calls, [Text("ok"), End()]) as provider, Client(provider.target("anthropic")) as client:
        await client.converse("Go", tools=[text, structure]).collect()
        assert provider.requests[-1].body.decode().count("\ufffd") >= 3


class Colour(enum.Enum):
    """A value with a JSON value inside."""

    RED = "red"


NO_JSON: Mapping[str, tuple[Any, str]] = {
    "nan": ({"x": [1, math.nan]}, "x[1]: JSON has no nan"),
    "infinity": ({"x": math.inf}, "x: JSON has no inf"),
    "bytes": ({"x": b"1"}, "x: JSON has no bytes"),
    "a set": ({"x": {"y": {1}}}, "x.y: JSON has no set"),
    "an object": ({"x": object()}, "x: JSON has no object"),
    "a number as a name": ({"x": {1: 2}}, "names in JSON are texts"),
    "a huge integer": ({"x": 10**30}, "more than 64 bits"),
    "a circle": (circle(), "a circle"),
    "depth": ({"x": deep(5000)}, "more than 100 levels"),
}


@pytest.mark.parametrize(("value", "words"), NO_JSON.values(), ids=NO_JSON)
def test_what_json_does_not_have_is_said_with_its_place(value: Any, words: str) -> None:
    """In extra, in a schema, in a tool's parameters: before sending, and not as null, text or a foreign exception."""
    for given, place in (
        ({"extra": value}, "extra"),
        ({"output": value}, "output"),
        ({"tools": [{"name": "f", "parameters": value}]}, "tools[0].parameters"),
    ):
        with pytest.raises(StreamMisused) as caught:
            stream(**given)
        assert str(caught.value).startswith(place)
        assert words in str(caught.value)
        assert len(str(caught.value)) < 300


def test_what_json_has_in_another_form_is_taken() -> None:
    """Tuples, enumerations and subclasses of plain types are what they stand for."""
    word = type("Word", (str,), {})("w")
    asked = stream(extra={"a": (1, 2.5, True, None), "b": Colour.RED, "c": word})._call.request
    assert asked.extra == {"a": [1, 2.5, True, None], "b": "red", "c": "w"}


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": b"Hi"}, {"prompt": 3}, {"prompt": None}, {"prompt": [3]}, {"prompt": ["Hi"]}, {"prompt": []},
        {"prompt": {"role": "user", "content": b"Hi"}}, {"prompt": {"role": "user", "content": {"a": 1}}},
        {"prompt": [{"role": "user", "content": [3]}]}, {"prompt": {"role": 3, "content": "Hi"}},
        {"system": 3}, {"system": b"x"}, {"stop": 3}, {"stop": [3]}, {"stop": b"x"}, {"seed": "1"}, {"seed": 2**70},
        {"seed": 1.5}, {"seed": True}, {"temperature": math.nan}, {"temperature": math.inf}, {"temperature": "1"},
        {"top_p": -1}, {"max_tokens": 0}, {"max_tokens": 2**70}, {"reasoning": 2**70}, {"reasoning": 1.5},
        {"reasoning": []}, {"extra": [1]}, {"output": 3}, {"tool_choice": 3}, {"tool_choice": {"function": 3}},
        {"tools": "f"}, {"tools": [3]}, {"tools": 3}, {"tools": {"name": "f"}}, {"tools": [{"name": 3}]},
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_a_bug_of_the_caller(given: dict[str, Any]) -> None:
    """StreamMisused that names the argument; never an exception of a library below, and never sent."""
    with pytest.raises(StreamMisused) as caught:
        stream(**given)
    assert str(caught.value).startswith("messages" if "prompt" in given else next(iter(given)))
    assert len(str(caught.value)) < 300


# -- stored transcripts -------------------------------------------------------------------------


def stored(**fields: Any) -> dict[str, Any]:
    """A failed transcript's plain values, some of them replaced."""
    transcript = Transcript()
    transcript._end("failed", error_for(Failure(kind=ErrorKind.SERVER_ERROR)))
    return transcript.to_dict() | fields


def errors(levels: int) -> dict[str, Any]:
    """Errors that name others, in one another."""
    error: dict[str, Any] = stored()["error"]
    made = error
    for _ in range(levels):
        made = {**error, "errors": [made]}
    return made


def raw(data: Any) -> list[dict[str, Any]]:
    """One chunk that is kept as it came."""
    return [{"type": "raw", "provider": "p", "event": "e", "data": data}]


@pytest.mark.parametrize("levels", [9, 400, 2_000, 100_000])
def test_errors_in_one_another_have_an_end(levels: int) -> None:
    """A stored transcript may come from anywhere: what is too deep is said, and Python's recursion is not used up."""
    with pytest.raises(StreamMisused, match="in one another"):
        Transcript.from_dict(stored(error=errors(levels)))


@pytest.mark.parametrize("levels", [600, 2_000, 100_000])
def test_a_stored_value_has_a_bounded_depth(levels: int) -> None:
    """Each field of it, those that are kept as they came as well."""
    calls = [
        {"type": "tool_call", "index": 0, "id": "a", "name": "f", "arguments": "{}", "parsed": {"x": deep(levels)}}
    ]
    for fields in (
        {"chunks": raw(deep(levels))},
        {"chunks": calls},
        {"attempts": deep(levels)},
        {"usage": deep(levels)},
    ):
        with pytest.raises(StreamMisused, match="transcript: more than 500 levels"):
            Transcript.from_dict(stored(**fields))


def test_what_is_stored_comes_back_with_its_errors() -> None:
    """The bounds are above what there is: several targets' errors, and an event of many levels."""
    failed = AllTargetsFailed.of([error_for(Failure(kind=ErrorKind.SERVER_ERROR)) for _ in range(3)])
    transcript = Transcript()
    transcript._end("failed", failed)
    back = Transcript.from_dict(transcript.to_dict() | {"chunks": raw(deep(300)), "taken": 1})
    assert isinstance(back.error, AllTargetsFailed)
    assert len(back.error.errors) == 3


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Message("user", "Hi"), r'Message: give its fields by name: Message\(role="user", content="…"\)'),  # type: ignore[call-arg, misc]
        (lambda: TextPart("Hi"), r'TextPart: give its fields by name: TextPart\(text="…"\)'),  # type: ignore[call-arg, misc]
        (lambda: Tool("find", "Finds."), r'Tool\(name="…", description="…"\)'),  # type: ignore[call-arg, misc]
    ],
)
def test_fields_without_their_names_are_refused_with_the_form_that_was_meant(make: Any, said: str) -> None:
    """As StreamMisused, which says how it is written."""
    with pytest.raises(StreamMisused, match=said):
        make()
