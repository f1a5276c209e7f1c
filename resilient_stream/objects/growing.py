"""Builds objects of what has come of their JSON: `grown(Trip, {"title": "Ro"})` is a Trip with a title so far.

Only what stands last in a text can be incomplete: the last field of an object, the last item of a list. There an
object is built of the fields that are there and fit; the others have their default, or None, and a pydantic model's
`model_fields_set` tells which are there. Whatever stands before is checked and built by pydantic. Validators of a whole
object (a model's own, `__post_init__`) run only on objects that stand before the last, and on the whole.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

__all__ = ["MISSING", "grown"]

MISSING: Any = PydanticUndefined
"""Stands for a value of which nothing has come that fits."""

CACHED = 256
"""Types whose validators are kept."""

_MARKS = (Annotated, typing.Required, typing.NotRequired)


TRIES = 64
"""Ways to read a value that are tried. Choices inside of choices double them with each level."""


def grown(kind: Any, value: Any, tries: int = TRIES) -> Any:
    """Return an object of this type, as far as `value` has it; MISSING where nothing of it fits.

    value: decoded JSON, of which the end may be missing.
    """
    plain = _plain(kind)
    if get_origin(plain) in (typing.Union, types.UnionType):
        return _likeliest(get_args(plain), value, tries)
    if isinstance(plain, type) and issubclass(plain, RootModel):
        root = grown(plain.model_fields["root"].annotation, value, tries)
        return root if root is MISSING else plain.model_construct(root)
    if isinstance(value, list) and get_origin(plain) is list:
        return _list(plain, value, tries)
    if isinstance(value, dict):
        return _object(plain, value, tries)
    return _whole(kind, value)


def _likeliest(arms: tuple[Any, ...], value: Any, tries: int) -> Any:
    """Return the value as the type of a choice that has most of it. After enough choices in one another, only the
    fields that are neither objects nor lists tell which."""
    if tries >= len(arms) or not isinstance(value, dict | list):
        return max((grown(arm, value, tries // len(arms)) for arm in arms), key=_fields_of)
    if isinstance(value, list):
        found = (grown(arm, value, tries) for arm in arms)
        return next((each for each in found if each is not MISSING), MISSING)
    told = {name: item for name, item in value.items() if not isinstance(item, dict | list)}
    return grown(max(arms, key=lambda arm: _fields_of(grown(arm, told, tries))), value, tries)


def _whole(kind: Any, value: Any) -> Any:
    """Return the value as pydantic reads it; MISSING where it does not fit."""
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError:
        return MISSING


def _list(kind: Any, value: list[Any], tries: int) -> list[Any]:
    (inner,) = get_args(kind)
    before = _whole(kind, value[:-1])
    if before is MISSING:
        before = _without_missing(_whole(inner, item) for item in value[:-1])
    return [*before, *_without_missing(grown(inner, item, tries) for item in value[-1:])]


def _without_missing(items: Iterable[Any]) -> list[Any]:
    return [item for item in items if item is not MISSING]


def _object(kind: Any, value: Mapping[str, Any], tries: int) -> Any:
    if get_origin(kind) is dict:
        return _fitting(dict.fromkeys(value, get_args(kind)[1]), value, tries)
    if _is_typed_dict(kind):
        return _fitting(_hints(kind), value, tries)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _model(kind, value, tries)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _data(kind, value, tries)
    return _whole(kind, value)


def _model(kind: type[BaseModel], value: Mapping[str, Any], tries: int) -> BaseModel:
    fields = _by_alias(kind)
    made = _fitting(_annotations(kind), {fields[key]: item for key, item in value.items() if key in fields}, tries)
    built = kind.model_construct(set(made))  # with the defaults; it reads by alias, so the rest is put in by name
    have = {**built.__dict__, **made}
    values = {name: have.get(name) for name in dict.fromkeys([*kind.model_fields, *have])}
    object.__setattr__(built, "__dict__", values)
    return built


def _data(kind: Any, value: Mapping[str, Any], tries: int) -> Any:
    made, built = _fitting(_hints(kind), value, tries), object.__new__(kind)
    for field in dataclasses.fields(kind):
        factory = field.default_factory
        other = factory() if factory is not dataclasses.MISSING else field.default
        rest = None if other is dataclasses.MISSING else other
        object.__setattr__(built, field.name, made.get(field.name, rest))
    return built


def _fitting(kinds: Mapping[str, Any], value: Mapping[str, Any], tries: int) -> dict[str, Any]:
    """Return the items of an object that fit, each built by its type; only the last one may be incomplete."""
    last = next(reversed(list(value)), None)
    made = {
        name: grown(kinds[name], item, tries) if name == last else _whole(kinds[name], item)
        for name, item in value.items()
        if name in kinds
    }
    return {name: item for name, item in made.items() if item is not MISSING}


def _fields_of(part: Any) -> int:
    """Return how much of a value is in it: of a choice between types, the likeliest one has most."""
    if part is MISSING:
        return -1
    if isinstance(part, BaseModel):
        return len(part.model_fields_set)
    if dataclasses.is_dataclass(part):
        return sum(getattr(part, field.name) is not None for field in dataclasses.fields(part))
    return len(part) if isinstance(part, dict | list) else 0


# -- types ------------------------------------------------------------------------------------


def _plain(kind: Any) -> Any:
    """Return a type without its annotations, and without a name that it has by `type X = …` or `NewType`."""
    while True:
        if get_origin(kind) in _MARKS:
            kind = get_args(kind)[0]
        elif type(kind).__name__ == "TypeAliasType":
            kind = kind.__value__
        elif hasattr(kind, "__supertype__"):
            kind = kind.__supertype__
        else:
            return kind


def _is_typed_dict(kind: Any) -> bool:
    """Return whether it is a TypedDict, also one of typing_extensions, which pydantic asks for before Python 3.12."""
    return isinstance(kind, type) and issubclass(kind, dict) and hasattr(kind, "__required_keys__")


def _adapter(kind: Any) -> TypeAdapter[Any]:
    try:
        return _kept_adapter(kind)
    except TypeError:  # the type has an annotation that cannot be hashed
        return TypeAdapter(kind)


@functools.lru_cache(CACHED)
def _kept_adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@functools.lru_cache(CACHED)
def _annotations(kind: type[BaseModel]) -> Mapping[str, Any]:
    """Return the types of a model's fields, with what limits their values. A type that was defined after the model is
    looked up now."""
    kind.model_rebuild(raise_errors=False)
    return {
        name: Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        for name, info in kind.model_fields.items()
    }


@functools.lru_cache(CACHED)
def _by_alias(kind: type[BaseModel]) -> Mapping[str, str]:
    """Return the names of a model's fields by those that its JSON has for them."""
    names = {name: name for name in kind.model_fields}
    aliases = ((info.validation_alias or info.alias, name) for name, info in kind.model_fields.items())
    return names | {alias: name for alias, name in aliases if isinstance(alias, str)}


@functools.lru_cache(CACHED)
def _hints(kind: Any) -> Mapping[str, Any]:
    """Return the types of the fields of a dataclass or a TypedDict."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: get_args(hint)[0] if get_origin(hint) in _MARKS[1:] else hint for name, hint in hints.items()}
