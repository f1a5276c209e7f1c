"""Reads the fields of a request by a table with a row for each field that the API has.

Nothing that was asked is lost. A field is an option of ours, or it says how the answer is written, or it is sent to the
targets that speak the same API, or the request is refused. Only a value that changes nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from ...failures import StreamMisused
from ...fitting.told import left_out
from ...messages import Message
from ...options import StreamOptions
from ...providers.openai.hosts import HOSTS
from ...target import Target
from ..refused import Refused, check_name, flag, misused

__all__ = [
    "Api",
    "Asked",
    "Fate",
    "Row",
    "Table",
    "for_targets",
    "is_flag",
    "option",
    "read_fields",
    "speaks",
]

Api: TypeAlias = Literal["chat", "responses"]
Fate: TypeAlias = Literal["option", "answer", "passed", "hint", "refused"]


class Row(NamedTuple):
    """Says what becomes of a field.

    option: it is an option of `Client.stream`, or the messages. answer: it says how the answer is written. passed: it
    is sent as it is to targets that speak the same API, at whichever host, and others are not asked. hint: it is sent
    to OpenAI and Azure, and others are asked without it, since their answer is still the one that was asked for.
    refused: it cannot be served.
    words: the option, or the reason. usual: values that change nothing; with one of them the field is left out.
    read: returns the options that a value means. Fields that are passed are under the name "extra", and hints under
    "hint".
    """

    fate: Fate
    words: str
    usual: tuple[Any, ...] = ()
    read: Callable[[Any], Mapping[str, Any]] | None = None


Table: TypeAlias = Mapping[str, Row]

UNKNOWN = Row("passed", "a field that is not known here")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a request that was read.

    messages, options: for `client.stream(messages, **options)`. model: the name that was asked for; which targets that
    means is for whoever serves it. stream: whether the answer is wanted piece by piece. include_usage: whether the
    stream ends with token counts. body: the request as it came, of which some APIs repeat fields in the answer.
    request_id: what it is called.
    """

    messages: tuple[Message, ...]
    options: StreamOptions
    model: str
    stream: bool = False
    include_usage: bool = False
    body: Mapping[str, Any] = {}
    request_id: str | None = None


def is_flag(name: str) -> Callable[[Any], Mapping[str, Any]]:
    """Return a reader for a field that is true or false and no option."""

    def read(value: Any) -> Mapping[str, Any]:
        flag(name, value)
        return {}

    return read


def option(name: str) -> Callable[[Any], Mapping[str, Any]]:
    """Return a reader for a field whose value is that of an option of ours."""
    return lambda value: {name: value}


def read_fields(body: Mapping[str, Any], table: Table, api: Api) -> dict[str, Any]:
    """Return the options that the fields of a request mean, with `extra` for what is sent on unchanged: what is passed
    by its name, hints under the names of the providers that have them. Raises Refused."""
    made: dict[str, Any] = {}
    passed: dict[str, Any] = {}
    hints: dict[str, Any] = {}
    for name, row, value in _given_fields(body, table):
        found = dict(_read(name, row, value))
        passed |= found.pop("extra", {})
        hints |= found.pop("hint", {})
        _add(made, found, name)
    extra = {**passed, **_for_openai(hints, api)}
    return {**made, "extra": extra} if extra else made


_OWN: Mapping[Api, tuple[str, ...]] = {
    "chat": ("openai", "azure"),
    "responses": ("openai-responses", "azure-responses"),
}
"""The providers that have what is OpenAI's alone; other hosts of its APIs may refuse it."""

IN_BOTH = frozenset({
    "metadata", "moderation", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "service_tier",
})  # fmt: skip
"""Fields that are the same in both APIs."""


def _for_openai(hints: Mapping[str, Any], api: Api) -> dict[str, Any]:
    """Return hints under the names of OpenAI's providers, as `extra` takes them."""
    other: Api = "responses" if api == "chat" else "chat"
    shared = {name: value for name, value in hints.items() if name in IN_BOTH}
    both = ((_OWN[api], hints), (_OWN[other], shared))
    return {f"{provider}:": dict(fields) for providers, fields in both if fields for provider in providers}


def _read(name: str, row: Row, value: Any) -> Mapping[str, Any]:
    if row.fate == "refused":
        raise Refused(f"{name}: {row.words}", name)
    if row.read is None:
        return (
            {"extra": {name: value}} if row.fate == "passed" else {"hint": {name: value}} if row.fate == "hint" else {}
        )
    try:
        return row.read(value)
    except StreamMisused as error:
        raise misused(error) from None


def _given_fields(body: Mapping[str, Any], table: Table) -> Iterator[tuple[str, Row, Any]]:
    """Return the fields that ask for something, each with its row."""
    for name, value in body.items():
        check_name(name)
        row = table.get(name, UNKNOWN)
        if value is not None and not _is_among(value, row.usual):
            yield name, row, value


def _is_among(value: Any, usual: tuple[Any, ...]) -> bool:
    """Return whether a value is one of these; unlike in Python, 1 is not true."""
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in usual)


def _add(made: dict[str, Any], found: Mapping[str, Any], name: str) -> None:
    for option_name, value in found.items():
        if made.setdefault(option_name, value) != value:
            raise Refused(f"{name}: another field has set {option_name} already, to something else", name)


def for_targets(asked: Asked, targets: Sequence[Target], api: Api) -> Asked:
    """Return the request for those of the targets that can be sent all of it, in `to=`. Raises Refused where none can.

    A field that only this API has goes to targets that speak it, and the others are not asked. A hint is left out for
    a target that does not have it, and this is logged.
    """
    extra = asked.options.get("extra") or {}
    passed = [name for name in extra if not name.endswith(":")]
    able = [target for target in targets if all(knows(target, name, api) for name in passed)]
    if targets and not able:
        missing = next((name for name in passed if not any(knows(target, name, api) for target in targets)), passed[0])
        raise Refused(f"{missing}: none of the targets has such a field: {_names(targets)}", missing)
    _tell_what_is_left_out(able, extra)
    options: StreamOptions = {**asked.options, "to": able} if able else asked.options
    return msgspec.structs.replace(asked, options=options)


def _tell_what_is_left_out(targets: Sequence[Target], extra: Mapping[str, Any]) -> None:
    hints = {name for mark, fields in extra.items() if mark.endswith(":") for name in fields}
    for target in targets if hints else ():
        for name in sorted(hints - extra.get(f"{target.provider}:", {}).keys()):
            left_out(target.name, name, "only OpenAI has it")


def knows(target: Target, name: str, api: Api) -> bool:
    """Return whether a target's API has a field that is sent on as it is."""
    return speaks(target, api) or (name in IN_BOTH and speaks(target, "responses" if api == "chat" else "chat"))


def speaks(target: Target, api: Api) -> bool:
    """Return whether a target is asked by this API of OpenAI's, at whichever host."""
    host = target.provider.removesuffix("-responses")
    return (host in HOSTS or host == "azure") and (host != target.provider) == (api == "responses")


def _names(targets: Collection[Target]) -> str:
    return ", ".join(dict.fromkeys(target.name for target in targets))
