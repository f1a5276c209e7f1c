"""Reads from an error when to try again, and the id of the request.

The first usable source wins. Zero, negative, NaN and infinite values count as absent, since real servers send them
(Azure: `retry-after-ms: 0` beside `retry-after: 1`). The local clock is not trusted where the response carries its own
`date`.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeAlias

from .body import Said

__all__ = ["Hint", "asked_to_wait", "duration", "hint", "request_id"]

Headers: TypeAlias = Mapping[str, str]


class Hint(NamedTuple):
    """Says how many seconds to wait, when the quota starts anew (ISO 8601, UTC), and whether the server asked for this
    wait or it is only estimated from when a rate limit allows requests again."""

    retry_after: float | None = None
    resets_at: str | None = None
    asked: bool = False


class _Answer(NamedTuple):
    said: Said
    headers: Headers
    now: float


def hint(said: Said, headers: Headers, *, buckets: bool = True) -> Hint:
    """Return everything that an error says about waiting.

    headers: of the failed response itself; none inside a stream, where they belong to the successful response. buckets:
    whether the rate-limit headers count, which describe healthy limits, too.
    """
    answer = _Answer(said, {**_quoted_headers(said), **headers}, _server_time(headers))
    named = _named_reset(answer)
    for source, asked in _SOURCES:
        if (asked or buckets) and (seconds := _usable(source(answer))) is not None:
            return Hint(seconds, _iso(named or answer.now + seconds), asked)
    return Hint(None, _iso(named), False)


def asked_to_wait(headers: Headers) -> bool:
    """Return whether there is a usable Retry-After header."""
    answer = _Answer(Said("empty"), headers, _server_time(headers))
    return any(_usable(source(answer)) is not None for source in (_milliseconds, _retry_after))


def duration(text: str) -> float | None:
    """Return the seconds in `6m0s`, `2m59.56s`, `174ms`, `86400 seconds`, `1 hour and 5 minutes`, or a bare number."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
        return float(text)
    if not text or not re.fullmatch(_STEPS, text, re.IGNORECASE):
        return None
    return _sum(text)


def _sum(steps: str) -> float:
    found = re.findall(_STEP, steps, re.IGNORECASE)
    return sum(float(amount) * _UNITS[_unit(unit)] for amount, unit in found)


def request_id(said: Said, headers: Headers) -> str | None:
    """Return the provider's id of this request: from its own header, the body, or any header that looks like a trace
    id."""
    named = next((headers[name] for name in _ID_HEADERS if headers.get(name)), None)
    if named:
        return named
    in_body = said.find("request_id", "requestId")
    if isinstance(in_body, str) and in_body:
        return in_body
    alike = sorted(
        name for name in headers if re.search(r"request-?id|correlation|trace|(^|-)ray$", name) and headers[name]
    )
    if alike:
        return headers[alike[0]]
    flat = said.parts[0].get("id") if said.parts else None
    return flat if isinstance(flat, str) and flat else None


_ID_HEADERS = ("request-id", "x-request-id", "apim-request-id", "x-amzn-requestid", "x-generation-id")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_STEP = (
    r"(?<!\d)(\d++(?:\.\d++)?+)\s*+"
    r"(milliseconds?|msecs?|ms|µs|us|minutes?|mins?|seconds?|secs?|hours?|hrs?|days?|[smhd])(?![a-z])"
)
_STEPS = rf"(?:{_STEP}[\s,]*+(?:and\s++)?)++"
_PROSE = re.compile(
    rf"\b(?:again|retry|retrying|wait|reset\w{{0,8}}|available)\b[^.\d\n]{{0,60}}({_STEPS})", re.IGNORECASE
)
_DATE = re.compile(r"(?:on|at|until|after) (\d{4}-\d\d-\d\d)(?:T| at | )(\d\d:\d\d(?::\d\d)?)", re.IGNORECASE)
_ANTHROPIC_LIMITS = ("requests", "tokens", "input-tokens", "output-tokens")


def _unit(word: str) -> str:
    word = word.lower()
    if word.startswith(("milli", "ms")):
        return "ms"
    return "us" if word.startswith(("µ", "us")) else word[0]


def _usable(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) and seconds > 0 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return _usable(float(value))
    except (ValueError, OverflowError):
        return None


def _server_time(headers: Headers) -> float:
    sent = _http_date(headers.get("date", ""))
    return time.time() if sent is None else sent


def _http_date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _rfc3339(value: Any) -> float | None:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _epoch(value: Any) -> float | None:
    """Return Unix seconds or milliseconds (above 1e11, year 5138 in seconds) as seconds."""
    number = _number(value)
    return None if number is None else number / 1000 if number > 1e11 else number


def _iso(moment: float | None) -> str | None:
    try:
        return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def _quoted_headers(said: Said) -> dict[str, str]:
    """Return the rate-limit headers that OpenRouter quotes in `metadata.headers`."""
    quoted = said.find("headers")
    if not isinstance(quoted, dict):
        return {}
    return {str(name).lower(): value for name, value in quoted.items() if isinstance(value, str)}


def _named_reset(answer: _Answer) -> float | None:
    """Return a given point in time: `resets_at` in the body, or in the sentence."""
    value = answer.said.find("resets_at", "reset_at", "resetAt", "reset_time")
    moment = _rfc3339(value) or _epoch(value)
    if moment is not None:
        return moment if moment > 1e9 else None
    found = _DATE.search(answer.said.message)
    return _rfc3339(f"{found[1]}T{found[2]}+00:00") if found else None


def _availability(answer: _Answer) -> float | None:
    return _number(answer.said.find("retry_after", "retry_after_seconds", "retryAfter", "resets_in_seconds"))


def _retry_info(answer: _Answer) -> float | None:
    delay = answer.said.find("retryDelay", "retry_delay")
    if isinstance(delay, dict):
        return _number(delay.get("seconds"))
    return duration(delay) if isinstance(delay, str) else None


def _milliseconds(answer: _Answer) -> float | None:
    found = (_number(answer.headers.get(name)) for name in ("retry-after-ms", "x-ms-retry-after-ms"))
    return next((value / 1000 for value in found if value is not None), None)


def _retry_after(answer: _Answer) -> float | None:
    value = answer.headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    moment = _http_date(value) if re.search(r"[A-Za-z]", value) else None
    return None if moment is None else moment - answer.now


def _latest(moments: Iterable[float | None]) -> float | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _anthropic_reset(answer: _Answer) -> float | None:
    empty = (
        limit
        for limit in _ANTHROPIC_LIMITS
        if _number(answer.headers.get(f"anthropic-ratelimit-{limit}-remaining", "1")) is None
    )
    latest = _latest(_rfc3339(answer.headers.get(f"anthropic-ratelimit-{limit}-reset")) for limit in empty)
    return None if latest is None else latest - answer.now


def _reset(*limits: str) -> Callable[[_Answer], float | None]:
    """Return what reads `x-ratelimit-reset-<limit>`: the longest of those that are used up or do not say how much is
    left."""

    def read(answer: _Answer) -> float | None:
        headers = answer.headers
        empty = (limit for limit in limits if _number(headers.get(f"x-ratelimit-remaining-{limit}", "0")) is None)
        return _latest(_usable(duration(headers.get(f"x-ratelimit-reset-{limit}", ""))) for limit in empty)

    return read


def _common_reset(answer: _Answer) -> float | None:
    """Read `x-ratelimit-reset`: a Unix time in seconds or milliseconds; a small number is seconds to wait."""
    moment = _epoch(answer.headers.get("x-ratelimit-reset"))
    if moment is None or _number(answer.headers.get("x-ratelimit-remaining", "0")) is not None:
        return None
    return moment - answer.now if moment > 1e9 else moment


def _estimated_time(answer: _Answer) -> float | None:
    return _number(answer.said.find("estimated_time"))


def _prose(answer: _Answer) -> float | None:
    found = _PROSE.search(answer.said.message)
    if found:
        return _sum(found[1])
    named = _named_reset(answer)
    return None if named is None else named - answer.now


_SOURCES: tuple[tuple[Callable[[_Answer], float | None], bool], ...] = (
    (_availability, True),
    (_retry_info, True),
    (_milliseconds, True),
    (_retry_after, True),
    (_anthropic_reset, False),
    (_reset("requests", "tokens"), False),
    (_common_reset, False),
    (_reset("requests-day", "tokens-minute"), False),
    (_estimated_time, True),
    (_prose, True),
)
