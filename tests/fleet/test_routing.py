"""Routing: which target is asked first, what rests, and what a function of the application's own may return."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from resilient_stream import Breaker, Client, Hedge, Limits, RateLimited, RetryPolicy, StreamMisused, Target
from resilient_stream.fleet.health import Health, TargetHealth
from resilient_stream.fleet.routing import Router
from tests.engine.clock import Clock, after
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, client_over, text_event

ONCE = RetryPolicy.off()
A, B, C = (Target(f"openai:{name}", api_key="k") for name in "abc")


def whole(text: str = "Hello") -> Answer:
    """A whole answer in one read."""
    return Answer(text_event(text) + STOP + END)


def slow(seconds: float) -> Answer:
    """An answer whose first content comes after so many seconds."""
    return Answer(after(seconds, text_event("Hello") + STOP + END))


def limited(**headers: str) -> Answer:
    """An answer of a server that is asked too often."""
    body = b'{"error": {"message": "Rate limit reached", "type": "rate_limit_exceeded"}}'
    return Answer(body, status=429, headers={"content-type": "application/json", **headers})


def router(how: Any, **options: Any) -> tuple[Router, Health]:
    """A router and what it knows of its targets."""
    health = Health(Breaker(), judges=False, rests=True)
    return Router(how, health, chance=random.Random(7), **options), health


def first_of(how: Router, times: int, now: float = 0.0) -> Counter[str]:
    """How often each target is first."""
    return Counter(how.order((A, B, C), now)[0].model for _ in range(times))


def began(health: Health, target: Target, seconds: float, now: float = 0.0) -> None:
    """A request to the target had content after so many seconds."""
    known = health.of(target)
    permit = known.circuit.ask(now)
    assert permit is not None
    known.began(permit, seconds, now)


def failed(health: Health, target: Target, now: float = 0.0) -> None:
    """A request to the target failed."""
    circuit = health.of(target).circuit
    permit = circuit.ask(now)
    assert permit is not None
    circuit.failed(permit, now)


def in_turn(*answers: Answer, targets: int = 2, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client that balances its targets, the first of them first among equals."""
    client, transport = client_over(*answers, **{"targets": targets, "retry": ONCE, **options})
    if client._router is not None:
        client._router._chance = Always(client._router._chance)  # type: ignore[assignment]
    return client, transport


class Always:
    """Chance that is none: of equal targets, the one that was given first is asked first."""

    def __init__(self, _: Any) -> None:
        self.count = 0

    def random(self) -> float:
        """The next number, a little larger than the one before."""
        self.count += 1
        return self.count / 1e9


# -- the orders -------------------------------------------------------------------------------


def test_weighted_targets_are_first_as_often_as_they_weigh() -> None:
    """Of weights 1, 3 and 6, the first place is theirs in a tenth, three and six tenths of the calls."""
    how, _ = router("weighted")
    targets = tuple(target.model_copy(update={"weight": weight}) for target, weight in ((A, 1), (B, 3), (C, 6)))
    found = Counter(how.order(targets, 0.0)[0].model for _ in range(10_000))
    assert [round(found[name] / 1000) for name in "abc"] == [1, 3, 6]
    assert sorted(target.model for target in how.order(targets, 0.0)) == ["a", "b", "c"]


def test_the_least_busy_is_first_by_its_weight() -> None:
    """Two requests at a target of weight 4 are less than one at a target of weight 1; equals share by chance."""
    how, health = router("least_busy")
    assert set(first_of(how, 100)) == {"a", "b", "c"}
    heavy = A.model_copy(update={"weight": 4})
    health.of(A).in_flight, health.of(B).in_flight, health.of(C).in_flight = 2, 1, 3
    assert [target.model for target in how.order((C, B, heavy), 0.0)] == ["a", "b", "c"]


def test_the_fastest_is_first_and_unknown_targets_are_tried() -> None:
    """A target of which nothing is known is tried by one request; then learned time and load decide."""
    how, health = router("fastest")
    began(health, A, 2.0)
    began(health, B, 1.0)
    assert how.order((A, B, C), 0.0)[0] is C
    health.of(C).in_flight = 1
    assert [target.model for target in how.order((A, B, C), 0.0)] == ["b", "a", "c"]
    health.of(B).in_flight = 2
    assert how.order((A, B, C), 0.0)[0] is A


def test_what_was_slow_is_tried_again_after_a_while() -> None:
    """What was learned fades: a peak of two minutes ago counts a sixteenth."""
    how, health = router("fastest")
    began(health, A, 10.0, now=0.0)
    began(health, B, 1.0, now=60.0)
    assert how.order((A, B), 60.0)[0] is B
    began(health, B, 1.0, now=120.0)
    assert how.order((A, B), 120.0)[0] is A


def test_a_target_that_fails_fast_is_not_the_fastest() -> None:
    """Failures make a target slower, and one that only fails comes last, although it says no quickly."""
    how, health = router("fastest")
    began(health, A, 1.0)
    began(health, B, 1.5)
    failed(health, A)
    failed(health, C)
    assert [target.model for target in how.order((A, B, C), 0.0)] == ["b", "a", "c"]


def test_the_cheapest_is_first_and_an_unknown_price_last() -> None:
    """By the price of a usual request, which is looked up once for each target."""
    asked: list[str] = []

    def price(target: str) -> Decimal | None:
        asked.append(target)
        return {"openai:b": Decimal("0.1"), "openai:c": Decimal("0.01")}.get(target)

    how, _ = router("cheapest", price=price)
    for _ in range(3):
        assert [target.model for target in how.order((A, B, C), 0.0)] == ["c", "b", "a"]
    assert sorted(asked) == ["openai:a", "openai:b", "openai:c"]


@pytest.mark.parametrize("how", ["weighted", "least_busy", "fastest", "cheapest", lambda targets, health: targets])
def test_a_target_that_rests_is_last(how: Any) -> None:
    """Whatever the order says; when its rest is over, it is one of all again."""
    made, health = router(how)
    health.of(A).circuit.rest(0.0, 10.0)
    assert all(made.order((A, B, C), 9.0)[-1] is A for _ in range(30))
    assert health.of(A).circuit.state(10.0) == "closed"


# -- a function -------------------------------------------------------------------------------


def test_a_function_is_given_targets_and_their_health() -> None:
    """It may leave some out, and sees what is learned."""

    def choose(targets: Sequence[Target], health: Sequence[TargetHealth]) -> Sequence[Target]:
        assert [each.target for each in health] == [target.name for target in targets]
        assert [each.in_flight for each in health] == [0, 5, 0]
        return [target for target, seen in zip(targets, health, strict=True) if not seen.in_flight][::-1]

    how, health = router(choose)
    health.of(B).in_flight = 5
    assert how.order((A, B, C), 0.0) == (C, A)


@pytest.mark.parametrize(
    ("returned", "said"),
    [([], "must return some"), ([Target("openai:z")], "openai:z"), ([A, A], "openai:a, openai:a"), (None, "TypeError"),
     (["openai:a"], "str")],
)  # fmt: skip
async def test_a_function_that_returns_something_else_is_misused(clock: Clock, returned: Any, said: str) -> None:
    """The call that asked for it raises, in words, before anything is sent."""
    client, transport = client_over(whole(), routing=lambda targets, health: returned)
    async with client:
        with pytest.raises(StreamMisused, match=said):
            await client.complete("Hi", to=[A, B])
    assert transport.requests == []


async def test_a_function_that_raises_is_misused(clock: Clock) -> None:
    """Its exception is the cause."""
    client, _ = client_over(whole(), routing=lambda targets, health: [][1], targets=2)
    async with client:
        with pytest.raises(StreamMisused, match="raised IndexError") as raised:
            await client.complete("Hi")
    assert isinstance(raised.value.__cause__, IndexError)


async def async_choice(targets: Any, health: Any) -> Any:
    """Nobody awaits it."""
    return targets


@pytest.mark.parametrize("routing", ["fast", 3, None, async_choice])
def test_a_way_that_there_is_not_is_refused(routing: Any) -> None:
    """The client says which there are."""
    with pytest.raises(StreamMisused, match="'order', 'weighted', 'least_busy', 'fastest', 'cheapest'"):
        Client("openai:m", routing=routing)


# -- calls ------------------------------------------------------------------------------------


async def test_many_calls_at_once_are_spread(clock: Clock) -> None:
    """Streams that are made first and pulled together go to all targets, not to the one that was idle when made."""
    client, _ = in_turn(*(slow(1) for _ in range(9)), targets=3, routing="least_busy")
    async with client:
        streams = [client.stream("Hi") for _ in range(9)]
        transcripts = await asyncio.gather(*(stream.collect() for stream in streams))
    assert Counter(each.target for each in transcripts) == {"openai:m0": 3, "openai:m1": 3, "openai:m2": 3}
    assert {each.in_flight for each in client.health()} == {0}


async def test_the_fastest_is_learned_from_calls(clock: Clock) -> None:
    """Each target is tried once, and then the quicker one answers."""
    client, _ = in_turn(slow(3), slow(1), slow(1), slow(1), routing="fastest")
    async with client:
        asked = [(await client.complete("Hi")).target for _ in range(4)]
    assert asked == ["openai:m0", "openai:m1", "openai:m1", "openai:m1"]
    assert [each.state for each in client.health()] == ["closed", "closed"]


async def test_failures_only_count_where_no_breaker_judges(clock: Clock) -> None:
    """Without a breaker no circuit opens, however much fails; the rate is seen in the health."""
    refused = [Answer(b"{}", status=500) for _ in range(40)]
    client, transport = in_turn(*refused, routing=lambda targets, health: targets)
    async with client:
        for _ in range(20):
            with pytest.raises(Exception, match="targets"):
                await client.complete("Hi")
    assert len(transport.requests) == 40
    assert [(each.state, each.failure_rate) for each in client.health()] == [("closed", 1.0), ("closed", 1.0)]


async def test_keys_of_one_provider_rotate_and_rest(clock: Clock) -> None:
    """A key that is limited rests as long as its provider says; the other one answers at once, and then alone."""
    keys = [Target("openai:m", base_url="http://127.0.0.1:9", api_key=f"key-{name}") for name in "ab"]
    answers = limited(**{"retry-after": "20"}), *(whole() for _ in range(4))
    client, transport = in_turn(*answers, routing="least_busy", retry=RetryPolicy())
    sent = lambda place: transport.requests[place].headers["Authorization"]  # noqa: E731
    async with client:
        for _ in range(3):
            await client.complete("Hi", to=keys)
        assert clock.passed == 0
        assert [sent(place)[-1] for place in range(4)] == ["a", "b", "b", "b"]
        clock.advance(20)
        await client.complete("Hi", to=keys)
    assert sent(4)[-1] == "a"


async def test_a_limit_without_a_hint_rests_for_a_while(clock: Clock) -> None:
    """The provider did not say for how long: five seconds."""
    client, _ = in_turn(limited(), *(whole() for _ in range(4)), routing="least_busy", retry=RetryPolicy())
    async with client:
        await client.complete("Hi")
        assert [(each.state, each.opens_until) for each in client.health()] == [("open", 5.0), ("closed", None)]
        clock.advance(5)
        assert [(each.state, each.opens_until) for each in client.health()] == [("closed", None), ("closed", None)]


async def test_a_breaker_alone_rests_for_hints_only(clock: Clock) -> None:
    """Without routing, a limit without a hint is one failure among others, and the same target is tried again."""
    client, _ = in_turn(limited(), whole(), breaker=Breaker(), retry=RetryPolicy(jitter=0))
    async with client:
        assert (await client.complete("Hi")).target == "openai:m0"
        assert client.health()[0].state == "closed"
    assert clock.passed == 1


async def test_a_breaker_judges_what_is_balanced(clock: Clock) -> None:
    """With both, a target that only fails is opened, and is last from then on."""
    refused = [Answer(b"{}", status=500) for _ in range(4)]
    client, transport = in_turn(*refused, whole(), breaker=Breaker(min_calls=2), routing="least_busy")
    async with client:
        for _ in range(2):
            with pytest.raises(Exception, match="targets"):
                await client.complete("Hi")
        assert [each.state for each in client.health()] == ["open", "open"]
        clock.advance(40)
        assert (await client.complete("Hi")).text == "Hello"
    assert len(transport.requests) == 5


async def test_the_last_target_that_is_limited_is_waited_for(clock: Clock) -> None:
    """Where no other one is left, it is tried again after its own hint, as without routing."""
    answers = limited(**{"retry-after": "20"}), limited(**{"retry-after": "2"}), whole()
    client, _ = in_turn(*answers, routing="least_busy", retry=RetryPolicy(jitter=0))
    async with client:
        assert (await client.complete("Hi")).target == "openai:m1"
    assert clock.passed == 2


async def test_a_target_that_rests_is_no_way_out_of_a_limit(clock: Clock) -> None:
    """The hint of the one that was asked is waited for, where all others rest."""
    first, second, third = (limited(**{"retry-after": seconds}) for seconds in ("20", "2", "3"))
    answers = first, second, whole(), third, whole()
    client, _ = in_turn(*answers, routing="least_busy", retry=RetryPolicy(jitter=0))
    async with client:
        assert [(await client.complete("Hi")).target for _ in range(2)] == ["openai:m1", "openai:m1"]
    assert clock.passed == 5


async def test_in_the_given_order_a_limit_is_retried_as_ever(clock: Clock) -> None:
    """Without routing nothing rests: the same target is asked again after its hint."""
    client, _ = in_turn(limited(**{"retry-after": "2"}), whole(), retry=RetryPolicy(jitter=0))
    async with client:
        assert (await client.complete("Hi")).target == "openai:m0"
    assert clock.passed == 2


async def test_one_target_that_is_limited_still_answers(clock: Clock) -> None:
    """With routing and a single target, its rest is waited for."""
    client, _ = in_turn(limited(), whole(), targets=1, routing="least_busy", retry=RetryPolicy(jitter=0))
    async with client:
        assert (await client.complete("Hi")).text == "Hello"
    assert clock.passed == 5


async def test_a_call_without_retries_says_that_it_was_limited(clock: Clock) -> None:
    """The error of a single target is the provider's, not one about a circuit."""
    client, _ = in_turn(limited(), targets=1, routing="least_busy")
    async with client:
        with pytest.raises(RateLimited):
            await client.complete("Hi")


async def test_hedges_follow_the_order(clock: Clock) -> None:
    """The race begins with the target that routing put first, and goes on with the next."""
    never = Answer(asyncio.get_running_loop().create_future())
    client, _ = in_turn(never, whole(), routing=lambda targets, health: targets[::-1], hedge=Hedge(after=2), targets=3)
    async with client:
        transcript = await client.complete("Hi")
    assert [attempt.target for attempt in transcript.attempts] == ["openai:m2", "openai:m1"]


async def test_a_continuation_goes_on_in_the_order_of_its_call(clock: Clock) -> None:
    """The answer was cut at the target that routing put first: it is asked again, and then the one behind it."""
    cut = Answer(text_event("Hello"), ConnectionResetError())
    client, _ = in_turn(cut, Answer(b"{}", status=500), whole("Hello you"), targets=3,
                        routing=lambda targets, health: targets[::-1])  # fmt: skip
    async with client:
        transcript = await client.complete("Hi")
    assert transcript.text == "Hello you"
    assert [attempt.target for attempt in transcript.attempts] == ["openai:m2", "openai:m2", "openai:m1"]


async def test_a_budget_that_is_used_up_leaves_the_next_in_order(clock: Clock) -> None:
    """Routing and money know nothing of each other: the refused target's place is taken by the next."""
    client, transport = in_turn(whole(), routing="cheapest", prices=lambda target, usage: int(target[-1]) + 1)
    pair = [client.targets[0].model_copy(update={"limits": Limits(cost_per_day=0)}), client.targets[1]]
    async with client:
        assert (await client.complete("Hi", to=pair)).target == "openai:m1"
    assert len(transport.requests) == 1
