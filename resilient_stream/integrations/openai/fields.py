"""Reads the fields of a request by a table with a row for each field that the API has.

Nothing that was asked is lost. A field is an option of ours, or it says how the answer is written, or it is sent to the
targets that speak the same API, or the request is refused. Only a value that changes nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from ...failures import StreamMisused
from ...messages import Message
from ...options import StreamOptions
from ...providers.openai.hosts import HOSTS
from ...target import Target
from ..refused import Refused, misused

__all__ = [
    "MAX_BODY",
    "Api",
    "Asked",
    "Fate",
    "Row",
    "Table",
    "body_of",
    "for_targets",
    "option",
    "read_fields",
    "speaks",
    "wishes",
]

Api: TypeAlias = Literal["chat", "responses"]
Fate: TypeAlias = Literal["option", "answer", "passed", "wish", "refused"]

MAX_BODY = 64 * 1024 * 1024
"""Bytes of one request at most, files in it included."""


class Row(NamedTuple):
    """What becomes of a field.

    option: it is an option of `Client.stream`, or the messages. answer: it says how the answer is written. passed: it
    is sent as it is to targets that speak the same API, and others are not asked. wish: the same, but others are asked
    without it, since their answer is still the one that was asked for. refused: it cannot be served.
    words: the option, or the reason. usual: values that change nothing; with one of them the field is left out.
    read: returns the options that a value means; fields that go through unchanged are under the name "extra".
    """

    fate: Fate
    words: str
    usual: tuple[Any, ...] = ()
    read: Callable[[Any], Mapping[str, Any]] | None = None


Table: TypeAlias = Mapping[str, Row]

UNKNOWN = Row("passed", "a field that is not known here")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was read.

    messages, options: for `client.stream(messages, **options)`. model: the name that was asked for; which targets that
    means is for whoever serves it. stream: whether the answer is wanted piece by piece. include_usage: whether the
    stream ends with token counts. wishes: names in `extra` of what other APIs may leave out. body: the request as it
    came, of which some APIs repeat fields in the answer.
    """

    messages: tuple[Message, ...]
    options: StreamOptions
    model: str
    stream: bool = False
    include_usage: bool = False
    wishes: frozenset[str] = frozenset()
    body: Mapping[str, Any] = {}


def body_of(data: bytes, limit: int = MAX_BODY) -> dict[str, Any]:
    """Return the JSON object of a request's body. Raises Refused."""
    if len(data) > limit:
        raise Refused(f"The request has {len(data):,} bytes, and {limit:,} are taken at most.", status=413)
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("The body of the request is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Refused("The body of the request has to be a JSON object.")
    return body


def option(name: str) -> Callable[[Any], Mapping[str, Any]]:
    """Return a reader for a field whose value is that of an option of ours."""
    return lambda value: {name: value}


def read_fields(body: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Return the options that the fields of a request mean; what is sent on unchanged is in `extra`. Raises Refused."""
    made: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, row, value in _given(body, table):
        if row.fate == "refused":
            raise Refused(f"{name}: {row.words}", name)
        if row.fate in ("passed", "wish"):
            extra[name] = value
            continue
        try:
            found = row.read(value) if row.read is not None else {}
        except StreamMisused as error:
            raise misused(error) from None
        extra |= found.get("extra", {})
        _add(made, {key: each for key, each in found.items() if key != "extra"}, name)
    return {**made, "extra": extra} if extra else made


def wishes(table: Table) -> frozenset[str]:
    """Return the fields of an API that others may leave out."""
    return frozenset(name for name, row in table.items() if row.fate == "wish")


def _given(body: Mapping[str, Any], table: Table) -> Iterator[tuple[str, Row, Any]]:
    """Return the fields that ask for something, each with its row."""
    for name, value in body.items():
        row = table.get(name, UNKNOWN)
        if value is not None and not _among(value, row.usual):
            yield name, row, value


def _among(value: Any, usual: tuple[Any, ...]) -> bool:
    """Return whether a value is one of these; unlike in Python, 1 is not true."""
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in usual)


def _add(made: dict[str, Any], found: Mapping[str, Any], name: str) -> None:
    for option_name, value in found.items():
        if made.setdefault(option_name, value) != value:
            raise Refused(f"{name}: another field says {option_name} already, and something else", name)


def for_targets(asked: Asked, targets: Sequence[Target], api: Api) -> Asked:
    """Return the request for those of the targets that can be sent all of it, in `to=`. Raises Refused where none can.

    A field that only this API has goes to targets that speak it. The others are not asked, unless it is a wish.
    """
    extra = asked.options.get("extra") or {}
    speaking = [target for target in targets if speaks(target, api)]
    if extra and targets and not speaking:
        name = next(iter(extra))
        raise Refused(f"{name}: none of the targets has such a field: {_names(targets)}", name)
    if not extra or len(speaking) == len(targets):
        return _with(asked, to=list(targets))
    if extra.keys() - asked.wishes:
        return _with(asked, to=speaking)
    return _with(asked, to=list(targets), extra={f"{target.provider}:": extra for target in speaking})


def _with(asked: Asked, **options: Any) -> Asked:
    made: Any = {**asked.options, **{name: value for name, value in options.items() if value}}
    return msgspec.structs.replace(asked, options=made)


def speaks(target: Target, api: Api) -> bool:
    """Return whether a target is asked by this API of OpenAI's, at whichever host."""
    host = target.provider.removesuffix("-responses")
    return (host in HOSTS or host == "azure") and (host != target.provider) == (api == "responses")


def _names(targets: Collection[Target]) -> str:
    return ", ".join(dict.fromkeys(target.name for target in targets))
