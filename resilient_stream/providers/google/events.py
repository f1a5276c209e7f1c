"""Defines the events of Gemini's stream, as types; and which of their fields are no content.

Most network reads of an answer hold nothing but text. Those are decoded as `TextEvent`, whose types admit nothing else;
any other read is decoded as `Event`, by a narrower type where it fits, and taken apart.
Token counts come with every event and only the last one stands, so they stay undecoded.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from ...wire.json_events import BatchDecoder
from ..shared.unmodelled import Fields, names, narrowed

__all__ = [
    "CANDIDATE", "CONTENT", "EVENT", "EVENTS", "PART", "PART_EXTRAS", "TEXT", "Candidate", "Event", "Part",
    "Sent", "TextEvent",
]  # fmt: skip


class _TextPart(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    text: str


class _TextContent(msgspec.Struct, gc=False):
    parts: tuple[_TextPart]


class _TextCandidate(msgspec.Struct, gc=False):
    content: _TextContent
    finishReason: None = None
    index: Literal[0] = 0
    citationMetadata: None = None
    groundingMetadata: None = None
    urlContextMetadata: None = None
    logprobsResult: None = None


class TextEvent(msgspec.Struct, gc=False):
    """Admits an event with one text part and nothing else; anything more is a ValidationError."""

    candidates: tuple[_TextCandidate]
    usageMetadata: msgspec.Raw = msgspec.Raw(b"")
    error: None = None


class Part(msgspec.Struct, gc=False, omit_defaults=True):
    """Holds a part of a candidate's content."""

    text: str | None = None
    thought: bool | None = None
    thoughtSignature: str | None = None
    functionCall: dict[str, Any] | None = None
    executableCode: Any = None
    codeExecutionResult: Any = None
    toolCall: Any = None
    toolResponse: Any = None
    inlineData: Any = None
    fileData: Any = None
    audioTranscription: Any = None


class _Content(msgspec.Struct, gc=False, omit_defaults=True):
    parts: list[Part] | Part | None = None


class Candidate(msgspec.Struct, gc=False, omit_defaults=True):
    """Holds one of the answers; usually there is only one."""

    content: _Content | None = None
    finishReason: str | int | None = None
    finishMessage: str | None = None
    index: int | None = 0
    citationMetadata: Any = None
    groundingMetadata: Any = None
    urlContextMetadata: Any = None
    logprobsResult: Any = None


class _PromptFeedback(msgspec.Struct, gc=False):
    blockReason: str | int | None = None


class Event(msgspec.Struct, gc=False):
    """Admits an event of any type. response: the event that a gateway wraps."""

    candidates: list[Candidate] | None = None
    usageMetadata: msgspec.Raw = msgspec.Raw(b"")
    promptFeedback: _PromptFeedback | None = None
    error: Any = None
    modelVersion: Any = None
    responseId: Any = None
    response: Any = None


# -- what is content --------------------------------------------------------------------------

PART = Fields(
    read=names("text thought thoughtSignature functionCall audioTranscription"),
    aside=names("videoMetadata partMetadata mediaResolution mediaProcessing speechMetadata"),
    content=names(
        "executableCode codeExecutionResult toolCall toolResponse inlineData fileData functionResponse inline_data "
        "file_data"
    ),
)
CONTENT = Fields(read=names("parts role"))
PART_EXTRAS = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse", "inlineData", "fileData")
"""Fields of a part that are passed on in their place between the texts."""

CANDIDATE = Fields(
    read=names(
        "content finishReason finishMessage index citationMetadata groundingMetadata urlContextMetadata logprobsResult"
    ),
    aside=names("safetyRatings avgLogprobs tokenCount score"),
    content=names("groundingAttributions"),
)
EVENT = Fields(
    read=names("candidates usageMetadata promptFeedback error modelVersion responseId response"),
    aside=names("createTime modelStatus traceId metadata sdkHttpResponse automaticFunctionCallingHistory"),
    content=names("groundingMetadata citationMetadata"),
)

_Part: Any = narrowed(Part, "")
_KnownContent: Any = narrowed(_Content, "role", parts=list[_Part] | None)
_Candidate: Any = narrowed(
    Candidate, "safetyRatings avgLogprobs", content=_KnownContent | None, index=Literal[0] | None,
)  # fmt: skip
_Event: Any = narrowed(Event, "createTime", candidates=list[_Candidate] | None, response=None)

TEXT = BatchDecoder(TextEvent)
Sent: TypeAlias = Event | list[Event]
"""An event as it may be sent: Google's front-ends wrap an error in a list of one."""
_EITHER: Any = Sent
EVENTS: BatchDecoder[Sent] = BatchDecoder(_EITHER, _Event)
"""Decodes events. An event that comes as `Event` itself has something in it that is not read, or is rare."""
