"""Holds what chat completions and responses write alike: calls numbered from 0, places of sources, files as data
URLs."""

from __future__ import annotations

import base64
from typing import Any

from ...chunks import File, Finished, Source, ToolCall, ToolCallDelta
from ...conversation.turns import ToolResult

__all__ = [
    "RESTARTED",
    "UNTRUSTED",
    "Calls",
    "Unanswered",
    "arguments_of",
    "data_url",
    "finish_reason",
    "is_untrusted",
    "refusal_words",
    "url_citation",
]

RESTARTED = "The answer was begun anew, and this API cannot take back what it has sent."
UNTRUSTED = "The model's call of a tool is not valid: "

_FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "length",
    "other": "stop",
}


def finish_reason(reason: str | None, *, refused: bool = False) -> str:
    """Return OpenAI's word for why the model stopped.

    A refusal in words ends as any answer does; one without words was cut. An answer that its provider paused is not
    whole, and "length" is the word for that, as it is for one that somebody stopped.
    """
    return "stop" if refused else _FINISH[reason or "other"]


class Calls:
    """Numbers the tool calls of an answer from 0 in the order in which they began, since SDKs keep them in a list."""

    __slots__ = ("_numbers", "_sent")

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._sent: list[list[str]] = []

    def number(self, call: ToolCall | ToolCallDelta) -> tuple[int, bool]:
        """Return a call's number, and whether it is new."""
        new = call.index not in self._numbers
        if new:
            self._numbers[call.index] = len(self._sent)
            self._sent.append([])
        return self._numbers[call.index], new

    def piece(self, delta: ToolCallDelta) -> str:
        """Return the arguments of a fragment, which are kept in mind."""
        self._sent[self._numbers[delta.index]].append(delta.arguments)
        return delta.arguments

    def rest(self, call: ToolCall) -> str:
        """Return the arguments of a whole call that no fragment had."""
        sent = "".join(self._sent[self._numbers[call.index]])
        whole = arguments_of(call)
        if not sent.strip() or whole.startswith(sent):
            self._sent[self._numbers[call.index]] = [whole]
            return whole[len(sent) :] if sent.strip() else whole
        return ""


class Unanswered:
    """Keeps the calls of a conversation that nobody has answered yet. Those that were answered here are not the
    client's."""

    __slots__ = ("_calls", "in_conversation")

    def __init__(self) -> None:
        self._calls: list[ToolCall] = []
        self.in_conversation = False

    def begin(self) -> None:
        """Begin another turn; all calls before it are answered."""
        self.in_conversation = True
        self._calls = []

    def add(self, call: ToolCall) -> None:
        """Keep a call until it is answered."""
        self._calls.append(call)

    def answered(self, result: ToolResult) -> None:
        """Forget the call of a result. One without an id has got another one, so its name tells."""
        place = next((place for place, call in enumerate(self._calls) if call.id == result.id), None)
        if place is None:
            same = (place for place, call in enumerate(self._calls) if call.name == result.name and not call.id)
            place = next(same, None)
        if place is not None:
            del self._calls[place]

    def left(self) -> list[ToolCall]:
        """Return the calls that are the client's to answer."""
        return self._calls


def arguments_of(call: ToolCall) -> str:
    """Return the arguments as JSON text; OpenAI writes an empty object for a tool without parameters."""
    return call.arguments if call.arguments.strip() or call.parsed is None else "{}"


def is_untrusted(call: ToolCall) -> bool:
    """Return whether a call must not be run although a reader of its arguments would not notice."""
    return call.error is not None


def refusal_words(finished: Finished | None) -> str:
    """Return the words of a refusal that are not part of the answer's text."""
    return finished.explanation if finished is not None and finished.reason == "refusal" else ""


def url_citation(source: Source) -> dict[str, Any] | None:
    """Return a source as OpenAI writes one that is on the web; None for any other, which its APIs cannot say."""
    if not source.url:
        return None
    places = {"start_index": source.start, "end_index": source.end}
    found = {name: place for name, place in places.items() if place is not None}
    return {"url": source.url, "title": source.title, **found}


def data_url(file: File) -> str:
    """Return a file as an address: its own, or one that has its bytes in it."""
    if file.data is None:
        return file.url
    return f"data:{file.media_type};base64,{base64.b64encode(file.data).decode()}"
