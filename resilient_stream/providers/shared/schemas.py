"""Adapts JSON schemas to providers that enforce them; these refuse pydantic's schemas as they are.

A schema keeps its meaning. One that cannot be made strict (an object with names of its own) is sent as it came, and is
then a wish that the model mostly follows. What the user gave is not changed; what comes out is a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

__all__ = ["NEVER_STRICT", "Schema", "closed", "inner", "is_open", "strict"]

Schema: TypeAlias = Mapping[str, Any]

_NAMED = ("properties", "$defs", "definitions")
_LISTED = ("anyOf", "allOf", "oneOf", "prefixItems")
_FURTHER = ("additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames")
_SAYING = frozenset({"type", "$ref", "enum", "const", "anyOf", "allOf", "oneOf", "properties", "items", "prefixItems"})
"""A schema with none of these takes any value, objects among them."""
NEVER_STRICT = frozenset({
    "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "contains",
    "prefixItems", "unevaluatedItems", "$dynamicRef", "$recursiveRef", "minContains", "maxContains", "minProperties",
    "maxProperties", "uniqueItems",
})  # fmt: skip
"""Words that OpenAI's documentation of strict schemas leaves out; the API refuses them with a 400."""
_IN_WORDS = frozenset({"title", "description", "default", "examples"})
"""Keywords that do not restrict the values."""

_LIMITS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
    "uniqueItems",
)  # fmt: skip


def closed(schema: Schema) -> dict[str, Any] | None:
    """Return the schema with closed objects and with limits in words, as Anthropic demands.

    None when an object may have any property names: closed, it could only be empty.
    """
    if is_open(schema):
        return None
    made: dict[str, Any] = _with_each_schema(schema, lambda part: _in_words(part) | _no_more(part))
    return made


def strict(schema: Schema) -> dict[str, Any] | None:
    """Return the schema closed, every property required, no defaults, nothing beside a `$ref`, as OpenAI and its SDK
    demand.

    None where that is impossible: an object may have any property names, the answer is no single object, or a keyword
    is unknown.
    """
    schema = _with_each_schema(schema, _plain)
    definitions = _definitions(schema)
    if is_open(schema) or not _is_rooted(schema, definitions) or _has_keyword(schema, NEVER_STRICT):
        return None
    made: dict[str, Any] = _with_each_schema(schema, lambda part: _strict_part(part, definitions))
    return made


def _strict_part(part: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref")
    if reference is not None:
        if len(part) == 1 or reference not in definitions:  # a recursive schema stays a reference
            return {"$ref": reference}
        others = {name: value for name, value in definitions.items() if name != reference}
        inlined = {name: value for name, value in {**definitions[reference], **part}.items() if name != "$ref"}
        made: dict[str, Any] = _with_each_schema(inlined, lambda inner: _strict_part(inner, others))
        return made
    part = {name: value for name, value in part.items() if name != "default"}
    required = {"required": list(part["properties"])} if isinstance(part.get("properties"), Mapping) else {}
    return part | _no_more(part) | required


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    """Replace an `allOf` of one schema, which pydantic 1 writes around a reference, by that schema."""
    listed = part.get("allOf")
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], Mapping):
        return part
    beside = {name: value for name, value in part.items() if name != "allOf"}
    both_say = listed[0].keys() & beside.keys() - _IN_WORDS
    return part if both_say else {**listed[0], **beside}


def _definitions(schema: Schema) -> dict[str, Any]:
    """Return the named schemas, by the references to them."""
    return {
        f"#/{place}/{name}": value
        for place in _NAMED[1:]
        if isinstance(schema.get(place), Mapping)
        for name, value in schema[place].items()
        if isinstance(value, Mapping)
    }


def _is_rooted(schema: Schema, definitions: Mapping[str, Any]) -> bool:
    """Return whether the whole answer is a single object, and not a choice of several."""
    seen: set[Any] = set()
    while isinstance(reference := schema.get("$ref"), str) and reference in definitions and reference not in seen:
        seen.add(reference)
        schema = definitions[reference]
    return schema.get("type") == "object" and "anyOf" not in schema and "enum" not in schema


def _has_keyword(schema: Any, words: frozenset[str]) -> bool:
    if not isinstance(schema, Mapping):
        return False
    return not words.isdisjoint(schema) or any(_has_keyword(part, words) for part in _inner(schema))


def _in_words(part: dict[str, Any]) -> dict[str, Any]:
    limits = ", ".join(f"{name}: {part[name]}" for name in _LIMITS if name in part)
    if not limits:
        return part
    rest = {name: value for name, value in part.items() if name not in _LIMITS}
    return rest | {"description": f"{part.get('description', '')} ({limits})".strip()}


def _no_more(part: Schema) -> dict[str, Any]:
    return {"additionalProperties": False} if _is_object(part) else {}


def _is_object(part: Schema) -> bool:
    kind = part.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def is_open(schema: Any) -> bool:
    """Return whether the schema has an object whose properties are not all named."""
    if not isinstance(schema, Mapping):
        return schema is True
    unnamed = _is_object(schema) and "properties" not in schema and schema.get("additionalProperties") is not False
    further = any(schema.get(name, False) is not False for name in _FURTHER)
    return unnamed or further or _SAYING.isdisjoint(schema) or any(map(is_open, _inner(schema)))


def inner(schema: Any) -> Iterator[tuple[str, Any]]:
    """Return the schemas inside a schema, each with its place. Other values, like a default, are not schemas."""
    if not isinstance(schema, Mapping):
        return
    for place in _NAMED:
        if isinstance(named := schema.get(place), Mapping):
            yield from ((f"{place}.{name}", part) for name, part in named.items())
    for place in _LISTED:
        if isinstance(listed := schema.get(place), list):
            yield from ((f"{place}[{number}]", part) for number, part in enumerate(listed))
    if isinstance(schema.get("items"), Mapping):
        yield "items", schema["items"]


def _inner(schema: Schema) -> Iterator[Any]:
    return (part for _, part in inner(schema))


def _with_each_schema(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a copy with every schema in it changed, inner ones first. Anything but an object (true, or a mistake)
    stays."""
    if not isinstance(schema, Mapping):
        return schema
    copy = dict(schema)
    for place in _NAMED:
        if isinstance(copy.get(place), Mapping):
            copy[place] = {name: _with_each_schema(part, change) for name, part in copy[place].items()}
    for place in _LISTED:
        if isinstance(copy.get(place), list):
            copy[place] = [_with_each_schema(part, change) for part in copy[place]]
    if isinstance(copy.get("items"), Mapping):
        copy["items"] = _with_each_schema(copy["items"], change)
    return change(copy)
