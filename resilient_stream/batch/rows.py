"""Reads one row: a prompt or messages, with options of `Client.stream` by name, or a line of OpenAI's batch format.

Pure. A row that cannot be asked is a row as well, with the reason, so that one bad line does not end a run. Fields that
are no options are the caller's own, and are copied to the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..failures import StreamMisused
from ..given.checks import MAX_DEPTH, check_depth
from ..given.nearest import nearest
from ..options import OTHERS_NAMES, StreamOptions
from .lines import MAX_LINE, Line

__all__ = ["Row", "read_row", "row_of"]

ASKED = ("prompt", "messages")
NOT_JSON = ("timeouts", "recovery", "on_end")
"""Options whose values are objects of Python."""
OPTIONS = frozenset(StreamOptions.__annotations__).difference(NOT_JSON)
KNOWN = (*ASKED, *OPTIONS)

COLUMNS = frozenset({"input", "target", "targets", "models", "user_id", "n", "contents", "thinking", "instructions"})
"""Names of other libraries for options that are usual names of columns in data, too; in a row they are the caller's."""

CLOSE = 0.8
"""How similar a field's name has to be to that of an option to be taken for a slip."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Describes one thing to ask.

    line: its number, from 1; 0 where rows have no order. digest: of its content; 0 where it comes from no file. id: the
    caller's own, if given. prompt, options: for `Client.complete`. row: the caller's own fields, for the result. url,
    body: of a line in OpenAI's batch format, which is read when it is asked. wrong: why it cannot be asked; empty where
    it can.
    """

    line: int
    digest: int = 0
    id: str | int | None = None
    prompt: Any = None
    options: dict[str, Any] = {}
    row: dict[str, Any] = {}
    url: str = "/v1/chat/completions"
    body: dict[str, Any] | None = None
    wrong: str = ""


class _Wrong(ValueError):
    """Reports a row that cannot be asked, with its id where that was read."""

    id: str | int | None = None


def read_row(line: Line) -> Row:
    """Return the row of a line."""
    if line.data is None:
        wrong = f"the line has more than {MAX_LINE // 2**20} MiB"
        return Row(line=line.number, digest=line.digest, wrong=wrong)
    try:
        value = msgspec.json.decode(line.data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Row(line=line.number, digest=line.digest, wrong=f"it is no JSON: {_place_of_error(error)}")
    except RecursionError:
        wrong = f"it has more than {MAX_DEPTH} levels in one another"
        return Row(line=line.number, digest=line.digest, wrong=wrong)
    return row_of(value, line=line.number, digest=line.digest)


def row_of(value: Any, *, line: int, digest: int = 0) -> Row:
    """Return the row that a value means: a text, or a dict with `prompt`, `messages`, or OpenAI's `body`."""
    identity = None
    try:
        if isinstance(value, str):
            value = {"prompt": value}
        if not isinstance(value, Mapping):
            raise _Wrong('a row is a text, or an object like {"prompt": "…"}')
        check_depth("row", value, MAX_DEPTH)
        identity = _identity(value)
        made = _of_openai(value) if isinstance(value.get("body"), Mapping) else _own_fields(value)
    except (_Wrong, StreamMisused) as error:
        return Row(line=line, digest=digest, id=identity, wrong=str(error))
    return Row(line=line, digest=digest, id=identity, **made)


def _place_of_error(error: Exception) -> str:
    return str(error).removeprefix("JSON is malformed: ")


def _identity(value: Mapping[str, Any]) -> str | int | None:
    found = value.get("custom_id", value.get("id"))
    if found is not None and (isinstance(found, bool) or not isinstance(found, str | int)):
        raise _Wrong("id: give a text or a whole number")
    return found


def _of_openai(value: Mapping[str, Any]) -> dict[str, Any]:
    url = value.get("url", "/v1/chat/completions")
    if not isinstance(url, str) or value.get("method", "POST") != "POST":
        raise _Wrong("url, method: a line of a batch is a POST to /v1/chat/completions or /v1/responses")
    kept = {name: each for name, each in value.items() if name not in ("custom_id", "id", "method", "url", "body")}
    return {"url": url, "body": dict(value["body"]), "row": kept}


def _own_fields(value: Mapping[str, Any]) -> dict[str, Any]:
    given = [name for name in ASKED if value.get(name) is not None]
    fields = {name: each for name, each in value.items() if name not in (*ASKED, "id", "custom_id", "row")}
    kept = value.get("row", {})
    if not isinstance(kept, Mapping):
        kept = {"row": kept}
    for name in fields.keys() - OPTIONS:
        _refuse_slip(name)
    if len(given) != 1:
        raise _Wrong("give either prompt or messages" if given else "it has neither prompt nor messages")
    prompt = value[given[0]]
    if given == ["prompt"] and not (isinstance(prompt, str) and prompt.strip()):
        raise _Wrong("prompt: give a text that is not blank")
    return {
        "prompt": prompt,
        "options": {name: each for name, each in fields.items() if name in OPTIONS},
        "row": {**{name: each for name, each in fields.items() if name not in OPTIONS}, **kept},
    }


def _refuse_slip(name: str) -> None:
    """Raise for a field that was probably meant as an option: without it, the answer would be another one."""
    if name in NOT_JSON:
        raise _Wrong(f"{name}: cannot be given in a row; it is an object of Python")
    if name in OTHERS_NAMES and name not in COLUMNS:
        meant = OTHERS_NAMES[name]
    elif (near := nearest(name, KNOWN, CLOSE)) is not None:
        meant = f"did you mean {near}?"
    else:
        return
    raise _Wrong(f'{name[:40]}: {meant} (a field of your own with this name goes into "row": {{…}})')
