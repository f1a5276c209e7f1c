"""Decodes the streams of OpenAI's chat completions, from OpenAI and all the hosts of `hosts.py`, into chunks.

Servers write a chunk in many ways (no `delta`, empty `choices`, missing or repeated `index`, changing ids, usage in any
chunk); all that were seen on the wire are read. Only the end is strict: it takes `[DONE]` or a finish reason. Content
of a whole message that no delta had counts as well, and content without a chunk class is passed on. No host's name
stands in this module. The events' types, and why there are two, are in `chat_events.py`.
This module must never await.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...chunks import Finished, FinishReason, TextDelta
from ...classify import classify_error, error_in
from ...contract import Batch
from ...failures import ErrorKind, Failure
from ...wire.broken import event_value
from ...wire.json_events import JsonEvents
from .. import rules_for
from ..shared.counts import openai_usage
from ..shared.ends import end_of, failed_end
from ..shared.event_decoder import EventDecoder
from ..shared.holdings import Holdings
from ..shared.said import KEPT, Said
from ..shared.unmodelled import Unmodelled, is_blank_error
from ..shared.values import object_of, text_of
from .chat_beside import NOT_ASKED, Asked, Beside
from .chat_events import CITED_TEXT, EVENTS, FIRST, TEXT, Choice, Event, Speech, TextEvent, lone_text
from .chat_speech import Speaker

__all__ = ["FAILED_REASONS", "FINISH_REASONS", "ChatReader", "chat_decoder"]


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
"""Reasons with which an answer may end, and the kind when it is not a whole one. A reason that is in no table becomes
"other"."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "error": ErrorKind.SERVER_ERROR,
    "network_error": ErrorKind.SERVER_ERROR,
    "abort": ErrorKind.STREAM_INTERRUPTED,
    "insufficient_system_resource": ErrorKind.PROVIDER_OVERLOADED,
    "malformed_function_call": ErrorKind.MODEL_OUTPUT_INVALID,
    "MALFORMED_FUNCTION_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
    "function_call_filter: MALFORMED_FUNCTION_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
}
"""Reasons that end a failed answer, of OpenRouter, Z.ai, SGLang, DeepSeek and Gemini's compatibility layer."""


def chat_decoder(
    provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False, asked: Asked = NOT_ASKED
) -> EventDecoder[Event]:
    """Return the decoder of one chat completion."""
    reader = ChatReader(provider, raw=raw, holdings=Holdings(max_event_bytes), asked=asked)
    return EventDecoder(provider, reader, JsonEvents(EVENTS, max_event_bytes), eof_ok=eof_ok)


class ChatReader:
    """Reads the events of one chat completion; see `event_decoder`. Choice 0 is the answer; others are passed on as
    `Raw`.

    The finish reason does not end the answer, since the token counts may follow it; `[DONE]` or the end of the body
    does.
    """

    __slots__ = (
        "_all", "_beside", "_broken", "_finish", "_kept", "_provider", "_speaker", "_unmodelled", "done", "failure",
        "model", "plain", "progress", "response_id", "seen", "texts",
    )  # fmt: skip

    def __init__(
        self, provider: str, *, raw: bool = False, holdings: Holdings | None = None, asked: Asked = NOT_ASKED
    ) -> None:
        self.texts = CITED_TEXT if asked.cites else TEXT
        self._provider = provider
        self._all = raw or asked.logprobs  # something may stand beside every text
        self._unmodelled = Unmodelled(provider, raw=raw)
        holdings, text = holdings or Holdings(), Said()
        self._beside = Beside(self._unmodelled, holdings, text, asked)
        self._speaker = Speaker(self._unmodelled, holdings, text, self._beside.part)
        self._kept = self._speaker.text.kept  # a local reference, since it grows with every read
        self._finish: str | None = None
        self._broken = False
        self.plain = False
        self.seen = False
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._unmodelled.counts

    def text(self, events: list[TextEvent]) -> Batch:
        """Return the chunks of a read that contains only text."""
        texts = [text for event in events if (text := event.choices[0].delta.content)]
        self._kept += texts
        if len(self._kept) > KEPT:
            self._speaker.text.measure()
        return list(map(TextDelta, texts))

    def read(self, events: list[Event], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`, with the counts at their end."""
        usage: Any = None
        for place, event in enumerate(events):
            if not self._all and (text := lone_text(event)):
                self._kept.append(text)
                batch.append(TextDelta(text))
                continue
            if (failure := self._failure_in(event)) is not None:
                self.failure = failure
                break
            usage = event.usage or (event.x_groq and object_of(event.x_groq).get("usage")) or usage
            for choice in event.choices or ():
                if choice.index in FIRST:
                    self._read_choice(choice, batch)
            if place < len(payloads) and (type(event) is Event or self._all):
                said = object_of(event_value(payloads[place]))
                if event.choices is None and event.usage is None:
                    self._broken = error_in(said, rules_for(self._provider)) is not None
                batch += self._beside.chunk(said)
        if len(self._kept) > KEPT:
            self._speaker.text.measure()
        self._after_read(events, batch)
        if isinstance(usage, dict):
            batch.append(openai_usage(usage))

    def _after_read(self, events: list[Event], batch: Batch) -> None:
        """Take the names once per read, and decide whether the next read should be tried as text alone."""
        self.seen = self.seen or bool(batch)
        self.model = self.model or next(filter(None, (text_of(event.model) for event in events)), None)
        self.response_id = self.response_id or next(filter(None, (text_of(event.id) for event in events)), None)
        text = bool(batch) and type(batch[-1]) is TextDelta
        self.plain = text and not events[-1].usage and not self._all
        if self._beside.sounds:
            self.seen = True
            self.progress += 1

    def _read_choice(self, choice: Choice, batch: Batch) -> None:
        last = bool(choice.finish_reason or self._finish)
        if choice.delta is not None:
            batch += self._speaker.delta(choice.delta)
        if choice.message is not None:
            batch += self._speaker.message(choice.message, last=last)
        if choice.text:
            batch += self._speaker.message(Speech(content=choice.text), last=last)
        if self._speaker.refusal:
            self.progress += 1
        if choice.finish_reason:
            self._finished(choice.finish_reason, batch)

    def _finished(self, reason: str, batch: Batch) -> None:
        kind = failed_end(reason, FAILED_REASONS, FINISH_REASONS)
        if kind is not None:
            self.failure = self.failure or Failure(kind=kind, code=reason)
            return
        self._finish = self._finish or reason
        batch += self._speaker.whole()

    def _failure_in(self, event: Event) -> Failure | None:
        beside = object_of(event.x_groq).get("error") if event.x_groq else None
        errors = [event.error, beside, *(choice.error for choice in event.choices or ())]
        error = next((each for each in errors if each and not (event.choices and is_blank_error(each))), None)
        if error:
            return classify_error({"error": error}, rules_for(self._provider))
        if isinstance(event.base_resp, dict) and event.base_resp.get("status_code"):
            return classify_error({"base_resp": event.base_resp}, rules_for(self._provider))
        if event.choices is None and event.usage is None and (event.message or event.detail or event.object == "error"):
            said = {"message": event.message or event.detail, "code": event.code, "type": event.type}
            return classify_error(said, rules_for(self._provider))
        return None

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Return whether the body may end: after a finish reason, or at a `[DONE]` that follows anything but an error
        in an unknown shape."""
        return self._finish is not None or (marked and self.seen and not self._broken)

    def close(self) -> Batch:
        """Return the whole tool calls, and the finish reason last of all."""
        self.done = True
        batch = self._speaker.whole() + self.left()
        if self._finish is not None:
            batch.append(self._finished_chunk(self._finish))
        return batch

    def left(self) -> Batch:
        """Return what was held for the end of the answer and is content by itself: a recording, or what came of it."""
        return self._beside.left()

    def _finished_chunk(self, raw: str) -> Finished:
        if self._speaker.refusal:
            return Finished("refusal", raw, "refusal", "".join(self._speaker.refusal))
        reason, kind = end_of(raw, FINISH_REASONS)
        return Finished(reason, raw, kind)
