"""What a client keeps of its targets: which it tells apart, and how many."""

from __future__ import annotations

from functools import partial

import pytest

from resilient_stream import Breaker, ErrorKind, Limits, RateLimited, RetryPolicy, StreamError, Target
from resilient_stream.failures import Failure
from resilient_stream.fleet.health import LONGEST_REST, Health, key_of
from resilient_stream.fleet.latency import HALF_LIFE, PeakLatency
from resilient_stream.outcome.making import error_for
from tests.engine.scripted import END, STOP, Answer, client_over, text_event


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


def test_a_key_that_is_changed_in_the_environment_is_another_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an account's old key has met says nothing of the new one; the same key given by hand is the same."""
    known, target = Health(Breaker()), Target("openai:a")
    nobody = known.of(target)
    monkeypatch.setenv("OPENAI_API_KEY", "first\n")
    first = known.of(target)
    assert known.of(Target("openai:a", api_key=" first ")) is first
    monkeypatch.setenv("OPENAI_API_KEY", "second")
    second = known.of(target)
    assert len({id(each) for each in (nobody, first, second)}) == 3
    monkeypatch.setenv("OPENAI_API_KEY", "first")
    assert known.of(target) is first
    assert known.of(Target("mistral:a")) is not known.of(target)
    assert "first" not in str(key_of(target))


def test_a_function_is_known_by_its_name() -> None:
    """It may give a new token of one account each time, so what it gives does not count; two functions are two."""

    def one() -> str:
        raise AssertionError("it is not asked")

    def other() -> str:
        raise AssertionError("it is not asked")

    known = Health(Breaker())
    first = known.of(Target("openai:a", api_key=one))
    assert known.of(Target("openai:a", api_key=one)) is first
    assert known.of(Target("openai:a", api_key=other)) is not first
    nameless = known.of(Target("openai:a", api_key=partial(one)))
    assert known.of(Target("openai:a", api_key=partial(one))) is nameless


async def test_a_new_key_is_not_held_up_by_the_old_ones_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """An open circuit and a full line belong to the key that they were met with."""
    monkeypatch.setenv("OPENAI_API_KEY", "first")
    good = text_event("a") + STOP + END
    limited = Answer(b'{"error":{"message":"slow down"}}', status=429, headers={"retry-after": "50"})
    limited.headers = {**limited.headers, "content-type": "application/json"}
    client, _ = client_over(
        limited, Answer(good), breaker=Breaker(), retry=RetryPolicy.off(), limits=Limits(requests_per_minute=60)
    )
    target = client.targets[0].model_copy(update={"api_key": None})
    with pytest.raises(RateLimited):
        await client.complete("Hi", to=target)
    with pytest.raises(StreamError) as caught:
        await client.complete("Hi", to=target, deadline=1)
    assert caught.value.code == "breaker_open"
    monkeypatch.setenv("OPENAI_API_KEY", "second")
    assert (await client.complete("Hi", to=target, deadline=1)).text == "a"
