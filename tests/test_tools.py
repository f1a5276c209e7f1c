"""A function as a tool: what the model is told of it, what is checked, and what is refused before anything is sent."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

import anyio
import pytest
from pydantic import BaseModel, Field, RootModel

from resilient_stream import StreamMisused, Tool, ToolError
from resilient_stream.conversation.toolbox import Toolbox
from resilient_stream.conversation.tools import MAX_RESULT, FunctionTool, Submission, encode_result, is_async, tool_of
from resilient_stream.messages import TextPart


class Unit(StrEnum):
    """An enum as an argument."""

    METRIC = "metric"
    IMPERIAL = "imperial"


class Place(BaseModel):
    """A model as an argument."""

    city: str = Field(min_length=2)
    country: str | None = None


def weather(
    place: Place,
    days: Annotated[int, Field(description="How far ahead.", ge=1)] = 1,
    unit: Unit = Unit.METRIC,
    *,
    detail: Literal["short", "long"] | None = None,
) -> dict[str, Any]:
    """The weather.

    Args:
        place: where.
    """
    return {"place": place, "days": days, "unit": unit, "detail": detail}


async def call(tool: FunctionTool | Tool, arguments: str) -> Any:
    """Check and run."""
    assert isinstance(tool, FunctionTool)
    return await tool.call(tool.arguments(arguments), anyio.CapacityLimiter(1))


def test_schema_of_a_signature() -> None:
    """Name and docstring, each parameter with its type, description, default and bounds; nothing else is allowed."""
    tool = tool_of(weather, "tools[0]").tool  # type: ignore[union-attr]
    assert (tool.name, tool.description) == ("weather", "The weather.\n\nArgs:\n    place: where.")
    schema = tool.parameters
    assert (schema["type"], schema["required"], schema["additionalProperties"]) == ("object", ["place"], False)
    assert schema["properties"]["days"] == {
        "default": 1, "description": "How far ahead.", "minimum": 1, "type": "integer",
    }  # fmt: skip
    assert schema["properties"]["detail"]["anyOf"][0]["enum"] == ["short", "long"]
    assert schema["$defs"]["Place"]["properties"]["city"] == {"minLength": 2, "type": "string"}
    assert "title" not in schema


async def test_arguments_arrive_as_the_types_of_the_signature() -> None:
    """Models and enums are made; what was not sent is left to the function's own defaults."""
    assert await call(tool_of(weather, ""), '{"place": {"city": "Oslo"}, "unit": "imperial"}') == {
        "place": Place(city="Oslo"), "days": 1, "unit": Unit.IMPERIAL, "detail": None,
    }  # fmt: skip


def positional(first: int, /, second: int) -> int:
    """Positional-only."""
    return first - second


def shadowing(schema: str, _id: int = 0, model_config: str = "") -> tuple[str, int, str]:
    """Names that a pydantic model could not have."""
    return schema, _id, model_config


def nothing() -> None:
    """No parameters."""


MARK = object()


def marked(x: int, mark: Any = MARK) -> bool:
    """A default that JSON cannot write."""
    return mark is MARK


class Desk:
    """Something with a method, and callable itself."""

    async def __call__(self, x: int) -> int:
        """Call it."""
        return x

    def add(self, x: int) -> int:
        """Add one."""
        return x + 1


@pytest.mark.parametrize(
    ("function", "name", "arguments", "result"),
    [
        (positional, "positional", '{"first": 3, "second": 1}', 2),
        (shadowing, "shadowing", '{"schema": "s", "_id": 4}', ("s", 4, "")),
        (nothing, "nothing", "", None),
        (marked, "marked", '{"x": 1}', True),
        (Desk().add, "add", '{"x": 1}', 2),
        (Desk(), "Desk", '{"x": 1}', 1),
        (functools.partial(positional, 5), "positional", '{"second": 1}', 4),
    ],
)
async def test_anything_that_can_be_called(function: Any, name: str, arguments: str, result: Any) -> None:
    """Methods, partials, objects, and parameters of any name."""
    tool = tool_of(function, "tools[0]")
    assert tool.tool.name == name  # type: ignore[union-attr]
    assert await call(tool, arguments) == result


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{}", "arguments.place: Field required"),
        ('{"place": {"city": "X"}, "days": 0, "dayz": 1}', "arguments.place.city: String should have at least 2"),
        ('{"place": {"city": "X"}, "days": 0, "dayz": 1}', "arguments.days: Input should be greater than or equal"),
        ('{"place": {"city": "X"}, "days": 0, "dayz": 1}', "arguments.dayz: Extra inputs are not permitted"),
        ('{"place": ', "Invalid JSON: EOF while parsing"),
        ("[]", "arguments: Input should be an object"),
    ],
)
def test_complaints_have_places_and_no_values(arguments: str, said: str) -> None:
    """The model learns each place and reason."""
    tool = tool_of(weather, "")
    assert isinstance(tool, FunctionTool)
    with pytest.raises(ToolError) as caught:
        tool.arguments(arguments)
    assert str(caught.value).startswith("Invalid arguments for weather: ")
    assert said in str(caught.value)


def test_complaints_do_not_repeat_what_was_sent() -> None:
    """A value may be long, or private."""
    tool = tool_of(weather, "")
    assert isinstance(tool, FunctionTool)
    with pytest.raises(ToolError) as caught:
        tool.arguments('{"place": {"city": "Oslo"}, "days": "SECRET", "SECRET2": 1, "unit": "SECRET3"}')
    assert "SECRET " not in str(caught.value)
    assert "SECRET3" not in str(caught.value)


async def test_a_pair_has_the_schema_of_the_tool() -> None:
    """A hand-written schema; the function's arguments are checked for their names."""
    declared = {"name": "add", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}
    tool = tool_of((declared, lambda x: x + 1), "tools[0]")
    assert isinstance(tool, FunctionTool)
    assert tool.tool == Tool(**declared)
    assert await call(tool, '{"x": 1}') == 2
    for arguments, said in (("{}", "missing a required argument: 'x'"), ("[1]", "not a JSON object"), ("{", "EOF")):
        with pytest.raises(ToolError, match=said):
            tool.arguments(arguments)


def test_a_tool_alone_stays_one() -> None:
    """A Tool without a function stays a Tool, whose calls the caller answers."""
    assert tool_of({"type": "function", "function": {"name": "ask"}}, "") == Tool(name="ask")


def variadic(*args: int) -> None:
    """Refused."""


def bare(x) -> None:  # type: ignore[no-untyped-def]
    """Refused."""


def foreign(x: Desk) -> None:
    """Refused."""


def unknown(x: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Refused."""


def counting(x: int) -> Iterator[int]:
    """Refused."""
    yield x


async def counting_slowly(x: int) -> AsyncIterator[int]:
    """Refused."""
    yield x


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (variadic, r"tool 'variadic': a model cannot fill \*args"),
        (bare, "tool 'bare': parameter 'x' has no annotation"),
        (foreign, "tool 'foreign': Unable to generate pydantic-core schema"),
        (unknown, "tool 'unknown': its signature cannot be read: name 'Missing' is not defined"),
        (counting, "tool 'counting' is a generator"),
        (counting_slowly, "tool 'counting_slowly' is a generator"),
        (lambda: 1, r"tools\[0\]: a lambda has no name"),
        (Desk, r"tools\[0\]: give a function"),
        (3, r"tools\[0\]: give a function"),
        ({"name": ""}, r"tools\[0\].name: String should have at least 1"),
        (({"name": "x"}, 3), r"tools\[0\]: give a function"),
    ],
)
def test_what_is_no_tool_is_said_at_once(source: Any, said: str) -> None:
    """Before anything is sent, with the tool's name or place."""
    with pytest.raises(StreamMisused, match=said):
        Toolbox([source], (), None)


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([dict], "'dict' is not one"),
        ({"a\nb": Place}, "printable"),
        ([RootModel[list[int]]], "not a JSON object"),
        ({"x": RootModel[list[int]]}, "not a JSON object"),
        ([3], "give pydantic model classes"),
        ({"x": Place, "y": 3}, "'y' is not one"),
    ],
)
def test_what_is_no_output_is_said_at_once(outputs: Any, said: str) -> None:
    """What cannot be an output is refused when the conversation is made."""
    with pytest.raises(StreamMisused, match=said):
        Toolbox([], outputs, None)


def test_two_of_one_name_are_refused() -> None:
    """Also a tool that has the name of a submission."""
    with pytest.raises(StreamMisused, match="one name: nothing"):
        Toolbox([nothing, nothing], (), None)
    with pytest.raises(StreamMisused, match="one name: submit_Place"):
        Toolbox([Tool(name="submit_Place")], [Place], None)


def test_an_output_is_a_tool() -> None:
    """Its fields are the arguments; a single class will do."""
    assert Toolbox([], Place, None).declared == (Submission("Place", Place).tool,)  # type: ignore[arg-type]
    tool = Submission("place", Place).tool
    assert tool.name == "submit_place"
    assert tool.description.endswith("A model as an argument.")
    assert "city" in tool.parameters["properties"]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (TextPart(text="as it is"), "as it is"),
        ([TextPart(text="as "), "it is"], "as it is"),
        (["a", "b"], '["a","b"]'),
        (None, "null"),
        ({"a": [1]}, '{"a":[1]}'),
        (Place(city="Oslo"), '{"city":"Oslo","country":null}'),
    ],
)
def test_results_are_text_or_json(result: Any, text: str) -> None:
    """Strings stay; the rest is what pydantic writes."""
    assert encode_result(result, "t") == text


def test_a_result_is_bounded_and_says_so() -> None:
    """More than a model can use is cut."""
    text = encode_result("x" * (MAX_RESULT + 7), "t")
    assert text == "x" * MAX_RESULT + "\n[cut here: 7 more characters]"


@pytest.mark.parametrize("result", [object(), b"\xff", {"a": object()}])
def test_a_result_that_json_cannot_write_is_a_bug(result: Any) -> None:
    """Of the calling code, which is told so."""
    with pytest.raises(StreamMisused, match=r"tool 't' returned a \w+, which cannot be written as JSON"):
        encode_result(result, "t")


def test_what_is_awaited() -> None:
    """Coroutine functions, also under a partial or as an object's call."""
    assert [is_async(each) for each in (Desk(), functools.partial(Desk()), Desk().add, weather, Desk)] == [
        True, True, False, False, False,
    ]  # fmt: skip
