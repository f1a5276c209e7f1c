"""Schemas as strict providers accept them, compared with what OpenAI's own SDK makes of the same classes."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, RootModel

from resilient_stream import Target
from resilient_stream.contract import Endpoint, Request
from resilient_stream.errors import StreamMisused
from resilient_stream.messages import Tool, to_messages
from resilient_stream.providers import adapter_for
from resilient_stream.providers.shared.schemas import closed, strict


class City(BaseModel):
    """A part."""

    name: str
    size: Literal["small", "big"] | None = None


class Country(BaseModel):
    """Lists, parts, one with a word beside its reference, and what may be missing."""

    cities: list[City]
    capital: City = Field(description="Where the government is.")
    note: str | None = None


class Scores(BaseModel):
    """An object with names of its own."""

    points: dict[str, int]


class Person(BaseModel):
    """Limits and a default."""

    age: int = Field(18, ge=0, le=150, description="In years.")


@pytest.mark.parametrize("model", [City, Country])
def test_a_class_becomes_what_openais_sdk_makes_of_it(model: type[BaseModel]) -> None:
    """Every object closed, every property required, references without siblings."""
    pydantic_of_openai = pytest.importorskip("openai.lib._pydantic", reason="needs the extra: sdks")
    assert strict(model.model_json_schema()) == pydantic_of_openai.to_strict_json_schema(model)


def test_what_was_given_is_not_changed() -> None:
    """What comes out is a copy, all the way down."""
    schema, again = Country.model_json_schema(), Country.model_json_schema()
    strict(schema)
    closed(schema)
    assert schema == again


def test_an_object_with_any_names_is_not_made_strict() -> None:
    """Closing it would forbid what it is for."""
    assert strict(Scores.model_json_schema()) is None
    assert strict({"type": "object"}) is None
    assert strict({"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}}) is None


def test_a_class_inside_itself_ends() -> None:
    """A word beside the reference is worth one copy, and there the reference stays one."""
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree", "description": "The smaller half."}}}
    made: Any = strict({"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}})
    assert made["properties"]["left"] == {"$ref": "#/$defs/Tree"}
    inner = made["$defs"]["Tree"]["properties"]["left"]
    assert inner["description"] == "The smaller half."
    assert inner["properties"]["left"] == {"$ref": "#/$defs/Tree"}


def test_defaults_go_and_limits_stay_where_they_are_understood() -> None:
    """OpenAI refuses a default; Anthropic refuses limits, which the model can still read."""
    schema = Person.model_json_schema()
    made: Any = strict(schema)
    assert made["properties"]["age"] == {
        "type": "integer", "title": "Age", "minimum": 0, "maximum": 150, "description": "In years.",
    }  # fmt: skip
    worded = closed(schema)
    assert worded["additionalProperties"] is False
    assert worded["properties"]["age"] == {
        "type": "integer", "title": "Age", "default": 18, "description": "In years. (minimum: 0, maximum: 150)",
    }  # fmt: skip


class Cat(BaseModel):
    """One of two."""

    kind: Literal["cat"]


class Dog(BaseModel):
    """The other one."""

    kind: Literal["dog"]


class Owner(BaseModel):
    """A union that is told apart by a field, which pydantic writes as oneOf."""

    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Tags(BaseModel):
    """A set, which pydantic writes as a list of unique items."""

    tags: set[str]


class Pair(BaseModel):
    """A tuple, which pydantic writes with prefixItems."""

    pair: tuple[int, str]


def _with(**words: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"type": "string"}}, **words}


ONE: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
REFUSED: dict[str, Any] = {
    "a list": RootModel[list[City]].model_json_schema(),
    "a text": {"type": "string"},
    "one of several": RootModel[Cat | Dog].model_json_schema(),
    "one of several by reference": {"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [ONE, ONE]}}},
    "an object or null": {"type": ["object", "null"], "properties": {}},
    "a choice beside properties": _with(anyOf=[{"required": ["a"]}, {"required": []}]),
    "some objects only": _with(enum=[{"a": "x"}]),
    "a reference to nothing": {"$ref": "#/$defs/A"},
    "a reference in a circle": {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
    "a condition": {**ONE, "if": {"required": ["a"]}, "then": {"required": []}, "else": {"required": []}},
    "all of two": _with(allOf=[ONE, ONE]),
    "all of one that says the same": _with(allOf=[{"properties": {"b": {"type": "string"}}}]),
    "not": {**ONE, "properties": {"a": {"type": "string", "not": {"const": "x"}}}},
    "a discriminated union": Owner.model_json_schema(),
    "a set": Tags.model_json_schema(),
    "a tuple": Pair.model_json_schema(),
    "what depends": _with(dependentRequired={"a": ["b"]}),
    "a list that contains": {**ONE, "properties": {"a": {"type": "array", "items": ONE, "contains": ONE}}},
    "a number of properties": _with(minProperties=1),
    "in a definition": {**ONE, "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {**ONE, "oneOf": [ONE]}}},
}


def _format_sent(provider: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The format that is asked for, wherever the dialect has it."""
    request = Request(messages=to_messages("Hi"), target=Target(f"{provider}:m"), output=schema)
    outgoing: Any = adapter_for(provider).encode(request, Endpoint(base_url="http://localhost", api_key="key"))
    body = json.loads(outgoing.body)
    form: dict[str, Any] = body["text"]["format"] if "text" in body else body["response_format"]["json_schema"]
    return form


@pytest.mark.parametrize("schema", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("provider", ["openai", "openai-responses", "fireworks", "azure", "openrouter-responses"])
def test_what_strict_refuses_is_sent_as_it_is_and_not_strict(provider: str, schema: dict[str, Any]) -> None:
    """A request with it would be answered with a 400."""
    form = _format_sent(provider, schema)
    assert form["strict"] is False
    assert form["schema"] == schema


KEPT: dict[str, Any] = {
    "a class": City.model_json_schema(),
    "a class inside itself": {"$ref": "#/$defs/A", "$defs": {"A": {**ONE, "properties": {"a": {"$ref": "#/$defs/A"}}}}},
    "a choice in a property": {**ONE, "properties": {"a": {"anyOf": [ONE, {"type": "null"}]}}},
    "properties with such names": {**ONE, "properties": {key: {"type": "string"} for key in ("not", "if", "allOf")}},
    "values with such names": {**ONE, "properties": {"a": {"type": "string", "examples": [{"oneOf": []}]}}},
}


@pytest.mark.parametrize("schema", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("provider", ["openai", "openai-responses"])
def test_what_strict_takes_stays_strict(provider: str, schema: dict[str, Any]) -> None:
    """Names of properties and values are no words of a schema."""
    assert _format_sent(provider, schema)["strict"] is True


def test_all_of_one_is_that_one() -> None:
    """As pydantic 1 writes a reference with a description beside it."""
    part = {"allOf": [{"$ref": "#/$defs/A"}], "description": "The first."}
    made: Any = strict({"type": "object", "properties": {"a": part}, "$defs": {"A": ONE}})
    assert made["properties"]["a"]["description"] == "The first."
    assert made["properties"]["a"]["additionalProperties"] is False
    assert "allOf" not in made["properties"]["a"]


def _tool_sent(provider: str, parameters: dict[str, Any], strict: bool = True) -> dict[str, Any]:
    """The parameters of a tool as they are sent, wherever the dialect has them."""
    tool = Tool(name="find", parameters=parameters, strict=strict)
    target = Target(f"{provider}:m", region="us-east-1") if provider == "bedrock" else Target(f"{provider}:m")
    request = Request(messages=to_messages("Hi"), target=target, tools=(tool,))
    body = json.loads(_outgoing(provider, request).body)
    if provider == "bedrock":
        return dict(body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"])
    sent = body["tools"][0]
    return dict(sent.get("function", sent).get("parameters") or sent["input_schema"])


def _outgoing(provider: str, request: Request) -> Any:
    return adapter_for(provider).encode(request, Endpoint(base_url="http://localhost", api_key="key"))


OPTIONAL = {"type": "object", "properties": {"a": {"type": "string", "default": "x"}, "b": {"type": "integer"}}}


@pytest.mark.parametrize("provider", ["openai", "openai-responses", "groq", "anthropic", "bedrock"])
def test_a_strict_tool_is_made_fit(provider: str) -> None:
    """Its objects are closed, and at OpenAI all properties required; what is not strict is sent as it was given."""
    sent = _tool_sent(provider, OPTIONAL)
    assert sent["additionalProperties"] is False
    assert sent.get("required") == (None if provider in ("anthropic", "bedrock") else ["a", "b"])
    assert _tool_sent(provider, {}).get("additionalProperties") is False
    assert _tool_sent(provider, OPTIONAL, strict=False) == OPTIONAL


@pytest.mark.parametrize("provider", ["openai", "openai-responses", "anthropic", "bedrock"])
def test_a_tool_that_cannot_be_strict_is_refused_with_the_place(provider: str) -> None:
    """Before anything is sent; the same tool without strict is sent."""
    scores = {"type": "object", "additionalProperties": {"type": "integer"}}
    deep = {**ONE, "properties": {"a": {"type": "array", "items": {**ONE, "properties": {"scores": scores}}}}}
    with pytest.raises(
        StreamMisused, match=r"'find' cannot be strict, parameters\.properties\.a\.items\.properties\.scores: "
    ):
        _tool_sent(provider, deep)
    assert _tool_sent(provider, deep, strict=False) == deep


@pytest.mark.parametrize("schema", REFUSED.values(), ids=REFUSED)
def test_what_openai_refuses_in_a_strict_tool_is_said(schema: dict[str, Any]) -> None:
    """All that its strict mode answers with a 400."""
    with pytest.raises(StreamMisused, match="cannot be strict, parameters"):
        _tool_sent("openai", schema)
