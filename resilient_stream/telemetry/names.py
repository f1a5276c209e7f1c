"""Names all metrics with unit, labels and meaning: the table from which code, dashboards and docs are made.

There is no metric that is not a row here. The names `llm.*` are this SDK's own; the names `gen_ai.*` are those of
OpenTelemetry's semantic conventions for generative AI.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

__all__ = ["METRICS", "Metric"]

Instrument: TypeAlias = Literal["counter", "updowncounter", "histogram", "gauge"]


class Metric(NamedTuple):
    """Describes one metric. A gauge is read when metrics are collected, the others are recorded as calls end. buckets:
    the boundaries of a histogram, in its unit."""

    name: str
    instrument: Instrument
    unit: str
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_MILLISECONDS = tuple(1000 * bound for bound in (*_SECONDS, 163.84, 327.68))
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_CHUNKS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_MINUTES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
_GEN_AI = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model")

METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric("llm.request.duration_ms", "histogram", "ms", ("provider", "model", "phase"),
               "How long it took: until the answer's head (phase=connect), from there to its end (stream), and the "
               "whole call with all waits (total).", _MILLISECONDS),
        Metric("llm.request.retries", "counter", "{retry}", ("provider", "model", "error_type"),
               "Requests sent again to the same target, by the kind of error that was the reason."),
        Metric("llm.request.hedges", "counter", "{request}", ("provider", "model"),
               "Requests to another target beside one of this model that was slow to begin."),
        Metric("llm.queue.length", "updowncounter", "{request}", ("provider", "model"),
               "Requests that wait now because of Limits."),
        Metric("llm.queue.duration", "histogram", "s", ("provider", "model"),
               "How long a request to a target with limits waited for them, until it was sent or given up.", _SECONDS),
        Metric("llm.hedge.won", "counter", "{request}", ("provider", "model"),
               "Hedges that began before this model, which was slow to begin."),
        Metric("llm.hedge.wasted_tokens", "counter", "{token}", ("provider", "model"),
               "Tokens of requests to this model that lost a race, estimated where their answers had begun: what the "
               "others used nobody knows. They are part of llm.wasted_tokens."),
        Metric("llm.request.refused", "counter", "{request}", ("provider", "model", "reason"),
               "Requests that were not sent: the target's breaker is open (reason=breaker_open), a limit would not "
               "allow it in time (own_limit), the day's budget is used up (own_budget), or the deadline passed while "
               "it waited (in_the_line). Only the last one is among llm.streaming.errors, too."),
        Metric("llm.breaker.changes", "counter", "{change}", ("provider", "model", "state"),
               "Changes of a target's breaker, by the state that it came to: open, half_open or closed."),
        Metric("llm.breaker.state", "gauge", "{state}", ("provider", "model"),
               "A target's breaker now: 0 is closed, 1 is half open, 2 is open. The worst of this process's clients "
               "and keys."),
        Metric("llm.breaker.shut_clients", "gauge", "{client}", (),
               "Clients of this process with a breaker none of whose targets is closed."),
        Metric("llm.budget.used", "gauge", "{USD}", ("budget",),
               "US dollars spent today (UTC) of a budget: of a target (provider:model), or of \"all targets\". With a "
               "store it is what all processes have spent. Of several clients, the one that has the least left."),
        Metric("llm.budget.left", "gauge", "{USD}", ("budget",),
               "US dollars that are left of the same budget today (UTC); 0 if it is used up."),
        Metric("llm.store.state", "gauge", "{state}", (),
               "The store that processes share: 0 answers in time, 1 is late, 2 is out of reach."),
        Metric("llm.tenant.cost", "counter", "{USD}", ("tenant",),
               "US dollars that the requests of calls with metadata={\"tenant\": …} cost, where prices are known."),
        Metric("llm.tenant.tokens", "counter", "{token}", ("tenant",),
               "Input and output tokens of those requests."),
        Metric("llm.tenant.wasted_tokens", "counter", "{token}", ("tenant",),
               "The part of those tokens that belongs to requests without a whole answer."),
        Metric("llm.input_tokens", "counter", "{token}", ("provider", "model"),
               "Input tokens as the providers count them."),
        Metric("llm.output_tokens", "counter", "{token}", ("provider", "model"),
               "Output tokens as the providers count them."),
        Metric("llm.wasted_tokens", "counter", "{token}", ("provider", "model"),
               "Tokens of requests that gave no whole answer: failed, cut, left by their caller, or slower than "
               "another one. Where the provider told none, they are estimated."),
        Metric("llm.cost", "counter", "{USD}", ("provider", "model"),
               "US dollars that requests cost, where the client computes prices and knows them."),
        Metric("llm.streaming.errors", "counter", "{error}", ("provider", "model", "error_category"),
               "Failed requests, retried ones included, by category."),
        Metric("llm.fallback.triggered", "counter", "{fallback}", ("provider", "model", "fallback_type"),
               "Ways around a failing target, labelled with the one that was left: another provider "
               "(provider_switch), a continued answer (continuation), a whole answer in place of a stream "
               "(buffered), a person asked (interactive)."),
        Metric("gen_ai.client.operation.duration", "histogram", "s",
               (*_GEN_AI, "error.type", "server.address", "server.port"),
               "Duration of one request to a provider.", _SECONDS),
        Metric("gen_ai.client.token.usage", "histogram", "{token}", (*_GEN_AI, "gen_ai.token.type"),
               "Tokens of one request, by type input or output.", _TOKENS),
        Metric("gen_ai.client.operation.time_to_first_chunk", "histogram", "s", _GEN_AI,
               "From sending a request to its first content.", _SECONDS),
        Metric("gen_ai.client.operation.time_per_output_chunk", "histogram", "s", _GEN_AI,
               "Mean time between two chunks of one answer, after the first.", _CHUNKS),
        Metric("gen_ai.invoke_agent.duration", "histogram", "s", ("error.type",),
               "Duration of one conversation, with its turns, tools and prompts.", _MINUTES),
        Metric("gen_ai.execute_tool.duration", "histogram", "s", ("gen_ai.tool.name", "gen_ai.tool.type", "error.type"),
               "Duration of one tool's call in a conversation.", _SECONDS),
    )
}  # fmt: skip
"""All metrics by name, in the order in which the documents show them."""
