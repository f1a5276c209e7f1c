"""Defines `Form`, what `output=` asks for: the JSON schema that is sent, and the object that an answer is read as.

Providers that enforce a schema want an object at its top. So a list is asked for as `{"items": […]}` and any other
value as `{"value": …}`, and is taken out again: a caller sees the wrapping only in the text of the answer. An answer
that was written without it is read as well.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import warnings
from collections.abc import Mapping
from itertools import islice
from typing import Any, Protocol

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic_core import from_json

from ..failures import StreamMisused
from ..given.checks import json_object
from ..messages import describe
from ..text.json_in_text import json_in
from .growing import MISSING, grown
from .schema_check import faults

__all__ = ["Form", "Unfitting", "complaint", "form_of", "unread"]

MAX_COMPLAINTS = 10
MAX_NAME = 60

_GIVE = "give a type (a pydantic model, a dataclass, a TypedDict, list[Model], …) or a JSON schema as a dict"
_NUMBER = "0123456789.+-eE"
"""Characters at the end of a text that may be the beginning of a longer number."""


class Unfitting(ValueError):
    """An answer does not fit its form. Its text says what is wrong, by places, without the values."""


class Form(Protocol):
    """Describes what an answer has to be. name: for people. schema: what is sent; its top is an object. is_read: the
    stream reads its answer; a conversation reads only the last one, and does that itself."""

    name: str
    schema: Mapping[str, Any]
    is_read: bool

    def read(self, text: str) -> Any:
        """Return the object that a whole answer means. Raises Unfitting, which says what is wrong with it."""

    def grown(self, text: str) -> Any:
        """Return the object as far as the beginning of its JSON goes; MISSING while there is nothing of it."""


def form_of(output: Any) -> Form:
    """Return the form for what was given as `output=`. Raises StreamMisused, which names what cannot be a form."""
    if isinstance(output, _TypeForm | _SchemaForm):
        return output
    if isinstance(output, Mapping):
        return _SchemaForm(json_object("output", output))
    if isinstance(output, TypeAdapter):
        return _TypeForm(output._type, output)
    _refuse_values(output)
    try:
        return _kept_form(output)
    except TypeError:  # the type has an annotation that cannot be hashed
        return _TypeForm(output, _adapter(output))


def unread(form: Form) -> Form:
    """Return a form that is asked for, and that the stream does not read."""
    made = copy.copy(form)
    made.is_read = False
    return made


@functools.lru_cache(64)
def _kept_form(kind: Any) -> Form:
    """Return the form of a type, made once: pydantic takes up to a millisecond for it, and calls repeat their types."""
    return _TypeForm(kind, _adapter(kind))


def complaint(reason: str) -> str:
    """Return what a model is told whose answer does not fit."""
    return (
        f"This is not what was asked for. {reason}. Give the whole answer again, corrected: one JSON value that "
        "follows the JSON schema, and nothing else."
    )


class _TypeForm:
    """Reads answers as a type, which pydantic checks and builds."""

    is_read = True

    def __init__(self, kind: Any, adapter: TypeAdapter[Any]) -> None:
        self.name = _name(kind)
        self.schema: Mapping[str, Any] = _schema(adapter, self.name)
        self._kind = kind
        self._adapter = adapter
        self._wrapped_in = _wrapper_of(self.schema)
        self._wrapper: TypeAdapter[Any] | None = None
        if self._wrapped_in is not None:
            fields: dict[str, Any] = {self._wrapped_in: (kind, ...)}
            self._wrapper = TypeAdapter(create_model("Answer", **fields))
            self.schema = _schema(self._wrapper, self.name)

    def read(self, text: str) -> Any:
        found = _json_of(text)
        try:
            return self._read(found)
        except ValidationError as error:
            raise Unfitting(describe(error, self.name, MAX_COMPLAINTS)) from None
        except Exception as error:
            raise Unfitting(f"a validator of {self.name} raised {type(error).__name__}") from error

    def _read(self, found: str) -> Any:
        if self._wrapper is None or self._wrapped_in is None:
            return self._adapter.validate_json(found)
        try:
            return getattr(self._wrapper.validate_json(found), self._wrapped_in)
        except ValidationError:
            try:
                return self._adapter.validate_json(found)
            except ValidationError:
                pass
            raise

    def grown(self, text: str) -> Any:
        value = _unwrapped(_begun(text), self._wrapped_in)
        try:
            return value if value is MISSING else grown(self._kind, value)
        except Exception:  # a validator failed, or there are too many levels; the whole answer says what is wrong
            return MISSING


class _SchemaForm:
    """Reads answers by a JSON schema: the object is the decoded JSON, of the shape that the schema asks for."""

    is_read = True

    def __init__(self, schema: Mapping[str, Any]) -> None:
        title = schema.get("title")
        self.name = title[:MAX_NAME] if isinstance(title, str) and title.isprintable() and title else "the JSON schema"
        self._inner = schema
        self._wrapped_in = _wrapper_of(schema)
        self.schema: Mapping[str, Any] = schema if self._wrapped_in is None else _wrapped(schema, self._wrapped_in)

    def read(self, text: str) -> Any:
        found = _json_of(text)
        try:
            value = _unwrapped(from_json(found), self._wrapped_in)
        except ValueError as error:
            raise Unfitting(f"it is no JSON: {error}") from None
        if complaints := list(islice(faults(value, self._inner, "answer"), MAX_COMPLAINTS)):
            raise Unfitting("; ".join(complaints))
        return value

    def grown(self, text: str) -> Any:
        return _unwrapped(_begun(text), self._wrapped_in)


# -- what was given ---------------------------------------------------------------------------


def _refuse_values(output: Any) -> None:
    """Refuse what pydantic would take for a type, or complain of in words that do not help."""
    kind = type(output)
    if isinstance(output, BaseModel) or (dataclasses.is_dataclass(output) and not isinstance(output, type)):
        raise StreamMisused(f"output: give the class {kind.__name__} itself, not an object of it")
    if isinstance(output, list | tuple | set):
        inner = next((each.__name__ for each in output if isinstance(each, type)), "Model")
        raise StreamMisused(f"output: this is a {kind.__name__}, not a type; for a list of objects write list[{inner}]")
    if inspect.isroutine(output):
        raise StreamMisused(f"output: a function is no type; {_GIVE}")
    if isinstance(output, str | bytes | int | float) or output is ...:
        raise StreamMisused(f"output: {_GIVE}, not {kind.__name__}")


def _adapter(output: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(output)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError, NameError) as error:
        raise _no_form(_name(output), error) from error


def _schema(adapter: TypeAdapter[Any], name: str) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            # Pydantic warns of defaults that JSON does not have; the schema is right without them.
            warnings.simplefilter("ignore")
            return adapter.json_schema()
    except (PydanticUserError, NameError) as error:
        raise _no_form(name, error) from error


def _no_form(name: str, error: Exception) -> StreamMisused:
    reason = str(error).partition("\n")[0]
    return StreamMisused(f"output: an answer cannot be read as {name}: {reason}")


def _name(kind: Any) -> str:
    name = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__origin__") else repr(kind)
    return name.rpartition("<locals>.")[2].replace("__main__.", "").replace("typing.", "")[:MAX_NAME]


# -- the wrapping -----------------------------------------------------------------------------


def _wrapper_of(schema: Mapping[str, Any]) -> str | None:
    """Return the name of the field that the value is asked for in; None where it is an object already."""
    top = _top(schema)
    kinds = top.get("type")
    if kinds == "array":
        return "items"
    choice = any(name in top for name in ("anyOf", "oneOf", "enum", "const"))
    return "value" if choice or (kinds is not None and kinds != "object") or not top else None


def _top(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a reference at the top of a schema leads to, as that of a recursive model."""
    place, _, name = str(schema.get("$ref", "")).rpartition("/")
    named = schema.get(place.removeprefix("#/"))
    found = named.get(name) if isinstance(named, Mapping) else None
    return found if isinstance(found, Mapping) else schema


def _wrapped(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the schema of an object with the value as its only field. Definitions stay at the top."""
    shared = {place: schema[place] for place in ("$defs", "definitions", "$schema") if place in schema}
    inner = {key: value for key, value in schema.items() if key not in shared}
    return {
        **shared, "type": "object", "properties": {name: inner}, "required": [name], "additionalProperties": False,
    }  # fmt: skip


def _unwrapped(value: Any, name: str | None) -> Any:
    if name is None or not isinstance(value, dict):
        return value
    return value.get(name, MISSING) if value.keys() <= {name} else value


# -- the text ---------------------------------------------------------------------------------


def _json_of(text: str) -> str:
    found = json_in(text)
    if not found:
        raise Unfitting("the answer is empty")
    return found


def _begun(text: str) -> Any:
    """Return what the beginning of a JSON text says so far. A number at its end may be the beginning of another one."""
    try:
        return from_json(text.rstrip(_NUMBER), allow_partial="trailing-strings")
    except ValueError:
        return MISSING
