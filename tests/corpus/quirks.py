"""Oddities of the wire: the same answer, written as some servers write it. What is read must be the same.

Each is something that servers were seen to do; the sentence says what.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.corpus.dialects import Event, named_sse, sse

__all__ = ["QUIRKS", "Quirk"]


class Quirk(NamedTuple):
    """dialect: whose. case: the answer that is written so. write: its events as bytes. why: what is odd."""

    dialect: str
    case: str
    why: str
    write: Callable[[list[Event]], bytes]


def _framed(change: Callable[[bytes], bytes]) -> Callable[[list[Event]], bytes]:
    return lambda events: change(sse(events))


def _named(change: Callable[[bytes], bytes]) -> Callable[[list[Event]], bytes]:
    return lambda events: change(named_sse(events))


def _each(change: Callable[[dict[str, Any]], Any]) -> Callable[[list[Event]], bytes]:
    """Each event that is an object, changed on a copy; None drops it."""

    def write(events: list[Event]) -> bytes:
        copies = [change(json.loads(json.dumps(event))) if isinstance(event, dict) else event for event in events]
        return sse([event for event in copies if event is not None])

    return write


def _calls(change: Callable[[dict[str, Any]], None]) -> Callable[[list[Event]], bytes]:
    """Each fragment of a tool call, changed."""

    def look(event: dict[str, Any]) -> dict[str, Any]:
        for choice in event["choices"]:
            for fragment in choice["delta"].get("tool_calls", ()):
                change(fragment)
        return event

    return _each(look)


def _no_null(event: dict[str, Any]) -> dict[str, Any]:
    for choice in event["choices"]:
        if choice["finish_reason"] is None:
            del choice["finish_reason"]
    return event


def _all_null(event: dict[str, Any]) -> dict[str, Any]:
    empty = {"refusal": None, "function_call": None, "tool_calls": None, "reasoning_content": None, "audio": None}
    for choice in event["choices"]:
        choice["delta"] = {**empty, "content": None, **choice["delta"]}
        choice |= {"logprobs": None, "stop_reason": None}
    return {**event, "usage": event.get("usage"), "system_fingerprint": None, "error": None}


def _usage_with_the_end(events: list[Event]) -> bytes:
    *before, end, usage, done = events
    return sse([*before, {**end, "usage": usage["usage"]}, done])


def _two_in_one(events: list[Event]) -> bytes:
    """The text of two chunks in one network event with two data lines each."""
    return "".join(f"data: {json.dumps(event, indent=1)}\n\n" if isinstance(event, dict) else f"data: {event}\n\n"
                   for event in events).replace("\n ", "\ndata:  ").replace("\n}", "\ndata: }").encode()  # fmt: skip


QUIRKS: Mapping[str, Quirk] = {
    "crlf": Quirk("openai-chat", "text", "lines end in CR LF", _framed(lambda body: body.replace(b"\n", b"\r\n"))),
    "cr": Quirk("openai-chat", "text", "lines end in CR alone", _framed(lambda body: body.replace(b"\n", b"\r"))),
    "bom": Quirk("openai-chat", "text", "a byte order mark in front", _framed(lambda body: b"\xef\xbb\xbf" + body)),
    "no-space": Quirk(
        "openai-chat", "two-scripts", "no space behind the colon",
        _framed(lambda body: body.replace(b"data: ", b"data:"))),
    "comments": Quirk(
        "openai-chat", "text", "keep-alive comments between the events",
        _framed(lambda body: b": ok\n\n" + body.replace(b"\n\n", b"\n\n: PROCESSING\n\n"))),
    "comment-in-event": Quirk(
        "openai-chat", "text", "a comment inside of an event",
        _framed(lambda body: body.replace(b"data: {", b":ka\ndata: {"))),
    "other-fields": Quirk(
        "openai-chat", "text", "fields id, retry and one that nobody knows",
        _framed(lambda body: b"retry: 3000\n\n" + body.replace(b"data: {", b"id: 1\nx-trace: 7\ndata: {"))),
    "no-blank-at-end": Quirk(
        "openai-chat", "text", "the last event has no blank line behind it", _framed(lambda body: body[:-2])),
    "no-done": Quirk(
        "openai-chat", "text", "a finish reason and no [DONE]",
        _framed(lambda body: body.removesuffix(b"data: [DONE]\n\n"))),
    "pretty": Quirk("openai-chat", "reasoning", "JSON over several data lines", _two_in_one),
    "escaped": Quirk(
        "openai-chat", "two-scripts", "every letter beyond ASCII as an escape",
        lambda events: "".join(f"data: {json.dumps(e) if isinstance(e, dict) else e}\n\n" for e in events).encode()),
    "no-null": Quirk("openai-chat", "text", "no finish_reason where there is none", _each(_no_null)),
    "all-null": Quirk("openai-chat", "two-calls", "null for everything that is not there", _each(_all_null)),
    "usage-at-end": Quirk("openai-chat", "text", "the counts stand in the last chunk", _usage_with_the_end),
    "no-index": Quirk(
        "openai-chat", "two-calls", "calls without an index", _calls(lambda fragment: fragment.pop("index"))),
    "one-index": Quirk(
        "openai-chat", "two-calls", "all calls at index 0", _calls(lambda fragment: fragment.update(index=0))),
    "empty-ids": Quirk(
        "openai-chat", "two-calls", "an empty id on every later fragment",
        _calls(lambda fragment: fragment.setdefault("id", ""))),
    "null-names": Quirk(
        "openai-chat", "call", "a null name on every later fragment",
        _calls(lambda fragment: fragment["function"].setdefault("name", None))),
    "no-usage": Quirk(
        "openai-chat", "text", "no counts", _each(lambda event: event if event["choices"] else None)),
    "extra-choice-fields": Quirk(
        "openai-chat", "text", "obfuscation, tiers and filters beside the text",
        _each(lambda event: {**event, "obfuscation": "x1", "service_tier": "default", "prompt_filter_results": []})),
    "anthropic-data-only": Quirk("anthropic-messages", "two-calls", "events without their names", sse),
    "anthropic-crlf": Quirk(
        "anthropic-messages", "reasoning", "lines end in CR LF", _named(lambda body: body.replace(b"\n", b"\r\n"))),
    "anthropic-pings": Quirk(
        "anthropic-messages", "text-and-call", "a ping behind each event",
        _named(lambda body: body.replace(b"}\n\n", b"}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n", 5))),
    "responses-data-only": Quirk("openai-responses", "two-calls", "events without their names", sse),
    "responses-done": Quirk(
        "openai-responses", "text", "[DONE] behind the last event", _named(lambda body: body + b"data: [DONE]\n\n")),
    "gemini-crlf": Quirk(
        "gemini", "two-scripts", "lines end in CR LF", _framed(lambda body: body.replace(b"\n", b"\r\n"))),
    "gemini-array-tight": Quirk(
        "gemini-array", "text", "an array without white space",
        lambda events: json.dumps(events, separators=(",", ":")).encode()),
    "ollama-crlf": Quirk(
        "ollama-chat", "two-calls", "lines end in CR LF",
        lambda events: b"".join(json.dumps(event).encode() + b"\r\n" for event in events)),
    "ollama-blank-lines": Quirk(
        "ollama-chat", "text", "blank lines between the lines",
        lambda events: b"\n".join(json.dumps(event).encode() + b"\n" for event in events)),
    "cohere-data-only": Quirk("cohere", "two-calls", "events without their names", sse),
}  # fmt: skip
