"""Makes a small copy of an error before any rule reads it.

All rules, patterns and look-ups read the copy, so that the longest text and the widest or deepest object that a server
can send cost them no more than a long error message does. Keys that no rule reads are not copied: among them is the
user's own text, in `failed_generation`, `flagged_input` and pydantic's `input`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

__all__ = ["INSIDE", "MAX_BODY", "MAX_MESSAGE", "MAX_TEXT", "MESSAGES", "NAMES", "STATUSES", "small", "small_headers"]

MAX_BODY = 64 * 1024
"""Bytes of a body, or of a JSON text inside of one."""
MAX_TEXT = 8 * 1024
"""Characters of all texts together."""
MAX_MESSAGE = 4000
MAX_OBJECTS = 64
MAX_ITEMS = 8
MAX_DEPTH = 8
MAX_OPENED = 4
MAX_HEADERS = 200
MAX_HEADER = 256
MAX_QUOTED = 32
_NUMBER_COSTS = 8
_LARGEST = 1 << 63

NAMES = (
    "error_code", "code", "reason", "error_type", "err_type", "type", "status", "limit_source", "__type",
    "finish_reason", "Code", "ErrorCode", "errorcode",
)  # fmt: skip
STATUSES = ("code", "error_code", "status_code", "http_status", "raw_status_code", "statusCode", "status")
MESSAGES = (
    "message", "Message", "error", "detail", "error_message", "errorMessage", "error_msg", "err_msg", "errmsg", "msg",
    "status_msg", "faultstring", "title",
)  # fmt: skip
# Where providers put one error object inside another; the inner one is the more precise. JSON texts come last.
INSIDE = (
    "error", "Error", "response", "Response", "fault", "delta", "meta_info", "finish_reason", "errors", "details",
    "detail", "innererror", "inner_error", "metadata", "availability", "violations", "status", "base_resp", "message",
    "raw",
)  # fmt: skip
_OTHERS = (
    "loc", "param", "quotaId", "quota_limit", "quotaValue", "quota_limit_value", "retryDelay", "retry_delay",
    "retry_after", "retry_after_seconds", "retryAfter", "resets_in_seconds", "resets_at", "reset_at", "resetAt",
    "reset_time", "estimated_time", "seconds", "n_prompt_tokens", "n_ctx", "request_id", "requestId", "id",
)  # fmt: skip
_READ = tuple(dict.fromkeys((*NAMES, *STATUSES, *MESSAGES, *_OTHERS, *INSIDE)))
_MAY_BE_JSON = frozenset({*MESSAGES, "raw"})


def small(value: Any) -> Any:
    """Return a copy of a decoded JSON value with the keys that rules read, cut to the budget; JSON texts in it are
    decoded."""
    return _Copier().copy(value, opens=True)


def small_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with values no longer than a real one."""
    return {name: value[:MAX_HEADER] for name, value in islice(headers.items(), MAX_HEADERS)}


class _Copier:
    """Copies one error within a budget of what it may still cost."""

    def __init__(self) -> None:
        self.text = MAX_TEXT
        self.objects = MAX_OBJECTS
        self.opened = MAX_OPENED

    def copy(self, value: Any, *, depth: int = 0, opens: bool = False) -> Any:
        """Return the part of `value` that fits the budget. opens: a text here may be JSON."""
        if isinstance(value, str):
            return self._text(value, depth, opens)
        if isinstance(value, tuple):  # from a printed Python value
            value = list(value)
        if isinstance(value, dict | list):
            return self._container(value, depth)
        return self._number(value)

    def _container(self, value: dict[Any, Any] | list[Any], depth: int) -> Any:
        if depth > MAX_DEPTH or self.objects <= 0:
            return None
        self.objects -= 1
        if isinstance(value, list):
            return [self.copy(item, depth=depth + 1) for item in value[:MAX_ITEMS]]
        return dict(self._fields(value, depth + 1))

    def _fields(self, value: dict[Any, Any], depth: int) -> Iterator[tuple[str, Any]]:
        """Copy an object, its texts and numbers before nested objects, since outer words count first."""
        there = [key for key in _READ if key in value]
        passed_on: dict[str, Any] | None = None
        for key in sorted(there, key=lambda key: isinstance(value[key], dict | list)):
            said = value[key]
            if key in MESSAGES and isinstance(said, str) and passed_on is None and "raw" not in value:
                said, passed_on = self._apart(said)
            yield key, self.copy(said, depth=depth, opens=key in _MAY_BE_JSON)
        if passed_on is not None:
            yield "raw", self._container(passed_on, depth)
        if isinstance(quoted := value.get("headers"), dict):
            yield "headers", self._headers(quoted)

    def _headers(self, quoted: dict[Any, Any]) -> dict[str, str]:
        named = ((str(name), value) for name, value in islice(quoted.items(), MAX_QUOTED) if isinstance(value, str))
        return {self._cut(name, MAX_HEADER): self._cut(value, MAX_HEADER) for name, value in named}

    def _text(self, text: str, depth: int, opens: bool) -> Any:
        if opens and self.opened and text[:100].lstrip().startswith(("{", "[")) and len(text) <= MAX_BODY:
            self.opened -= 1
            if isinstance(value := _decoded(text), dict | list):
                return self._container(value, depth)
        return self._cut(text, MAX_MESSAGE)

    def _apart(self, text: str) -> tuple[str, dict[str, Any] | None]:
        """Return a sentence without the error object in it, and the object: gateways pass an upstream's body on so."""
        start, end = text.find("{"), text.rfind("}") + 1
        if not (0 < start < end <= MAX_BODY and self.opened and text[:start].strip()):
            return text, None  # nothing is said in front of it: the whole text is the error
        self.opened -= 1
        found = _decoded(text[start:end])
        return (f"{text[:start]}…{text[end:]}", found) if _is_error(found) else (text, None)

    def _cut(self, text: str, limit: int) -> str:
        text = text[: min(limit, self.text)]
        self.text -= len(text)
        return text

    def _number(self, value: Any) -> Any:
        """Return a number that can be calculated with and printed; None for any other."""
        if isinstance(value, bool) or value is None:
            return value
        self.text = max(0, self.text - _NUMBER_COSTS)
        return value if isinstance(value, int | float) and -_LARGEST < value < _LARGEST else None


def _is_error(value: Any) -> bool:
    """Return whether a value in a sentence is an error, and not a part of a request or of an answer."""
    if not isinstance(value, dict):
        return False
    named = "message" in value and any(key in value for key in ("type", "code", "status"))
    return named or isinstance(value.get("error"), dict | str)


def _decoded(text: str) -> Any:
    """Decode JSON or a printed Python value: servers put a list of pydantic's complaints into their message so."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return _printed(text) if text.lstrip().startswith(("{'", "[{'")) and len(text) <= MAX_MESSAGE else None


def _printed(text: str) -> Any:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
