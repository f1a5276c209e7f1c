"""Schemas as strict providers accept them, compared with what OpenAI's own SDK makes of the same classes."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from resilient_stream.providers.schemas import closed, strict


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
