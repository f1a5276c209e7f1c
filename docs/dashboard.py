"""Writes the Grafana dashboard, docs/operations/grafana-dashboard.json: `python -m docs.dashboard`.

A panel is a row of `PANELS` or `FLEET`; import the file into Grafana and choose a Prometheus data source.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["FILE", "FLEET", "PANELS", "Panel", "dashboard"]

FILE = Path(__file__).parent / "operations" / "grafana-dashboard.json"

CHOSEN = 'job=~"$job", provider=~"$provider"'
GEN_AI = 'job=~"$job", gen_ai_request_model=~"$model"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 12, 8
COLORS = ("green", "yellow", "red")
OF_JOB = 'job=~"$job"'


class Panel(NamedTuple):
    """title and what to look for; unit by Grafana's names; queries by legend. states: words for the values 0, 1, 2 of a
    state, which is then shown as bars of colour."""

    title: str
    about: str
    unit: str
    queries: Mapping[str, str]
    stacked: bool = False
    states: tuple[str, ...] = ()


def _quantile(share: float, metric: str, where: str, by: str = "") -> str:
    return f"histogram_quantile({share}, sum by (le{by}) (rate({metric}_bucket{{{where}}}[$__rate_interval])))"


def _rate(metric: str, by: str, where: str = CHOSEN) -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


PANELS: tuple[Panel, ...] = (
    Panel(
        "Calls", "Answers asked for, by the target that was asked last.", "reqps",
        {"{{provider}} {{model}}": _rate(
            "llm_request_duration_ms_milliseconds_count", "provider, model", f'{CHOSEN}, phase="total"')},
    ),
    Panel(
        "Failed requests by category",
        "Retryable ones come and go. Permanent ones need a person: a key, a quota, a model's name.", "reqps",
        {"{{error_category}}": _rate("llm_streaming_errors_total", "error_category")}, True,
    ),
    Panel(
        "Why requests fail", "The kind of each failed request; errors.md and `resilient-stream explain` say the rest.",
        "reqps",
        {"{{error_type}}": _rate(
            "gen_ai_client_operation_duration_seconds_count", "error_type", f'{GEN_AI}, error_type!=""')}, True,
    ),
    Panel(
        "Failed requests by target", "Which provider it is.", "reqps",
        {"{{provider}} {{model}}": _rate("llm_streaming_errors_total", "provider, model")}, True,
    ),
    Panel(
        "Time to first chunk", "What users wait for before they see anything.", "s",
        {f"{name} {{{{gen_ai_request_model}}}}": _quantile(
            share, "gen_ai_client_operation_time_to_first_chunk_seconds", GEN_AI, ", gen_ai_request_model")
         for name, share in (("median", 0.5), ("95 %", 0.95))},
    ),
    Panel(
        "Whole call", "With all waits, retries and fallbacks; and the part until an answer's head.", "ms",
        {f"{phase} {name}": _quantile(
            share, "llm_request_duration_ms_milliseconds", f'{CHOSEN}, phase="{phase}"')
         for phase in ("total", "connect") for name, share in (("median", 0.5), ("95 %", 0.95))},
    ),
    Panel(
        "Retries by reason", "Requests sent again to the same target.", "reqps",
        {"{{provider}} {{error_type}}": _rate("llm_request_retries_total", "provider, error_type")}, True,
    ),
    Panel(
        "Retries as a share of calls",
        "The retry budget allows 0.2 and a small reserve for each target; near it, failures go on unretried.",
        "percentunit",
        {"{{provider}}": f"{_rate('llm_request_retries_total', 'provider')} / " + _rate(
            "llm_request_duration_ms_milliseconds_count", "provider", f'{CHOSEN}, phase="total"')},
    ),
    Panel(
        "Ways around a target", "A steady line here is an outage that nobody sees: the fallback hides it.", "reqps",
        {"{{provider}} {{fallback_type}}": _rate("llm_fallback_triggered_total", "provider, fallback_type")}, True,
    ),
    Panel(
        "Tokens", "As the providers count them.", "short",
        {f"{{{{provider}}}} {way}": _rate(f"llm_{way}_tokens_total", "provider") for way in ("input", "output")},
    ),
    Panel(
        "Time between chunks", "The mean of each answer after its first chunk: how fast text runs.", "s",
        {"95 % {{gen_ai_request_model}}": _quantile(
            0.95, "gen_ai_client_operation_time_per_output_chunk_seconds", GEN_AI, ", gen_ai_request_model")},
    ),
    Panel(
        "Tokens of one request", "A median that grows from week to week is a conversation that is never cut.", "short",
        {"median {{gen_ai_token_type}}": _quantile(
            0.5, "gen_ai_client_token_usage", GEN_AI, ", gen_ai_token_type")},
    ),
    Panel(
        "Conversations", "From the first turn to the end, with all tools and prompts.", "s",
        {name: _quantile(share, "gen_ai_invoke_agent_duration_seconds", 'job=~"$job"')
         for name, share in (("median", 0.5), ("95 %", 0.95))},
    ),
    Panel(
        "Tools", "How long each tool takes; a slow one keeps the user waiting as a slow model does.", "s",
        {"95 % {{gen_ai_tool_name}}": _quantile(
            0.95, "gen_ai_execute_tool_duration_seconds", 'job=~"$job"', ", gen_ai_tool_name")},
    ),
)  # fmt: skip


FLEET: tuple[Panel, ...] = (
    Panel(
        "Breakers", "Open: the target is not asked. Half open: one request tests it. The worst of all processes.",
        "short",
        {"{{provider}} {{model}}": f"max by (provider, model) (llm_breaker_state{{{CHOSEN}}})"},
        states=("closed", "half open", "open"),
    ),
    Panel(
        "Clients without a healthy target", "Their calls wait for the first target to recover, or fail.", "short",
        {"{{job}}": f"sum by (job) (llm_breaker_shut_clients{{{OF_JOB}}})"},
    ),
    Panel(
        "Changes of breakers", "Up and down again in a few minutes: the target is at its limit, not down.", "cpm",
        {"{{model}} {{state}}": f"60 * {_rate('llm_breaker_changes_total', 'model, state')}"},
    ),
    Panel(
        "Requests that were not sent", "Why the client kept them back: a breaker, a limit, a budget, a line.", "reqps",
        {"{{provider}} {{model}} {{reason}}": _rate("llm_request_refused_total", "provider, model, reason")}, True,
    ),
    Panel(
        "Waiting requests", "Of clients with limits: how many wait until they may be sent.", "short",
        {"{{provider}} {{model}}": f"sum by (provider, model) (llm_queue_length{{{CHOSEN}}})"}, True,
    ),
    Panel(
        "Time waited", "Of clients with limits, before a request is sent. If it grows, more is asked than is allowed.",
        "s",
        {f"{name} {{{{provider}}}} {{{{model}}}}": _quantile(
            share, "llm_queue_duration_seconds", CHOSEN, ", provider, model")
         for name, share in (("median", 0.5), ("95 %", 0.95))},
    ),
    Panel(
        "Hedges", "Requests beside a model that was slow to begin, and those of them that began before it.", "reqps",
        {"{{model}}, sent": _rate("llm_request_hedges_total", "model"),
         "{{model}}, first": _rate("llm_hedge_won_total", "model")},
    ),
    Panel(
        "What hedging costs", "Hedges as a share of calls; known tokens of losers of races, as a share of all tokens.",
        "percentunit",
        {"{{job}}, requests": f"{_rate('llm_request_hedges_total', 'job')} / " + _rate(
            "llm_request_duration_ms_milliseconds_count", "job", f'{CHOSEN}, phase="total"'),
         "{{job}}, tokens": f"{_rate('llm_hedge_wasted_tokens_total', 'job')} / ("
                            f"{_rate('llm_input_tokens_total', 'job')} + {_rate('llm_output_tokens_total', 'job')})"},
    ),
    Panel(
        "Budgets", "The part of the day's budget that is used; it begins anew at midnight UTC.", "percentunit",
        {"{{job}} {{budget}}": f"max by (job, budget) (llm_budget_used{{{OF_JOB}}} / "
                               f"(llm_budget_used{{{OF_JOB}}} + llm_budget_left{{{OF_JOB}}}))"},
    ),
    Panel(
        "Store", "Processes that cannot share what they know, because the store is late or out of reach.", "short",
        {"{{job}}, late": f"sum by (job) (llm_store_state{{{OF_JOB}}} == bool 1)",
         "{{job}}, out of reach": f"sum by (job) (llm_store_state{{{OF_JOB}}} == bool 2)"}, True,
    ),
    Panel(
        "Cost an hour", "US dollars by the price table; only of clients with prices=.", "currencyUSD",
        {"{{provider}} {{model}}": f"3600 * {_rate('llm_cost_total', 'provider, model')}"}, True,
    ),
    Panel(
        "Wasted tokens", "Of requests that gave no whole answer: failed, cut, left, or slower than another.", "short",
        {"{{provider}} {{model}}": _rate("llm_wasted_tokens_total", "provider, model")}, True,
    ),
    Panel(
        "Cost an hour, by tenant", "US dollars; the ten that cost most. Only calls with a tenant in their metadata.",
        "currencyUSD",
        {"{{tenant}}": f"topk(10, 3600 * {_rate('llm_tenant_cost_total', 'tenant', OF_JOB)})"},
    ),
    Panel(
        "Tokens by tenant", "The ten that use most, and what of it belongs to requests without a whole answer.",
        "short",
        {"{{tenant}}": f"topk(10, {_rate('llm_tenant_tokens_total', 'tenant', OF_JOB)})",
         "{{tenant}}, wasted": f"topk(10, {_rate('llm_tenant_wasted_tokens_total', 'tenant', OF_JOB)})"},
    ),
)  # fmt: skip

ROWS: Mapping[str, tuple[Panel, ...]] = {"Calls": PANELS, "Fleet": FLEET}
"""The panels under each of the dashboard's headings."""


def dashboard() -> dict[str, Any]:
    """The whole document, as Grafana 10 and newer import it."""
    return {
        "__inputs": [],
        "title": "LLM streams",
        "uid": "resilient-stream",
        "tags": ["llm", "resilient_stream"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": list(_panels()),
    }


def _variables() -> list[dict[str, Any]]:
    count = "llm_request_duration_ms_milliseconds_count"
    queries = {
        "job": f"label_values({count}, job)",
        "provider": f'label_values({count}{{job=~"$job"}}, provider)',
        "model": f"label_values({count}{{{CHOSEN}}}, model)",
    }
    chosen = {"includeAll": True, "multi": True, "refresh": 2, "current": {"text": "All", "value": "$__all"}}
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
        *(
            {
                "name": name,
                "type": "query",
                "label": name,
                "datasource": SOURCE,
                "query": query,
                "definition": query,
                **chosen,
            }
            for name, query in queries.items()
        ),
    ]


def _panels() -> Iterator[dict[str, Any]]:
    """Yield each heading and the panels below it, two side by side."""
    number = top = 0
    for heading, panels in ROWS.items():
        number += 1
        place = {"x": 0, "y": top, "w": 2 * WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": heading, "collapsed": False, "gridPos": place, "panels": []}
        for count, panel in enumerate(panels):
            row, column = divmod(count, 2)
            number += 1
            yield _panel(number, panel, {"x": column * WIDTH, "y": top + 1 + row * HEIGHT, "w": WIDTH, "h": HEIGHT})
        top += 1 + (len(panels) + 1) // 2 * HEIGHT


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    custom = {"fillOpacity": 20 if panel.stacked else 5, "stacking": {"mode": "normal" if panel.stacked else "none"}}
    words = {str(value): {"text": word, "color": COLORS[value]} for value, word in enumerate(panel.states)}
    defaults = {"unit": panel.unit, "min": 0, "custom": custom}
    if panel.states:
        defaults = {
            "unit": panel.unit,
            "custom": {"fillOpacity": 70},
            "mappings": [{"type": "value", "options": words}],
        }
    return {
        "id": number,
        "type": "state-timeline" if panel.states else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for place, (legend, query) in enumerate(panel.queries.items())
        ],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(dashboard(), indent=2) + "\n")
    sys.exit(0)
