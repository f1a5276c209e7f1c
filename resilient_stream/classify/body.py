"""What a provider said, whatever shape it said it in.

    {"error": {...}}     {"error": "text"}   {"type": "error", "error": {...}}   {"message", "code"}
    [{"error": {...}}]   {"detail": [...]}   {"response": {"error": {...}}}      {"errors": [...]}
    data: {...}          <html>              plain text                          nothing

The one rule: shapes are dealt with here and nowhere else; all that follows reads a `Said`.
Must never: read a key that holds the user's own text: `failed_generation`, `flagged_input`, pydantic's `input`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

__all__ = ["Said", "read_body", "read_error", "words"]

Form: TypeAlias = Literal["json", "html", "text", "empty"]

MAX_MESSAGE = 4000
MAX_NAME = 120
MAX_DEPTH = 6
MAX_ITEMS = 8

# Where providers put one error object inside another; the inner one is the more precise.
_INSIDE = (
    "error", "response", "delta", "meta_info", "finish_reason", "errors", "details", "detail", "innererror",
    "inner_error", "metadata", "availability", "violations",
)  # fmt: skip
_NAMES = (
    "error_code", "code", "reason", "error_type", "err_type", "type", "status", "limit_source", "__type",
    "finish_reason",
)  # fmt: skip
_STATUSES = ("code", "status_code", "http_status", "raw_status_code", "statusCode", "status")
_MESSAGES = ("message", "Message", "error", "detail", "error_message", "errorMessage", "msg", "title")
_QUOTA_NAMES = ("quotaId", "quota_limit")
_QUOTA_VALUES = ("quotaValue", "quota_limit_value")


class Said(NamedTuple):
    """The parts of an answer that may be trusted to be the provider's own.

    names: its codes and types, the most precise first. message: its sentence. status: a status written in the
    body. quotas: quota names and values, as words. parts: the nested objects, outermost first, for look-ups.
    """

    form: Form
    names: tuple[str, ...] = ()
    message: str = ""
    status: int | None = None
    quotas: tuple[str, ...] = ()
    parts: tuple[dict[str, Any], ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether there is anything here that could be an error."""
        return any(key in part for part in self.parts[:1] for key in (*_MESSAGES, "errors", "code", "error_code"))

    def find(self, *keys: str) -> Any:
        """The first value under one of these keys, keys in order of preference, outer objects first."""
        return next((part[key] for key in keys for part in self.parts if part.get(key) is not None), None)


def read_body(body: bytes) -> Said:
    """Read a whole response body: JSON, JSON in SSE framing, HTML, or text."""
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return Said("empty")
    value = _json(text)
    if isinstance(value, dict | list):
        return read_error(value)
    if re.match(rb"(?i)(<!--.*?-->\s*)*<(!doctype|html|head|body|title|center|h1|\?xml)", text[:2000]):
        return Said("html")
    return Said("text", message=_readable(text))


def read_error(error: Any) -> Said:
    """Read a decoded JSON value that is, or contains, an error object."""
    if isinstance(error, bytes | bytearray):
        return read_body(bytes(error))
    if isinstance(error, str):
        nested = _nested(error)
        return nested or Said("text", message=error[:MAX_MESSAGE])
    parts = tuple(_parts(error))
    return _with_upstream(
        Said(
            "json",
            names=tuple(name for part in reversed(parts) for name in _names(part)),
            # {"type": "error", "error": {...}}: the sentence is deeper in, when the outer object has none.
            message=next((text for part in parts[:3] if (text := _message(part))), ""),
            status=next((code for part in parts if (code := _status(part))), None),
            quotas=tuple(line for part in parts for line in _quotas(part)),
            parts=parts,
        )
    )


def words(name: str) -> str:
    """A name as words: `GenerateRequestsPerDay-FreeTier` is `generate requests per day free tier`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.sub(r"[^A-Za-z0-9]+", " ", spaced).strip().lower()


def _json(text: bytes) -> Any:
    # Some gateways frame the error of a failed stream as its first event.
    framed = re.search(rb"(?m)^data: ?([{\[].*)$", text) if text.startswith((b"data:", b"event:", b":")) else None
    try:
        return msgspec.json.decode(framed.group(1) if framed else text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _readable(text: bytes) -> str:
    # Broken JSON is not a sentence, and half of it may be the user's.
    return "" if text[:1] in b"{[" else text[:MAX_MESSAGE].decode("utf-8", "replace")


def _parts(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value[:MAX_ITEMS]:
            yield from _parts(item, depth + 1)
    elif isinstance(value, dict):
        yield {key: item for key, item in value.items() if isinstance(key, str)}
        for key in _INSIDE:
            if isinstance(value.get(key), dict | list):
                yield from _parts(value[key], depth + 1)


def _names(part: dict[str, Any]) -> Iterator[str]:
    for key in _NAMES:
        value = part.get(key)
        if isinstance(value, str) and 0 < len(value) <= MAX_NAME:
            yield value
        elif isinstance(value, int) and not isinstance(value, bool):
            yield str(value)


def _status(part: dict[str, Any]) -> int | None:
    for key in _STATUSES:
        value = part.get(key)
        if isinstance(value, str) and re.fullmatch(r"[45]\d\d", value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
            return value
    return None


def _message(part: dict[str, Any]) -> str:
    return next((text for key in _MESSAGES if (text := _sentence(part.get(key)))), "")


def _sentence(value: Any) -> str:
    if isinstance(value, str):
        return value[:MAX_MESSAGE]
    if isinstance(value, dict):
        return _sentence(value.get("detail"))
    if isinstance(value, list):
        return "; ".join(filter(None, (_complaint(item) for item in value[:MAX_ITEMS])))[:MAX_MESSAGE]
    return ""


def _complaint(item: Any) -> str:
    """One complaint of a pydantic error list: where and what, never the rejected `input`."""
    if not isinstance(item, dict) or not isinstance(item.get("msg"), str):
        return ""
    place = item.get("loc")
    where = ".".join(str(step) for step in place[:MAX_DEPTH]) if isinstance(place, list) else ""
    return f"{where}: {item['msg']}" if where else item["msg"]


def _quotas(part: dict[str, Any]) -> Iterator[str]:
    yield from (words(part[key]) for key in _QUOTA_NAMES if isinstance(part.get(key), str))
    yield from (f"limit: {part[key]}" for key in _QUOTA_VALUES if isinstance(part.get(key), str | int))


def _with_upstream(said: Said) -> Said:
    """Add what a router passes on: another provider's error as JSON text, in the message or `metadata.raw`."""
    raw = said.find("raw")
    inner = _nested(raw) if isinstance(raw, str) else _nested(said.message)
    if inner is None:
        spoken = raw[:MAX_MESSAGE] if isinstance(raw, str) else ""
        return said._replace(message=f"{said.message}: {spoken}" if spoken else said.message)
    outer = said.message if isinstance(raw, str) else ""
    return said._replace(
        names=(*inner.names, *said.names),
        message=f"{outer}: {inner.message}" if outer and inner.message else inner.message or outer,
        status=said.status or inner.status,
        quotas=(*said.quotas, *inner.quotas),
        parts=(*said.parts, *inner.parts),
    )


def _nested(text: str) -> Said | None:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return read_error(value) if isinstance(value, dict | list) else None
