"""Bytes, headers and JSON values made wrong at random; the same seed gives the same values."""

from __future__ import annotations

import json
import random
import re
from typing import Any

__all__ = ["mutated", "odd_headers"]

_VALUES: tuple[Any, ...] = (
    None, True, -1, 1.5, 10**30, "", "odd", [], {}, [None], [[]], {"a": None}, "\ud83d", "\x00\x1b[2J\u202e",
    "x" * 5000,
)  # fmt: skip
_TEXTS = (
    b"1e999", b"-1e400", b"9" * 5000, b'"\\ud83d"', b"NaN", b"{" * 900, b"[" * 5000, b"null", b'""', b"\xff\xfe",
    b"\x00", b"data:\n\n", b"data: null\n\n", b": ping\n\n", b"data: [DONE]\n\n", b"event: ping\ndata: x\n\n",
    b'{"error": "odd"}',
)  # fmt: skip
_HEADER_VALUES = (
    "", "1e999", "-5", "nan", "9" * 400, "soon", "Wed, 21 Oct 2099 07:28:00 GMT", "text/html", "application/json",
    "text/event-stream; charset=latin-1", "a\x1b]52;c;x\x07b", "x" * 4000, "é中", "true", "false",
)  # fmt: skip
_HEADERS = (
    "content-type", "retry-after", "retry-after-ms", "x-request-id", "request-id", "x-should-retry", "x-amzn-errortype",
    "x-ratelimit-reset", "x-ratelimit-remaining-requests", "anthropic-ratelimit-requests-reset", "server", "cf-ray",
    "location", "www-authenticate", "x-amzn-requestid", "apim-request-id", "x-ratelimit-reset-tokens",
)  # fmt: skip
_JSON = re.compile(rb"\{.*\}")


def mutated(body: bytes, dice: random.Random) -> bytes:
    """A body with one to three things wrong with it."""
    for _ in range(dice.randint(1, 3)):
        body = dice.choice((_flip, _cut, _doubled, _put, _swapped, _odd_field, _odd_field))(body, dice)
    return body


def odd_headers(headers: dict[str, str], dice: random.Random) -> dict[str, str]:
    """Headers with some odd ones among them."""
    more = {dice.choice(_HEADERS): dice.choice(_HEADER_VALUES) for _ in range(dice.randint(0, 3))}
    return {**headers, **more}


def _place(body: bytes, dice: random.Random) -> int:
    return dice.randrange(len(body) + 1)


def _flip(body: bytes, dice: random.Random) -> bytes:
    if not body:
        return body
    place = dice.randrange(len(body))
    return body[:place] + bytes([body[place] ^ (1 << dice.randrange(8))]) + body[place + 1 :]


def _cut(body: bytes, dice: random.Random) -> bytes:
    return body[: _place(body, dice)]


def _doubled(body: bytes, dice: random.Random) -> bytes:
    start, end = sorted((_place(body, dice), _place(body, dice)))
    return body[:end] + body[start:end] + body[end:]


def _put(body: bytes, dice: random.Random) -> bytes:
    place = _place(body, dice)
    return body[:place] + dice.choice(_TEXTS) + body[place:]


def _swapped(body: bytes, dice: random.Random) -> bytes:
    events = body.split(b"\n\n")
    dice.shuffle(events)
    return b"\n\n".join(events)


def _odd_field(body: bytes, dice: random.Random) -> bytes:
    """One field of one event replaced, or put in beside the others."""
    found = list(_JSON.finditer(body))
    if not found:
        return body
    event = dice.choice(found)
    try:
        value = json.loads(event.group())
    except (ValueError, RecursionError):
        return body
    _replace(value, dice)
    return body[: event.start()] + json.dumps(value).encode() + body[event.end() :]


def _replace(value: Any, dice: random.Random) -> None:
    """Walk down some steps and put something odd there."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not keys:
        return
    key = dice.choice(keys)
    if isinstance(value[key], dict | list) and value[key] and dice.random() < 0.8:
        _replace(value[key], dice)
    else:
        value[key] = dice.choice(_VALUES)
