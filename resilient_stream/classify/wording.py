"""Makes the provider's sentence fit to show: one line, short, without secrets; and finds the figures in it.

Only the message field is shown, and not for kinds whose message may quote the user. A key is never shown: OpenAI's 401
repeats part of a bad key.
"""

from __future__ import annotations

import re
from typing import Any

from ..failures import ErrorKind
from ..outcome.making import MAX_DETAIL
from .body import Said

__all__ = ["detail", "facts"]

# Their sentences may quote the user or the model, e.g. the words that the filter found.
_SILENT = frozenset({ErrorKind.MODEL_OUTPUT_INVALID, ErrorKind.CONTENT_FILTERED, ErrorKind.REFUSAL})

_SECRETS = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|r8|csk|pplx|nvapi)[-_][\w*.\-]*[\w*]"
    r"|\bAIza[\w\-]{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\beyJ[\w\-]{8,}[\w.\-]*"
)
_NAMED_SECRETS = re.compile(
    r"(\bkey provided: |\b(?:bearer|basic) |(?:key|token|secret|password)[\"']?\s?[=:]\s?[\"']?)"
    r"(?!\[hidden\])[^\s,;&\"']*[^\s,;&.\"']",
    re.IGNORECASE,
)
_QUOTED_INPUT = re.compile(r",? ?(?:['\"]input['\"]: |input_value=).*", re.DOTALL)
"""What a validator quotes of the request, in the text that Python prints for its complaints."""
_FEATURE = re.compile(r"(?:does not|doesn't|do not|don't) support (?:the )?([\w ]{2,40})")
_N = r"(?<!\d)(\d(?:[\d,]{0,24}\d)?+)(?!\d)"
_USED_FIRST = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_N}(?: \w{{1,24}})? ?\+ ?{_N}(?: \w{{1,24}})? ?> ?{_N}",
        rf"{_N} (?:tokens |bytes )?> {_N}",
        rf"\({_N}(?: tokens)?\) (?:exceeds|is longer than) .{{0,80}}?\({_N}",
        rf"count is {_N} but .{{0,60}}?{_N}",
        rf"length {_N}\) is longer than .{{0,60}}?{_N}",
        rf"length is {_N} while limit is {_N}",
        rf"contains? (?:at least )?{_N} .{{0,80}}?(?:model with|maximum(?: \w{{1,24}}){{0,3}}(?: of| is)?|limit of) "
        rf"{_N}",
        rf"(?:got|received|given|used|has) {_N} .{{0,60}}?(?:limit|maximum)(?: \w{{1,24}}){{0,2}}(?: of| is)? {_N}",
    )
)
_LIMIT_FIRST = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"limit:? {_N}, (?:used:? [\d,]{{1,24}}, )?requested:? {_N}",
        rf"(?:maximum|max|limit)[^.\d]{{0,60}}{_N}[^\d]{{0,80}}(?:requested|resulted in|contains?|has|have|given:?|"
        rf"used:?|received|got|passed|provided|was) (?:about |at least |a total of )?{_N}",
        rf"must be <= {_N}\. given: {_N}",
    )
)
_ONLY_LIMIT = re.compile(
    rf"(?:limit for this model is|limit of|limit is|maximum (?:context length )?(?:is|of)|"
    rf"maximum allowed(?: \w{{1,24}})?(?: is)?) {_N}",
    re.IGNORECASE,
)


def detail(kind: ErrorKind, said: Said) -> str:
    """Return the provider's own words, one line of at most MAX_DETAIL characters; nothing for a kind that may quote the
    user."""
    if kind in _SILENT:
        return ""
    said_by_them = _QUOTED_INPUT.sub(" …", " ".join(said.message.split()))
    line = _NAMED_SECRETS.sub(r"\1[hidden]", _SECRETS.sub("[hidden]", said_by_them))
    return line if len(line) <= MAX_DETAIL else line[: MAX_DETAIL - 1] + "…"


def facts(kind: ErrorKind, said: Said) -> dict[str, Any]:
    """Return the values in the sentence for the placeholders of a kind's texts."""
    if kind is ErrorKind.UNSUPPORTED_FEATURE and (named := _FEATURE.search(said.message)):
        return {"feature": named[1].strip()}
    if kind not in (ErrorKind.CONTEXT_LENGTH_EXCEEDED, ErrorKind.REQUEST_TOO_LARGE):
        return {}
    used, limit = figures(said)
    unit = " tokens" if kind is ErrorKind.REQUEST_TOO_LARGE and "token" in said.message.lower() else ""
    found = {"used": used, "limit": limit}
    return {name: f"{value}{unit}" if unit else value for name, value in found.items() if value}


def figures(said: Said) -> tuple[int | None, int | None]:
    """Return how much was asked for, and how much is allowed."""
    used, limit = said.find("n_prompt_tokens"), said.find("n_ctx")
    if isinstance(used, int) and isinstance(limit, int):
        return used, limit
    for pattern in _USED_FIRST:
        if found := pattern.search(said.message):
            *parts, limit = map(_integer, found.groups())
            return sum(parts), limit
    for pattern in _LIMIT_FIRST:
        if found := pattern.search(said.message):
            return _integer(found[2]), _integer(found[1])
    only = _ONLY_LIMIT.search(said.message)
    return None, _integer(only[1]) if only else None


def _integer(text: str) -> int:
    return int(text.replace(",", "")[:18])
