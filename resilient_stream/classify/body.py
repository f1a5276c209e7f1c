"""Reads what a provider said in an error, whatever the shape of the body.

    {"error": {...}}     {"error": "text"}   {"type": "error", "error": {...}}   {"message", "code"}
    [{"error": {...}}]   {"detail": [...]}   {"response": {"error": {...}}}      {"errors": [...]}
    data: {...}          <html>              plain text                          nothing

Shapes are dealt with here and nowhere else; all that follows reads a `Said`. Only what `door` has copied is read,
because it bounds every text and leaves the user's own out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from .door import INSIDE, MAX_BODY, MAX_MESSAGE, MESSAGES, NAMES, STATUSES, small

__all__ = ["Said", "read_body", "read_error", "words"]

Form: TypeAlias = Literal["json", "html", "text", "empty"]

MAX_NAME = 120
MAX_STEPS = 6

_QUOTA_NAMES = ("quotaId", "quota_limit")
_QUOTA_VALUES = ("quotaValue", "quota_limit_value")
_PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<title", b"<center", b"<h1", b"<?xml")
_ERRORS = ("error", "errors", "detail", "code", "error_code")
_SPACE = re.compile(rb"\s*+")


class Said(NamedTuple):
    """Holds the parts of an error that can be trusted to be the provider's own words.

    names: its codes and types, the most precise first. message: its sentence. status: a status written in the body.
    quotas: quota names and values, as words. parts: the nested objects, outermost first, for look-ups.
    """

    form: Form
    names: tuple[str, ...] = ()
    message: str = ""
    status: int | None = None
    quotas: tuple[str, ...] = ()
    parts: tuple[dict[str, Any], ...] = ()

    @property
    def is_error(self) -> bool:
        """Return whether anything here could be an error."""
        part = self.parts[0] if self.parts else {}
        return bool(self.message) or any(part.get(key) is not None for key in _ERRORS)

    def find(self, *keys: str) -> Any:
        """Return the first value under one of these keys, in the order of the keys, outer objects first."""
        return next((part[key] for key in keys for part in self.parts if part.get(key) is not None), None)


def read_body(body: bytes) -> Said:
    """Read a whole response body: JSON, JSON in SSE framing, HTML, or text."""
    text = body[:MAX_BODY].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return Said("empty")
    value = _json(text)
    if isinstance(value, dict | list | str):
        return read_error(value)
    if _is_page(text):
        return Said("html")
    return Said("text", message=_readable(text))


def read_error(error: Any) -> Said:
    """Read a decoded JSON value that is an error object, or contains one."""
    if isinstance(error, bytes | bytearray):
        return read_body(bytes(error[:MAX_BODY]))
    value = small(error)
    if isinstance(value, str):
        return Said("text", message=value)
    parts = tuple(_parts(value))
    return Said(
        "json",
        names=tuple(name for part in reversed(parts) for name in _names(part)),
        message=_message_of(parts),
        status=next((code for part in parts if (code := _status(part))), None),
        quotas=tuple(line for part in parts for line in _quotas(part)),
        parts=parts,
    )


def words(name: str) -> str:
    """Return a name as words: `GenerateRequestsPerDay-FreeTier` is `generate requests per day free tier`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.sub(r"[^A-Za-z0-9]+", " ", spaced).strip().lower()


def _json(text: bytes) -> Any:
    # Some gateways send the error of a failed stream as its first event.
    framed = re.search(rb"(?m)^data: ?([{\[].*)$", text) if text.startswith((b"data:", b"event:", b":")) else None
    try:
        return msgspec.json.decode(framed.group(1) if framed else text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _is_page(text: bytes) -> bool:
    """Return whether a text is HTML, also after any number of comments."""
    place = 0
    while text.startswith(b"<!--", place):
        end = text.find(b"-->", place + 4)
        if end < 0:
            return True
        place = _SPACE.match(text, end + 3).end()  # type: ignore[union-attr]  # it always matches
    return text[place : place + 10].lower().startswith(_PAGES)


def _readable(text: bytes) -> str:
    # Broken JSON is no sentence, and parts of it may be the user's text.
    return "" if text[:1] in b"{[" else text[:MAX_MESSAGE].decode("utf-8", "replace")


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _parts(item)
    elif isinstance(value, dict):
        yield value
        for key in INSIDE:
            if isinstance(inside := value.get(key), dict | list) and not _went_well(inside):
                yield from _parts(inside)


def _went_well(value: Any) -> bool:
    """Return whether a status object reports success, which a good answer has, too."""
    return isinstance(value, dict) and value.get("status_code") == 0


def _names(part: dict[str, Any]) -> Iterator[str]:
    answered = part.get("base_resp")
    if isinstance(answered, dict) and not _went_well(answered):  # its numbers have a table of their own
        yield f"base_resp_{answered.get('status_code')}"
    for key in NAMES:
        value = part.get(key)
        if isinstance(value, str) and 0 < len(value) <= MAX_NAME:
            yield value
        elif isinstance(value, int) and not isinstance(value, bool):
            yield str(value)


def _status(part: dict[str, Any]) -> int | None:
    for key in STATUSES:
        value = part.get(key)
        if isinstance(value, str) and re.fullmatch(r"[45]\d\d", value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
            return value
    return None


def _message_of(parts: tuple[dict[str, Any], ...]) -> str:
    """Return the outermost sentence, followed by the sentence of another provider that a router passes on."""
    spoken = next((text for part in parts if (text := _message(part))), "")
    raw = next((part["raw"] for part in parts if part.get("raw")), "")
    upstream = raw if isinstance(raw, str) else next(filter(None, map(_message, _parts(raw))), "")
    complaints = [text for part in parts if (text := _complaint(part)) and "loc" in part and text not in spoken]
    return ": ".join(dict.fromkeys(filter(None, (spoken, upstream, "; ".join(complaints)))))[:MAX_MESSAGE]


def _message(part: dict[str, Any]) -> str:
    return next((text for key in MESSAGES if (text := _sentence(part.get(key)))), "")


def _sentence(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _sentence(value.get("detail"))
    if isinstance(value, list):
        return "; ".join(filter(None, map(_complaint, value)))
    return ""


def _complaint(item: Any) -> str:
    """Return one complaint of a pydantic error list: where and what, never the rejected `input`."""
    if not isinstance(item, dict) or not isinstance(item.get("msg"), str):
        return ""
    place = item.get("loc")
    where = ".".join(str(step) for step in place[:MAX_STEPS]) if isinstance(place, list) else ""
    return f"{where}: {item['msg']}" if where else item["msg"]


def _quotas(part: dict[str, Any]) -> Iterator[str]:
    yield from (words(part[key]) for key in _QUOTA_NAMES if isinstance(part.get(key), str))
    yield from (f"limit: {part[key]}" for key in _QUOTA_VALUES if isinstance(part.get(key), str | int))
