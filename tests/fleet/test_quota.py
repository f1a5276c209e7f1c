"""What a client knows of its targets' limits, and for how long."""

from __future__ import annotations

import asyncio
import time

import pytest

from resilient_stream import Limits, Target
from resilient_stream.fleet.bucket import Buckets, Cost
from resilient_stream.fleet.health import TargetKey
from resilient_stream.fleet.quota import Quotas
from tests.engine.scripted import END, STOP, Answer, client_over, text_event

LIMITS = Limits(requests_per_minute=60)


def test_a_target_is_known_by_its_name_address_key_and_figures() -> None:
    """The same target under the same limits has one quota, also as another object; anything else has its own."""
    known = Quotas()
    target = Target("openai:m", api_key="a")
    quota = known.of(target, LIMITS)
    assert known.of(Target("openai:m", api_key="a", weight=3), Limits(requests_per_minute=60)) is quota
    others = [
        (Target("openai:n", api_key="a"), LIMITS),
        (Target("openai:m", api_key="b"), LIMITS),
        (Target("openai:m", api_key="a", base_url="http://127.0.0.1:9"), LIMITS),
        (target, Limits(requests_per_minute=61)),
        (target, Limits(requests_per_minute=60, tokens_per_minute=9)),
        (target, Limits(requests_per_minute=60, max_concurrency=9)),
        (target, Limits(requests_per_minute=60, adaptive=True)),
    ]
    assert len({id(known.of(*other)) for other in others} | {id(quota)}) == len(others) + 1


def test_only_what_is_limited_is_counted() -> None:
    """No buckets without a limit a minute, no places without a limit of streams."""
    known, target = Quotas(), Target("openai:m")
    assert (known.of(target, Limits(max_concurrency=3)).allowance, known.of(target, LIMITS).places) == (None, None)
    assert known.of(target, Limits(max_concurrency=3)).places == 3
    assert known.of(target, Limits(tokens_per_minute=3)).allowance is not None
    assert known.of(target, Limits(max_concurrency=3, adaptive=True)).places == 3


def test_the_buckets_may_be_somewhere_else() -> None:
    """Whatever has the methods of an allowance is asked in their place, made for each key."""
    made: list[TargetKey] = []

    class Elsewhere:
        def allowance(self, key: TargetKey, limits: Limits) -> Buckets:
            made.append(key)
            return Buckets(limits.requests_per_minute)

        def places(self, key: TargetKey, limit: int) -> None:
            return

    known = Quotas(Elsewhere())
    for name in ("openai:a", "openai:b", "openai:a"):
        known.of(Target(name), LIMITS)
    assert [key.name for key in made] == ["openai:a", "openai:b"]


def test_the_target_that_was_used_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, however many targets calls name."""
    monkeypatch.setattr("resilient_stream.fleet.remembered.MAX_TARGETS", 2)
    known = Quotas()
    first, second, third = (Target(f"openai:{name}") for name in "abc")
    one, two = known.of(first, LIMITS), known.of(second, LIMITS)
    assert known.of(first, LIMITS) is one
    known.of(third, LIMITS)
    assert known.of(first, LIMITS) is one
    assert known.of(second, LIMITS) is not two


def test_the_minute_is_one_for_all_loops_of_a_client() -> None:
    """A script that runs a loop for each call keeps its limits all the same."""
    answers = [Answer(text_event("a") + STOP + END) for _ in range(2)]
    client, _ = client_over(*answers, limits=Limits(requests_per_minute=2))

    async def call() -> None:
        await client.complete("Hi")

    asyncio.run(call())
    buckets = client.slots.quota(client.targets[0], client._limits).allowance
    assert buckets is not None
    assert buckets.wait(Cost(1, 0), time.monotonic()).seconds > 20
