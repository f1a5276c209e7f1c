"""Makes the attributes of spans and metrics: the names of OpenTelemetry's conventions for generative AI, and our own.

Every name is written here and nowhere else. The conventions are release 1.41 of OpenTelemetry's semantic conventions
(https://opentelemetry.io/docs/specs/semconv/gen-ai/), where they are still in development. Where an attribute was
renamed since, both names are written. No attribute here has a prompt, an answer, a header or a key; prompts and answers
are in `content.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..chunks import Usage
from ..contract import Request
from ..outcome.errors import StreamError
from ..outcome.transcript import Attempt, Outcome, Transcript
from ..providers import capabilities_of, facts_about

__all__ = [
    "IS_ERROR",
    "OPERATION",
    "OTHER",
    "OURS",
    "STREAMED",
    "answered",
    "asked",
    "conversation",
    "conversation_id",
    "ended",
    "error_type",
    "known",
    "model_label",
    "place",
    "provider_name",
    "split_target",
    "tokens",
    "whole",
]

OPERATION = "chat"
STREAMED = "gen_ai.request.stream"
OTHER = "other"
"""The label for a model that answered in place of the one that was asked for."""

OURS: Mapping[str, str] = {
    "resilient_stream.call_id": "The call's number in this process, as in its log lines.",
    "resilient_stream.target": "The request's target; on a call, the one that answered or was tried last.",
    "resilient_stream.outcome": "How it ended: complete, failed, deadline, cancelled, abandoned or client_closed; "
    "a tool's call may also be refused.",
    "resilient_stream.attempts": "Requests that were sent for the call or the conversation; in a retry, the most there "
    "will be.",
    "resilient_stream.attempt": "Which request to this target it was, from 1.",
    "resilient_stream.hedge": "The request ran beside another one.",
    "resilient_stream.request_id": "The provider's id of the request, for its support.",
    "resilient_stream.finish_kind": "Set when the answer is not whole: output_truncated, refusal, content_filtered.",
    "resilient_stream.unmodelled": "Names of what came as Raw, since this version has no chunk class for it.",
    "resilient_stream.error.category": "Who has to act: retryable, permanent, context or resource.",
    "resilient_stream.error.phase": "How far the request had come: connect, request, stream or finish.",
    "resilient_stream.gave_up": "Why a failure that may pass was not tried again.",
    "resilient_stream.usage.input_tokens": "Input tokens of one request, as the provider counts them.",
    "resilient_stream.usage.output_tokens": "Output tokens of one request, as the provider counts them.",
    "resilient_stream.wait": "Seconds until the next request.",
    "resilient_stream.source": "The target that was left.",
    "resilient_stream.how": "The way around: provider_switch, continuation, buffered, interactive; a seam's method.",
    "resilient_stream.overlap": "Characters of a continuation that were there already, and were dropped.",
    "resilient_stream.restart": "The consumer was asked to throw away what it had.",
}
"""Our own attributes, each with its meaning."""

IS_ERROR: Mapping[Outcome, bool] = {
    "complete": False,
    "failed": True,
    "deadline": True,
    "cancelled": False,
    "abandoned": False,
    "client_closed": False,
}
"""Outcomes for which a span has the status error. A caller that leaves is no error; a missed deadline is one."""

_OF_THE_LAST_TURN = (
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.response.finish_reasons",
    "resilient_stream.target",
    "resilient_stream.finish_kind",
)

LONGEST_NAME = 200
_VERSIONS = r"([-@:_.](latest|preview|exp|\d{4}-\d{2}-\d{2}|\d{3,8}|v\d{1,3}(:\d{1,3})?))++$"
"""What providers add to a model's name: a date, a version, or both."""


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes without unknown values, since an attribute cannot be null."""
    return {name: value for name, value in values.items() if value is not None}


def split_target(target: str) -> tuple[str, str]:
    """Split "provider:model" into its two parts."""
    provider, _, model = target.partition(":")
    return provider, model


def provider_name(provider: str) -> str:
    """Return the conventions' name of one of our providers."""
    return facts_about(provider).telemetry_name or provider


def asked(request: Request) -> dict[str, Any]:
    """Return the attributes of a request that are known before anything is sent.

    `gen_ai.request.choice.count` is never among them: the conventions want it only where it is not 1, and a request for
    several answers is refused.
    """
    return known({
        "gen_ai.operation.name": OPERATION,
        "gen_ai.provider.name": provider_name(request.target.provider),
        "gen_ai.request.model": request.target.model,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.top_p": request.top_p,
        "gen_ai.request.top_k": request.top_k,
        "gen_ai.request.presence_penalty": request.presence_penalty,
        "gen_ai.request.frequency_penalty": request.frequency_penalty,
        "gen_ai.request.seed": request.seed,
        "gen_ai.request.stop_sequences": request.stop or None,
        "gen_ai.request.reasoning.level": request.reasoning if isinstance(request.reasoning, str) else None,
        "gen_ai.output.type": "json" if request.output is not None else None,
    })  # fmt: skip


def model_label(asked: str, answered: str | None) -> str | None:
    """Return a metric's label for the model that answered: the model asked for, a variant of its name, or "other".

    A server may name a new model in each answer, and each label value is a series that is stored.
    """
    if answered is None or answered == asked:
        return answered
    return answered if _base_name(answered) == _base_name(asked) else OTHER


def _base_name(model: str) -> str:
    """Return a model's name without organisation, region, date and version."""
    name = model[:LONGEST_NAME].lower().rpartition("/")[2]
    name = re.sub(r"^([a-z]{2,6}\.)?[a-z0-9]+\.(?=[a-z])", "", name)
    return re.sub(_VERSIONS, "", name)


def place(host: str) -> dict[str, Any]:
    """Return the attributes of a request's host and port. Without a port it is HTTPS's. A program has neither."""
    name, colon, port = host.rpartition(":")
    if not colon or ":" in name:  # there is no port, or it cannot be told from an IPv6 address
        return {"server.address": host, "server.port": 443} if host else {}
    return {"server.address": name, "server.port": int(port)}


def answered(attempt: Attempt) -> dict[str, Any]:
    """Return the attributes of one request's result.

    Its tokens have our own names. `gen_ai.usage` is only on the call, because backends that add it up over all spans
    would count it twice.
    """
    usage = attempt.usage
    return known({
        "http.response.status_code": attempt.status,
        "gen_ai.response.id": attempt.response_id,
        "gen_ai.response.model": attempt.response_model,
        "gen_ai.response.time_to_first_chunk": attempt.time_to_first_chunk,
        "resilient_stream.request_id": attempt.request_id,
        "resilient_stream.usage.input_tokens": usage and usage.input_tokens,
        "resilient_stream.usage.output_tokens": usage and usage.output_tokens,
    })  # fmt: skip


def whole(transcript: Transcript) -> dict[str, Any]:
    """Return the attributes of a call's result."""
    target = transcript.target or (transcript.attempts[-1].target if transcript.attempts else None)
    provider, model = split_target(target) if target else (None, None)
    last = next((each for each in reversed(transcript.attempts) if each.response_id), None)
    finish = transcript.finish_reason or ("error" if transcript.target else None)
    return known({
        "gen_ai.provider.name": provider and provider_name(provider),
        "gen_ai.request.model": model,
        "gen_ai.response.id": last and last.response_id,
        "gen_ai.response.model": transcript.model,
        "gen_ai.response.finish_reasons": finish and (finish,),
        "gen_ai.response.time_to_first_chunk": transcript.time_to_first_chunk,
        "resilient_stream.target": target,
        "resilient_stream.attempts": transcript.requests,
        "resilient_stream.outcome": transcript.outcome,
        "resilient_stream.request_id": transcript.request_id,
        "resilient_stream.finish_kind": transcript.finish_kind,
        "resilient_stream.unmodelled": tuple(transcript.unmodelled) or None,
        **_spent(transcript.attempts),
    })  # fmt: skip


def conversation_id(request: Request) -> str | None:
    """Return the id that the caller gave the conversation of this request: `metadata={"conversation_id": …}`."""
    given = request.metadata.get("conversation_id")
    return None if given in (None, "") else str(given)


def conversation(turns: Sequence[Transcript]) -> dict[str, Any]:
    """Return the attributes of a conversation's result: those of its last turn, and the sums over all turns."""
    last = whole(turns[-1]) if turns else {}
    return {name: last[name] for name in _OF_THE_LAST_TURN if name in last} | {
        "resilient_stream.attempts": sum(turn.requests for turn in turns),
        **_spent([attempt for turn in turns for attempt in turn.attempts]),
    }


def ended(error: StreamError) -> dict[str, Any]:
    """Return the attributes of a failure."""
    return known({
        "error.type": error.kind.value,
        "resilient_stream.error.category": error.category.value,
        "resilient_stream.error.phase": error.phase,
        "resilient_stream.gave_up": error.gave_up,
    })  # fmt: skip


def error_type(outcome: Outcome, error: StreamError | None) -> str | None:
    """Return the conventions' `error.type`: our kind, or their `_OTHER` for an exception that is not ours."""
    if not IS_ERROR[outcome]:
        return None
    return error.kind.value if error is not None else "_OTHER"


def tokens(target: str, usage: Usage) -> tuple[int | None, int | None]:
    """Return input and output tokens as the conventions count them: cached input and reasoning are included."""
    return capabilities_of(target).totals(usage)


def _spent(attempts: list[Attempt]) -> dict[str, int]:
    """Return the tokens of all requests of a call, since those of failed requests are billed, too."""
    spent: dict[str, int] = {}
    for attempt in attempts:
        if (usage := attempt.usage) is None:
            continue
        given, made = tokens(attempt.target, usage)
        for name, count in (
            ("gen_ai.usage.input_tokens", given),
            ("gen_ai.usage.output_tokens", made),
            ("gen_ai.usage.cache_read.input_tokens", usage.cached_input_tokens),
            ("gen_ai.usage.cache_write.input_tokens", usage.cache_write_tokens),
            ("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens),  # its name until 2026
            ("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens),
        ):
            if count is not None:
                spent[name] = spent.get(name, 0) + count
    return spent
