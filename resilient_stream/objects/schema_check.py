"""Checks a decoded JSON value against a JSON schema that was given as a dict.

Only keywords that leave no doubt are checked: `type`, `required`, `properties`, `items`, `enum`, `const`,
`additionalProperties: false`, and `$ref` into the schema itself. Others (patterns, limits, `anyOf`, `allOf` …) are
not: a value that passes has the shape that was asked for, and may still break one of those. A pydantic type checks all
that it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["faults"]

_IS: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and (isinstance(value, int) or _is_integral(value)),
}

_REFERENCES = 100
"""References that are followed one after the other; a schema may refer to itself."""


def faults(value: Any, schema: Any, place: str) -> Iterator[str]:
    """Yield what is wrong with a value, each time with its place."""
    yield from _faults(value, schema, place, schema)


def _is_integral(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _faults(value: Any, schema: Any, place: str, root: Any) -> Iterator[str]:
    schema = _resolved(schema, root)
    if not isinstance(schema, Mapping):
        return
    if (kind := _wrong_type(value, schema.get("type"))) is not None:
        yield f"{place}: should be {kind}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{place}: should be {schema['const']!r}"
    if isinstance(allowed := schema.get("enum"), list) and value not in allowed:
        yield f"{place}: should be one of {', '.join(map(repr, allowed))}"
    if isinstance(value, dict):
        yield from _in_object(value, schema, place, root)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _faults(item, schema.get("items"), f"{place}[{number}]", root)


def _in_object(value: dict[str, Any], schema: Mapping[str, Any], place: str, root: Any) -> Iterator[str]:
    required, properties = schema.get("required"), schema.get("properties")
    named: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
    for name in required if isinstance(required, list) else ():
        if name not in value:
            yield f"{place}.{name}: is missing"
    for name, item in value.items():
        if name in named:
            yield from _faults(item, named[name], f"{place}.{name}", root)
        elif schema.get("additionalProperties") is False:
            yield f"{place}.{name}: is not asked for"


def _wrong_type(value: Any, asked: Any) -> str | None:
    """Return the type that is asked for, in words, if the value has another one. An unknown type is not checked."""
    kinds = asked if isinstance(asked, list) else [asked]
    known = [kind for kind in kinds if isinstance(kind, str) and kind in _IS]
    if len(known) < len(kinds) or any(_IS[kind](value) for kind in known):
        return None
    return " or ".join(known) or None


def _resolved(schema: Any, root: Any) -> Any:
    """Follow references like `#/$defs/Day`; one that leads nowhere checks nothing."""
    for _ in range(_REFERENCES):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str):
            return schema
        schema = root if reference.startswith("#") else None
        for step in reference.split("/")[1:]:
            schema = schema.get(step) if isinstance(schema, Mapping) else None
    return None
