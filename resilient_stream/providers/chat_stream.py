"""OpenAI's chat completions as they are streamed, by OpenAI and all the hosts of `hosts.py`: events into chunks.

The one rule: read what is sent, by whomever. Where a server's chunk goes in one of the many ways seen on the
wire (recordings QUIRKS 24-34) it is read, never refused; only the ends are strict: `[DONE]` or a finish reason.
Must never: await, or know a host by name.

Speed: most network reads of an answer hold nothing but text. Those are decoded as `_TextEvent`, whose types
admit nothing else, so no field needs a look per token; any other read is decoded as `_Event` and taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..chunks import Chunk, Finished, FinishReason, Raw, ReasoningDelta, TextDelta
from ..classify import classify_error
from ..contract import Batch
from ..errors import ErrorKind, Failure
from ..wire.json_events import BatchDecoder, JsonEvents
from .counts import openai_usage
from .error_rules import rules_for
from .event_decoder import EventDecoder
from .tool_calls import ToolCalls
from .values import object_of, text_of

__all__ = ["FAILED_REASONS", "FINISH_REASONS", "ChatReader", "chat_decoder"]


class _TextContent(msgspec.Struct, gc=False):
    content: str
    tool_calls: None = None
    function_call: None = None
    refusal: None = None
    reasoning: None = None
    reasoning_content: None = None
    reasoning_details: None = None


class _TextChoice(msgspec.Struct, gc=False):
    delta: _TextContent
    finish_reason: None = None
    index: Literal[0] = 0


class _TextEvent(msgspec.Struct, gc=False):
    """A chunk that is text and nothing else; anything more is a ValidationError."""

    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None
    x_groq: None = None


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _Fragment(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    extra_content: Any = None


class _Delta(msgspec.Struct, gc=False):
    content: str | list[Any] | None = None
    tool_calls: list[_Fragment] | None = None
    function_call: _Function | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Any] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = 0
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None
    id: Any = None
    model: Any = None
    code: Any = None
    message: Any = None
    detail: Any = None
    object: Any = None
    type: Any = None


_TEXT = BatchDecoder(_TextEvent)
_EVENTS = BatchDecoder(_Event)

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "stop": ("stop", None),
    "end_turn": ("stop", None),
    "eos": ("stop", None),
    "eos_token": ("stop", None),
    "stop_sequence": ("stop", None),
    "COMPLETE": ("stop", None),
    "length": ("length", "output_truncated"),
    "max_tokens": ("length", "output_truncated"),
    "model_length": ("length", "output_truncated"),
    "model_context_window_exceeded": ("length", "output_truncated"),
    "tool_calls": ("tool_calls", None),
    "tool_use": ("tool_calls", None),
    "function_call": ("tool_calls", None),
    "content_filter": ("content_filter", "content_filtered"),
    "sensitive": ("content_filter", "content_filtered"),
    "safety": ("content_filter", "content_filtered"),
    "refusal": ("refusal", "refusal"),
}
"""What an answer may end with, and the kind when it is not a whole one. Not here and not below: "other"."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "error": ErrorKind.SERVER_ERROR,
    "network_error": ErrorKind.SERVER_ERROR,
    "abort": ErrorKind.STREAM_INTERRUPTED,
    "insufficient_system_resource": ErrorKind.PROVIDER_OVERLOADED,
    "malformed_function_call": ErrorKind.MODEL_OUTPUT_INVALID,
    "MALFORMED_FUNCTION_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
    "function_call_filter: MALFORMED_FUNCTION_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
}
"""The known-bad list: ends that are no answer. OpenRouter, Z.ai, SGLang, DeepSeek, Gemini's own compatibility."""


def chat_decoder(
    provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False
) -> EventDecoder[_Event]:
    """The decoder of one chat completion."""
    return EventDecoder(provider, ChatReader(provider, raw=raw), JsonEvents(_EVENTS, max_event_bytes), eof_ok=eof_ok)


class ChatReader:
    """One chat completion; see `event_decoder`. Choice 0 is the answer; others come as `Raw`.

    The finish reason is not yet the end: the token counts may follow it, so `[DONE]` is, or the end of the body.
    """

    __slots__ = (
        "_calls", "_finish", "_provider", "_raw", "_refusal", "done", "failure", "model", "plain", "progress",
        "response_id", "seen",
    )  # fmt: skip

    texts = _TEXT

    def __init__(self, provider: str, *, raw: bool = False) -> None:
        self._provider = provider
        self._raw = raw
        self._calls = ToolCalls()
        self._finish: str | None = None
        self._refusal: list[str] = []
        self.plain = False
        self.seen = False
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    def text(self, events: list[_TextEvent]) -> Batch:
        """The chunks of a read that is nothing but text."""
        return [TextDelta(text) for event in events if (text := event.choices[0].delta.content)]

    def read(self, events: list[_Event], payloads: Sequence[bytes] = ()) -> Batch:
        """The chunks of some events, the counts at their end."""
        batch: Batch = []
        usage: Any = None
        for event in events:
            if (failure := self._failure_in(event)) is not None:
                self.failure = failure
                break
            usage = event.usage or object_of(event.x_groq).get("usage") or usage
            for choice in event.choices or ():
                if choice.index in (0, None):
                    self._read_choice(choice, batch)
            if self._raw and (other := self._unmodelled(event)) is not None:
                batch.append(other)
        self._look_at(events, batch)
        if isinstance(usage, dict):
            batch.append(openai_usage(usage))
        return batch

    def _look_at(self, events: list[_Event], batch: Batch) -> None:
        """Once per read: names, and whether the next read is worth trying as text alone."""
        self.model = self.model or next((event.model for event in events if event.model), None)
        self.response_id = self.response_id or next((event.id for event in events if event.id), None)
        self.plain = bool(batch) and type(batch[-1]) is TextDelta and not events[-1].usage and not self._raw

    def _read_choice(self, choice: _Choice, batch: Batch) -> None:
        delta = choice.delta
        if delta is not None:
            if reasoning := _reasoning(delta):
                batch.append(ReasoningDelta(reasoning))
            if delta.content:
                batch += _content(delta.content)
            if delta.refusal:
                self._refusal.append(delta.refusal)
                self.progress += 1
            for fragment in delta.tool_calls or ():
                batch.append(self._fragment(fragment))
            if delta.function_call is not None:
                batch.append(self._fragment(_Fragment(0, None, delta.function_call)))
        if choice.finish_reason:
            self._finished(choice.finish_reason, batch)
        self.seen = self.seen or bool(batch)

    def _fragment(self, fragment: _Fragment) -> Chunk:
        function = fragment.function or _Function()
        signature = _google_signature(fragment.extra_content)
        return self._calls.add(fragment.index, fragment.id, function.name, _arguments(function.arguments), signature)

    def _finished(self, reason: str, batch: Batch) -> None:
        kind = FAILED_REASONS.get(reason)
        if kind is not None:
            self.failure = self.failure or Failure(kind=kind, code=reason)
            return
        self._finish = self._finish or reason
        batch += self._calls.whole()

    def _failure_in(self, event: _Event) -> Failure | None:
        error = event.error or next((choice.error for choice in event.choices or () if choice.error), None)
        if error:
            return classify_error({"error": error}, rules_for(self._provider))
        if event.choices is None and event.usage is None and (event.message or event.detail or event.object == "error"):
            said = {"message": event.message or event.detail, "code": event.code, "type": event.type}
            return classify_error(said, rules_for(self._provider))
        return None

    def may_end(self, marked: bool, cut: bool) -> bool:
        """After a finish reason, or at a `[DONE]` that follows anything."""
        return self._finish is not None or (marked and self.seen)

    def close(self) -> Batch:
        """Whole tool calls, and the finish reason last of all."""
        self.done = True
        batch: Batch = [*self._calls.whole()]
        if self._finish is not None:
            batch.append(self._finished_chunk(self._finish))
        return batch

    def _finished_chunk(self, raw: str) -> Finished:
        if self._refusal:
            return Finished("refusal", raw, "refusal", "".join(self._refusal))
        reason, kind = FINISH_REASONS.get(raw, ("other", None))
        return Finished(reason, raw, kind)

    def _unmodelled(self, event: _Event) -> Raw | None:
        others = [msgspec.to_builtins(choice) for choice in event.choices or () if choice.index not in (0, None)]
        return Raw(self._provider, "choices", others) if others else None


def _content(content: str | list[Any]) -> Batch:
    """Text, or Mistral's list of parts with its thinking in between."""
    if isinstance(content, str):
        return [TextDelta(content)]
    return [chunk for part in content if isinstance(part, dict) and (chunk := _part(part)) is not None]


def _part(part: dict[str, Any]) -> Chunk | None:
    if part.get("type") == "thinking":
        inner = part.get("thinking")
        pieces = inner if isinstance(inner, list) else [{"text": inner or ""}]
        thought = "".join(str(object_of(piece).get("text", "")) for piece in pieces)
        return ReasoningDelta(thought) if thought else None
    text = text_of(part.get("text"))
    return TextDelta(text) if text else None


def _reasoning(delta: _Delta) -> str:
    """The reasoning under any of its three names; the same text under two of them counts once (QUIRKS 32)."""
    if delta.reasoning_content or delta.reasoning:
        return delta.reasoning_content or delta.reasoning or ""
    details = [item for item in delta.reasoning_details or () if isinstance(item, dict)]
    return "".join(str(item.get("text") or item.get("summary") or "") for item in details)


def _arguments(value: Any) -> str:
    """A fragment's arguments as text: some servers send an object instead, or null."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _google_signature(extra: Any) -> str | None:
    return text_of(object_of(object_of(extra).get("google")).get("thought_signature")) or None
