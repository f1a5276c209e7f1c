"""Decodes the stream of Ollama's own API, JSON lines, into chunks; tool calls come whole, as objects.

Only `"done": true` ends an answer, and not with every reason: a proxy whose upstream died says `done_reason: "error"`,
and a server that only loaded the model says "load".
This module must never await.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ...chunks import File, Finished, FinishReason, Logprobs, ReasoningDelta, TextDelta, Usage
from ...classify import classify_error
from ...contract import Batch
from ...failures import ErrorKind, Failure
from ...wire.broken import event_value
from ...wire.json_events import BatchDecoder
from ...wire.json_lines import JsonLines
from ...wire.limits import few
from .. import rules_for
from ..shared.counts import count
from ..shared.encoded import UNKNOWN_TYPE, bytes_of, type_by_bytes
from ..shared.ends import end_of, failed_end
from ..shared.event_decoder import EventDecoder
from ..shared.holdings import Holdings
from ..shared.said import Said
from ..shared.unmodelled import Fields, Unmodelled, is_blank_error, names, narrowed, says
from ..shared.values import list_of, listed, object_of
from .calls import OllamaCalls

__all__ = ["FAILED_REASONS", "FINISH_REASONS", "OllamaReader", "ollama_decoder"]


class _TextMessage(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    content: str
    role: str | None = None
    thinking: None = None
    tool_calls: None = None


class _TextLine(msgspec.Struct, gc=False):
    """Admits a line with text and nothing else; any other line is a ValidationError."""

    message: _TextMessage
    done: Literal[False] = False
    error: None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[dict[str, Any]] | dict[str, Any] | None = None


class _Line(msgspec.Struct, gc=False):
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    model: str | None = None
    created_at: str | None = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None


MESSAGE = Fields(
    read=names("role content thinking tool_calls tool_name name images"), content=names("audio citations annotations")
)
LINE = Fields(
    read=names(
        "message response thinking done done_reason model created_at prompt_eval_count eval_count error images image "
        "logprobs"
    ),
    aside=names(
        "total_duration load_duration prompt_eval_duration eval_duration context remote_model remote_host "
        "prompt_eval_cached_count peak_memory id"
    ),
    content=names("citations annotations sources"),
)
_KnownMessage: Any = narrowed(_Message, "role")
_KnownLine: Any = narrowed(
    _Line, "total_duration load_duration prompt_eval_duration eval_duration", message=_KnownMessage | None
)

_TEXT = BatchDecoder(_TextLine)
_LINES = BatchDecoder(_Line, _KnownLine)
"""Decodes lines. A line that comes as `_Line` itself has something in it that is not read, or is rare."""

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "stop": ("stop", None),
    "length": ("length", "output_truncated"),
}
"""Reasons with which an answer may end. A reason that is in no table becomes "other"."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "error": ErrorKind.SERVER_ERROR,
    "load": ErrorKind.MODEL_LOADING,
    "unload": ErrorKind.MODEL_LOADING,
}
"""Reasons that mean that there is no answer."""


def ollama_decoder(
    provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False, logprobs: bool = False
) -> EventDecoder[_Line]:
    """Return the decoder of one answer of `/api/chat`, or of `/api/generate`, which some gateways answer with.
    logprobs: they were asked for."""
    reader = OllamaReader(provider, Holdings(max_event_bytes), raw=raw, logprobs=logprobs)
    return EventDecoder(provider, reader, JsonLines(_LINES, max_event_bytes), eof_ok=eof_ok)


class OllamaReader:
    """Reads the lines of one answer of `/api/chat`; see `event_decoder`. Ollama gives an answer no id."""

    __slots__ = (
        "_calls", "_logprobs", "_provider", "_text", "_turn", "_unmodelled", "done", "failure", "model", "plain",
        "progress", "response_id", "seen",
    )  # fmt: skip

    texts = _TEXT

    def __init__(
        self, provider: str, holdings: Holdings | None = None, *, raw: bool = False, logprobs: bool = False
    ) -> None:
        self._provider = provider
        self._logprobs = logprobs
        self._unmodelled = Unmodelled(provider, raw=raw)
        self._text = Said()
        self._calls = OllamaCalls(holdings or Holdings())
        self._turn = ""
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

    def text(self, events: list[_TextLine]) -> Batch:
        """Return the chunks of a read that contains only text."""
        return self._text.given([text for line in events if (text := line.message.content)])

    def read(self, events: list[_Line], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some lines into `batch`, up to the end or a failure among them."""
        for place, line in enumerate(events):
            if line.error and not (line.message and is_blank_error(line.error)):
                self.failure = classify_error({"error": line.error}, rules_for(self._provider))
            else:
                odd = place < len(payloads) and (type(line) is _Line or self._unmodelled.raw or self._logprobs)
                found = self._other_chunks(object_of(event_value(payloads[place]))) if odd else []
                self._read_line(line, found, batch)
            if self.done or self.failure is not None:
                break
        self.seen = self.seen or bool(batch)
        self.plain = bool(batch) and type(batch[-1]) is TextDelta and not self._logprobs

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Return False: an answer ends only with `"done": true`."""
        return False

    def close(self) -> Batch:
        """Return the call that waited; there is never half a line."""
        self.done = True
        return [*self._calls.rest()]

    def _other_chunks(self, line: dict[str, Any]) -> Batch:
        """Return what a line has beside its text: pictures, probabilities, and fields that the reader does not read."""
        message = object_of(line.get("message"))
        pictures = [*list_of(message.get("images")), *list_of(line.get("images")), line.get("image")]
        found: Batch = [chunk for picture in pictures if says(picture) for chunk in self._picture(picture)]
        if (tokens := list_of(line.get("logprobs"))) and self._logprobs:
            found.append(Logprobs(tuple(tokens)))
        found += self._unmodelled.fields(message, MESSAGE)
        return found + self._unmodelled.fields(line, LINE, once=True)

    def _picture(self, picture: Any) -> Batch:
        """Return a picture, which is base64 text alone. Its first bytes tell its type."""
        if not (data := bytes_of(picture)):
            return [self._unmodelled.content("images", picture)]
        kind = type_by_bytes(data)
        return [File("image/*" if kind == UNKNOWN_TYPE else kind, data, native={"images": []})]

    def _new_text(self, text: str, last: bool) -> Batch:
        """Return the new part of a text; some proxies repeat the whole text in the last line."""
        again = last and len(text) >= self._text.length > 0 and self._text.begins(text)
        if again:
            text = self._text.rest(text)
        else:
            self._text.add(text)
        return [TextDelta(text)] if text else []

    def _read_line(self, line: _Line, beside: Batch, batch: Batch) -> None:
        self.model = self.model or line.model
        self._turn = self._turn or re.sub(r"\D", "", (line.created_at or "")[:64])
        message = line.message or _Message()
        thought, text = message.thinking or line.thinking, message.content or line.response
        if thought or text or line.done:
            batch += self._calls.rest() if not message.tool_calls else []
        if thought:
            batch.append(ReasoningDelta(thought))
        if text:
            batch += self._new_text(text, line.done)
        batch += beside
        for call in few(listed(message.tool_calls)):
            batch += self._calls.read(call, self._turn)
        if line.done:
            batch += self._calls.rest()
            self._ended(line, batch)

    def _ended(self, line: _Line, batch: Batch) -> None:
        """Read the counts and the reason of the last line; servers before 2024 gave no reason."""
        read, written = count(line.prompt_eval_count), count(line.eval_count)
        if read is not None or written is not None:
            batch.append(Usage(read, written))
        raw = line.done_reason or "stop"
        if (failed := failed_end(raw, FAILED_REASONS, FINISH_REASONS)) is not None:
            self.failure = Failure(kind=failed, code=raw)
            return
        self.done = True
        reason, kind = end_of(raw, FINISH_REASONS)
        batch.append(Finished("tool_calls" if self._calls and reason == "stop" else reason, raw, kind))
