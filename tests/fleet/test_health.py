"""What a client keeps of its targets: which it tells apart, and how many."""

from __future__ import annotations

import pytest

from resilient_stream import Breaker, ErrorKind, Target
from resilient_stream.failures import Failure
from resilient_stream.fleet.health import LONGEST_REST, Health, key_of
from resilient_stream.fleet.latency import HALF_LIFE, PeakLatency
from resilient_stream.outcome.making import error_for


@pytest.mark.parametrize(
    "other",
    [
        Target("openai:b", base_url="http://127.0.0.1:1", api_key="one"),
        Target("openai:a", base_url="http://127.0.0.1:2", api_key="one"),
        Target("openai:a", base_url="http://127.0.0.1:1", api_key="two"),
    ],
    ids=["model", "address", "key"],
)
def test_another_model_address_or_key_is_another_target(other: Target) -> None:
    """What fails at one says nothing of the other, and no key is in what tells them apart."""
    known = Health(Breaker())
    target = Target("openai:a", base_url="http://127.0.0.1:1", api_key="one")
    assert known.of(target) is known.of(target)
    assert known.of(target) is not known.of(other)
    assert "one" not in str(key_of(target))


def test_the_targets_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more, the one that was used longest ago is forgotten."""
    monkeypatch.setattr("resilient_stream.fleet.remembered.MAX_TARGETS", 2)
    known = Health(Breaker())
    first = known.of(Target("openai:0"))
    known.of(Target("openai:1"))
    assert known.of(Target("openai:0")) is first
    known.of(Target("openai:2"))
    assert [each.target for each in known.all((), 0.0)] == ["openai:0", "openai:2"]


def test_a_hint_of_a_year_is_no_year() -> None:
    """A server's own hint keeps a target closed off for an hour at most."""
    known = Health(Breaker())
    target = Target("openai:a")
    patient = known.of(target)
    permit = patient.circuit.ask(0)
    assert permit is not None
    error = error_for(Failure(kind=ErrorKind.RATE_LIMITED, retry_after=3e7))
    patient.failed(permit, error, 0, after_content=False)
    assert known.all((target,), 0)[0].opens_until == LONGEST_REST


def test_a_slow_answer_counts_at_once_and_is_forgotten_slowly() -> None:
    """The learned time jumps up to a peak, and is half way down after its half-life."""
    latency = PeakLatency()
    assert latency.seconds is None
    latency.saw(1.0, 0)
    latency.saw(9.0, 10)
    assert latency.seconds == 9.0
    latency.saw(1.0, 10 + HALF_LIFE)
    assert latency.seconds == pytest.approx(5.0)
