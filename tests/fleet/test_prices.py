"""Costs by the table of genai-prices: which of its prices belongs to which target, and what is not known."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from resilient_stream import Client, StreamMisused, Usage
from resilient_stream.engine import prices as module
from resilient_stream.engine.prices import Prices
from resilient_stream.outcome.transcript import Attempt
from tests.engine.clock import Clock
from tests.engine.scripted import END, STOP, Answer, client_over, text_event

COUNTED = b'data: {"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":1000}}\n\n'


def attempt(target: str, usage: Usage | None, **values: Any) -> Attempt:
    """A request that has ended."""
    return Attempt(target=target, model=target, started=1_790_000_000.0, usage=usage, outcome="complete", **values)


@pytest.fixture
def table() -> Any:
    """The package, where it is installed."""
    return pytest.importorskip("genai_prices", reason="the extra `prices` is not installed")


@pytest.mark.parametrize(
    "target",
    ["openai:gpt-5-mini", "openai-responses:gpt-5-mini", "azure:gpt-5-mini", "anthropic:claude-haiku-4-5",
     "gemini:gemini-2.5-flash", "vertex:gemini-2.5-flash", "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0",
     "cohere:command-a-03-2025", "mistral:mistral-large-latest", "groq:llama-3.3-70b-versatile",
     "groq-responses:openai/gpt-oss-120b", "deepseek:deepseek-chat", "xai:grok-4", "xai-responses:grok-4",
     "openrouter:openai/gpt-5-mini", "together:meta-llama/Llama-3.3-70B-Instruct-Turbo", "perplexity:sonar",
     "fireworks:accounts/fireworks/models/gpt-oss-120b", "cerebras:gpt-oss-120b", "moonshot:kimi-k2-0905-preview"],
)  # fmt: skip
def test_a_provider_has_a_name_in_the_table(table: Any, target: str) -> None:
    """A model that everybody knows has a price at this provider."""
    price = Prices().of(attempt(target, Usage(1_000_000, 1_000_000)))
    assert price is not None
    assert price > 0


@pytest.mark.parametrize("target", ["local:smollm2", "ollama:llama3.2", "openai:my-own", "nobody:gpt-5-mini"])
def test_what_is_in_no_table_has_no_cost(table: Any, target: str) -> None:
    """None, which is not zero."""
    assert Prices().of(attempt(target, Usage(1000, 1000))) is None


def test_each_provider_counts_in_its_own_way(table: Any) -> None:
    """Anthropic's input is without the cached tokens, OpenAI's with them; the table wants them included."""
    calc, usage = table.calc_price, table.Usage(input_tokens=1000, cache_read_tokens=900, output_tokens=10)
    theirs = calc(usage, "claude-haiku-4-5", provider_id="anthropic").total_price
    assert Prices().of(attempt("anthropic:claude-haiku-4-5", Usage(100, 10, cached_input_tokens=900))) == theirs
    theirs = calc(usage, "gpt-5-mini", provider_id="openai").total_price
    assert Prices().of(attempt("openai:gpt-5-mini", Usage(1000, 10, cached_input_tokens=900))) == theirs
    assert Prices().mean("anthropic:claude-haiku-4-5", 1000, 10, 900) is not None


def test_a_deployment_costs_what_its_model_costs(table: Any) -> None:
    """On Azure the target is the name of a deployment; the answer says which model that is."""
    usage = Usage(1000, 1000)
    named = Prices().of(attempt("azure:our-deployment", usage, response_model="gpt-5-mini"))
    assert named == Prices().of(attempt("azure:gpt-5-mini", usage))


def test_tokens_that_are_not_known_have_no_cost(table: Any) -> None:
    """Neither without a count nor with half of one; an estimate is priced."""
    assert Prices().of(attempt("openai:gpt-5-mini", None)) is None
    assert Prices().of(attempt("openai:gpt-5-mini", Usage(None, 5))) is None
    assert Prices().of(attempt("openai:gpt-5-mini", None, estimate=Usage(1000, 5, certainty="estimated")))


async def test_a_cost_is_known_when_it_is_asked_for(table: Any, clock: Clock) -> None:
    """Without `prices=` nothing is computed as a call ends; transcript and ledger look prices up when they are read."""
    client, _ = client_over(Answer(text_event("Hello") + STOP + COUNTED + END))
    target = client.targets[0].model_copy(update={"model": "gpt-5-mini"})
    async with client:
        transcript = await client.complete("Hi", to=target)
    assert transcript.attempts[0].cost is None
    assert transcript.cost == Decimal("0.00225")
    assert transcript.attempts[0].cost == transcript.cost
    total = client.ledger.totals()["openai:gpt-5-mini"]
    assert (total.cost, total.cost_certainty) == (transcript.cost, "estimated")


async def test_prices_that_are_switched_on_are_computed_as_a_call_ends(table: Any, clock: Clock) -> None:
    """Each attempt has its cost, and the ledger's sum is no estimate."""
    client, _ = client_over(Answer(text_event("Hello") + STOP + COUNTED + END), prices=True)
    target = client.targets[0].model_copy(update={"model": "gpt-5-mini"})
    async with client:
        transcript = await client.complete("Hi", to=target)
    assert transcript.attempts[0].cost == Decimal("0.00225")
    total = client.ledger.totals()["openai:gpt-5-mini"]
    assert (total.cost, total.cost_certainty) == (Decimal("0.00225"), "exact")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where prices are switched on and there is no table, the client says what to install, and else nothing fails."""
    monkeypatch.setattr(module, "_table", lambda: None)
    with pytest.raises(StreamMisused, match=r"resilient-stream\[prices\]"):
        Client("openai:gpt-5-mini", prices=True)
    with pytest.raises(StreamMisused, match=r"resilient-stream\[prices\]"):
        Client("openai:gpt-5-mini", routing="cheapest")
    assert Prices().of(attempt("openai:gpt-5-mini", Usage(1000, 1000))) is None


def test_a_client_without_prices_loads_no_table() -> None:
    """Loading it takes long: a process pays for it only where somebody asks for a cost."""
    script = (
        "import sys, resilient_stream as r; r.Client('openai:m').ledger.totals(); print('genai_prices' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
