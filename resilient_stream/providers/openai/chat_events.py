"""Defines the events of a chat completion's stream, as types; and which of their fields are no content.

Most network reads of an answer hold nothing but text. Those are decoded as `TextEvent`, whose types admit nothing else,
so no field needs a look per token: an unknown field in a delta is refused there, too. Any other read is decoded as
`Event`, by a narrower type where it fits; else something may stand beside its text, which `chat_beside.py` reads. No
host is known by its name here. Each line of the tables was seen on the wire of some host.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ...wire.json_events import BatchDecoder
from ..shared.unmodelled import NOTHING, Fields, names, narrowed

__all__ = [
    "CHOICE",
    "CITED_TEXT",
    "EVENT",
    "EVENTS",
    "FIRST",
    "SPEECH",
    "TEXT",
    "Choice",
    "Event",
    "Speech",
    "TextEvent",
    "lone_text",
]


class _TextContent(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    content: str
    role: str | None = None
    tool_calls: NOTHING = None
    function_call: None = None
    refusal: None = None
    reasoning: None = None
    reasoning_content: None = None
    reasoning_details: NOTHING = None


class _TextChoice(msgspec.Struct, gc=False):
    delta: _TextContent
    finish_reason: None = None
    index: Literal[0] = 0
    message: None = None
    text: None = None


class TextEvent(msgspec.Struct, gc=False):
    """Admits a chunk with text and nothing else; anything more is a ValidationError.

    Of the fields beside the choices only those are named that are known to be content: naming all would cost as much
    as the text.
    """

    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None
    x_groq: None = None
    citations: NOTHING = None
    search_results: NOTHING = None


class CitedTextEvent(TextEvent, gc=False):
    """Admits a chunk with text and nothing else, for an answer that may have more beside its text, since the request
    gave it something to search."""

    web_search: NOTHING = None
    search_info: NOTHING = None
    annotations: NOTHING = None
    references: NOTHING = None
    documents: NOTHING = None
    context: NOTHING = None
    images: NOTHING = None


FIRST = (0, "0", None)
"""The numbers of the answer that is read, where there are several."""


class Speech(msgspec.Struct, gc=False):
    """Holds a `delta`, or a `message` in its place."""

    content: Any = None
    tool_calls: list[dict[str, Any]] | dict[str, Any] | None = None
    function_call: dict[str, Any] | None = None
    refusal: str | None = None
    reasoning: Any = None
    reasoning_content: Any = None
    reasoning_details: list[Any] | None = None
    thinking: Any = None


class Choice(msgspec.Struct, gc=False):
    """Holds one of the answers; usually there is only one."""

    delta: Speech | None = None
    message: Speech | None = None
    text: str | None = None
    finish_reason: str | None = None
    index: int | str | None = 0
    error: Any = None


class Event(msgspec.Struct, gc=False):
    """Admits a chunk of any kind."""

    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None
    id: Any = None
    model: Any = None
    code: Any = None
    message: Any = None
    detail: Any = None
    base_resp: Any = None
    object: Any = None
    type: Any = None


# -- what is content --------------------------------------------------------------------------

SPEECH = Fields(
    read=names(
        "role content tool_calls function_call refusal reasoning reasoning_content reasoning_details name index "
        "tool_call_id id type thinking annotations citations search_results search_info web_search references context "
        "documents images image audio executed_tools reasoning_steps"
    ),
    aside=names("channel provider_metadata provider_specific_fields metadata token_ids finish_reason stop_reason"),
    content=names("video grounding"),
)
"""Decodes a delta or message; its `reasoning_details` are looked at on their own."""

CHOICE = Fields(
    read=names(
        "delta message text finish_reason index error logprobs annotations citations search_results references images "
        "audio"
    ),
    aside=names(
        "native_finish_reason content_filter_results content_filter_result content_filter_offsets stop_reason "
        "matched_stop seed token_ids prompt_token_ids provider_specific_fields moderation"
    ),
)

EVENT = Fields(
    read=names(
        "choices usage id object created model error code message detail base_resp type citations search_results "
        "search_info web_search references annotations documents context images videos audio executed_tools"
    ),
    aside=names(
        "system_fingerprint service_tier obfuscation p x_groq provider prompt_filter_results time_info timings "
        "stream_options latency_checkpoint generationId moderation nonce prompt_logprobs prompt_token_ids warnings "
        "kv_transfer_params request_id requestId trace_id session_id response_id conversation_id created_at status "
        "metadata provider_metadata provider_specific_fields usage_breakdown citation_format cost version sla_metrics "
        "performance_metrics input_sensitive_type output_sensitive_type search_context_size "
        "amazon-bedrock-invocationMetrics amazon-bedrock-guardrailAction amazon-bedrock-trace prompt_progress __verbose"
    ),
    content=names("related_questions grounding_metadata"),
)


_Speech: Any = narrowed(Speech, "role", annotations=NOTHING, reasoning_details=NOTHING)
_Choice: Any = narrowed(
    Choice, "logprobs native_finish_reason content_filter_results", delta=_Speech | None, message=_Speech | None,
    index=Literal[0] | None,
)  # fmt: skip
_Event: Any = narrowed(
    Event, "created system_fingerprint service_tier obfuscation p provider", choices=list[_Choice] | None
)

TEXT = BatchDecoder(TextEvent)
CITED_TEXT: BatchDecoder[TextEvent] = BatchDecoder(CitedTextEvent)
EVENTS = BatchDecoder(Event, _Event)
"""Decodes events. An event that comes as `Event` itself has something in it that is not read, or that few hosts
send."""


def lone_text(event: Event) -> str:
    """Return the text of an event that has nothing else, which most events of a mixed read are; else ""."""
    if type(event) is Event or not event.choices or len(event.choices) > 1:
        return ""  # an event of the narrower type has one choice and no `reasoning_details`
    choice = event.choices[0]
    said = choice.delta
    if (
        said is None or choice.finish_reason or choice.error or choice.message is not None or choice.text
        or event.error or event.usage or event.x_groq or event.base_resp
        or said.tool_calls or said.function_call or said.refusal
        or said.reasoning or said.reasoning_content or said.thinking
    ):  # fmt: skip
        return ""
    return said.content if type(said.content) is str else ""
