"""What one process tells of a target: each thing once, to the state that it belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from resilient_stream import Breaker, Limits
from resilient_stream.failures import ErrorKind, Failure
from resilient_stream.fleet.board import NO_BOUND, News, View
from resilient_stream.fleet.bucket import NOTHING, Cost
from resilient_stream.fleet.circuit import Permit, Standing
from resilient_stream.fleet.health import TargetKey
from resilient_stream.fleet.pool import Share
from resilient_stream.fleet.shared import FRESH, TEST_LASTS, Member, SharedBuckets, SharedPatient
from resilient_stream.outcome.errors import StreamError
from resilient_stream.outcome.making import error_for

NOW = 1000.0
FOUR = Breaker(failure_rate=0.5, min_calls=4, window=30, open_for=10)
OPEN = Standing(True, 10.0, 1, 0.0)


@pytest.fixture
def told() -> list[Member]:
    """Who has asked to be heard."""
    return []


@pytest.fixture
def member(told: list[Member]) -> Member:
    """A target of this process."""
    return Member(TargetKey("openai:m", "", ""), lambda: "me", told.append)


@pytest.fixture
def patient(member: Member) -> SharedPatient:
    """Its health."""
    return SharedPatient(member, FOUR, judges=True, rests=False)


def allowed(patient: SharedPatient, now: float = NOW) -> Permit:
    """Leave for a request."""
    permit = patient.circuit.ask(now)
    assert permit is not None
    return permit


def failure(kind: ErrorKind = ErrorKind.PROVIDER_OVERLOADED, **facts: Any) -> StreamError:
    """What a request ended with."""
    return error_for(Failure(kind=kind, **facts))


def test_nothing_is_told_where_nothing_happened(member: Member, patient: SharedPatient) -> None:
    """No exchange is made for it, also not for buckets and places of which nothing is new."""
    SharedBuckets(member, Limits(requests_per_minute=60))
    member.places(3, 10.0)
    assert list(member.unsent(NOW)) == []


def test_only_what_is_new_is_sent(member: Member, patient: SharedPatient) -> None:
    """Of two pairs of buckets and of two counts of places, the ones with news; each has news once."""
    one, _ = (SharedBuckets(member, Limits(requests_per_minute=each)) for each in (60, 90))
    places, _ = (member.places(each, 10.0) for each in (3, 4))
    one.give_back(Cost(1, 2), NOW)
    places.take_alone(NOW)
    (news,) = member.unsent(NOW)
    assert (news.limits, news.back) == (one.key, Cost(1, 2))
    assert news.places is not None
    assert (news.places.limit, news.places.process, news.places.held, news.places.least) == (3, "me/3", 1, 0)
    member.heard(news, View(places=Share(1, 1)), NOW)
    assert list(member.unsent(NOW)) == []


def test_counts_are_told_once(member: Member, patient: SharedPatient, told: list[Member]) -> None:
    """With the figures by which this process judges."""
    patient.began(allowed(patient), 0.1, NOW)
    patient.failed(allowed(patient), failure(), NOW, after_content=False)
    patient.failed(allowed(patient), failure(), NOW, after_content=True)
    patient.silent(allowed(patient), NOW, after_content=False)
    patient.silent(allowed(patient), NOW, after_content=True)
    assert told
    (news,) = member.unsent(NOW)
    assert (news.calls, news.failures, news.turn, news.release) == (3, 4, None, False)
    assert (news.circuit, news.window) == ("0.5/4/30/10/1", 30.0)
    assert list(member.unsent(NOW)) == []


def test_what_says_nothing_of_the_target_is_not_told(member: Member, patient: SharedPatient) -> None:
    """A request that was too long, an answer that ended, a caller that left."""
    patient.failed(allowed(patient), failure(ErrorKind.CONTEXT_LENGTH_EXCEEDED), NOW, after_content=False)
    patient.ended(allowed(patient), NOW)
    patient.left(allowed(patient))
    assert list(member.unsent(NOW)) == []


def test_figures_that_differ_are_apart(member: Member) -> None:
    """Who judges by another number of calls, window or rate, or not at all, has another circuit."""
    changed: list[dict[str, Any]] = [{}, {"min_calls": 5}, {"window": 31}, {"failure_rate": 0.6}, {"open_for": 11}]
    made = [SharedPatient(member, FOUR.model_copy(update=each), judges=True, rests=False).figures for each in changed]
    made.append(SharedPatient(member, FOUR, judges=False, rests=False).figures)
    assert len(set(made)) == 6


def test_a_rest_is_told_as_the_state_of_all(member: Member, patient: SharedPatient) -> None:
    """With its time; and again if nobody answered, since it is still so."""
    patient.failed(allowed(patient), failure(ErrorKind.RATE_LIMITED, retry_after=7.0), NOW, after_content=False)
    (news,) = member.unsent(NOW)
    assert news.turn is not None
    assert (news.turn.opened, news.turn.seconds) == (True, pytest.approx(7.0, rel=0.3))
    member.heard(news, None, NOW)
    (again,) = member.unsent(NOW + 1)
    assert again.turn is not None
    assert again.turn.seconds == pytest.approx(news.turn.seconds - 1)
    assert (again.calls, again.failures) == (0, 0)


def test_a_hint_with_what_is_no_verdict_is_no_rest(member: Member, patient: SharedPatient) -> None:
    """A refused request says nothing of the target, whatever time it names."""
    error = failure(ErrorKind.CONTEXT_LENGTH_EXCEEDED, retry_after=7.0)
    patient.failed(allowed(patient), error, NOW, after_content=False)
    assert list(member.unsent(NOW)) == []


def heard(member: Member, patient: SharedPatient, view: View, now: float = NOW, **news: Any) -> None:
    """An answer to news of this process."""
    member.heard(News(member.key, "me", circuit=patient.figures, **news), view, now)


def test_a_state_of_all_is_taken_over_with_its_time(member: Member, patient: SharedPatient) -> None:
    """The store's version is the one that later news go by."""
    heard(member, patient, View(version=5, standing=OPEN))
    assert patient.circuit.wait(NOW) == pytest.approx(10)
    assert member.is_open_for_all
    assert member.news(NOW).version == 5
    heard(member, patient, View(version=4))
    assert member.is_open_for_all
    assert member.news(NOW).version == 5


def test_what_was_read_is_good_for_a_moment(member: Member, patient: SharedPatient) -> None:
    """Without an answer it is not."""
    assert not member.is_fresh(NOW)
    member.heard(News(member.key, "me"), None, NOW)
    assert not member.is_fresh(NOW)
    heard(member, patient, View())
    assert member.is_fresh(NOW + FRESH / 2)
    assert not member.is_fresh(NOW + FRESH)


def test_the_counts_of_all_open_the_circuit_and_are_offered(member: Member, patient: SharedPatient) -> None:
    """An open one is not judged by them once more."""
    heard(member, patient, View(calls=3, failures=3))
    assert list(member.unsent(NOW)) == []
    heard(member, patient, View(calls=4, failures=2))
    (news,) = member.unsent(NOW)
    assert news.turn is not None
    assert news.turn.opened
    heard(member, patient, View(version=7, standing=news.turn, calls=9, failures=9), turn=news.turn)
    assert list(member.unsent(NOW)) == []


def test_our_own_offer_that_was_taken_is_not_begun_anew(member: Member, patient: SharedPatient) -> None:
    """The time of the circuit that made it goes on; another's is taken over."""
    patient.failed(allowed(patient), failure(ErrorKind.RATE_LIMITED, retry_after=7.0), NOW, after_content=False)
    (news,) = member.unsent(NOW)
    assert news.turn is not None
    period = patient.circuit.period
    heard(member, patient, View(version=7, standing=news.turn), NOW + 0.01, turn=news.turn)
    assert patient.circuit.period == period
    heard(member, patient, View(version=8, standing=OPEN._replace(trips=4)), NOW, version=7, turn=news.turn)
    assert patient.circuit.wait(NOW) == pytest.approx(10)
    assert patient.circuit.period != period


def test_our_own_offer_that_was_taken_too_late_is_taken_over(member: Member, patient: SharedPatient) -> None:
    """A test has closed the circuit here meanwhile: for all it is open, so it is here, until the store is told."""
    patient.failed(allowed(patient), failure(ErrorKind.RATE_LIMITED, retry_after=7.0), NOW, after_content=False)
    (news,) = member.unsent(NOW)
    assert news.turn is not None
    patient.began(allowed(patient, NOW + 8), 0.1, NOW + 8)
    assert patient.circuit.state(NOW + 8) == "closed"
    heard(member, patient, View(version=7, standing=news.turn), NOW + 8, turn=news.turn)
    assert patient.circuit.state(NOW + 8) == "open"
    assert member.is_open_for_all


def test_a_store_without_its_memory_is_told_what_was_open(member: Member, patient: SharedPatient) -> None:
    """And nothing where nothing was, or where it is over."""
    heard(member, patient, View(version=5, standing=OPEN))
    heard(member, patient, View(), NOW + 1)
    (news,) = member.unsent(NOW + 1)
    assert (news.version, news.turn is not None) == (0, True)
    heard(member, patient, View(version=6, standing=Standing(False, 0.0, 0, 0.0)), NOW + 2)
    heard(member, patient, View(), NOW + 3)
    assert list(member.unsent(NOW + 3)) == []


def test_what_is_open_here_alone_is_not_told_to_a_store_without_its_memory(
    member: Member, patient: SharedPatient
) -> None:
    """All others may be well served; and one that has become well meanwhile is not told either."""
    heard(member, patient, View(version=5))
    for _ in range(4):
        patient.failed(allowed(patient), failure(), NOW, after_content=False)
    assert patient.circuit.standing(NOW).opened
    list(member.unsent(NOW))
    heard(member, patient, View(), NOW)
    assert list(member.unsent(NOW)) == []
    heard(member, patient, View(version=6, standing=OPEN._replace(seconds=0.0)), NOW)
    patient.began(allowed(patient), 0.1, NOW)
    list(member.unsent(NOW))
    heard(member, patient, View(), NOW)
    assert list(member.unsent(NOW)) == []


def test_a_test_without_an_end_is_let_go(member: Member, patient: SharedPatient) -> None:
    """By its caller who left, or an error that says nothing; one that ended otherwise is told by the new state."""
    for end in ("left", "no verdict", "well"):
        heard(member, patient, View(version=member.news(NOW).version + 1, standing=OPEN._replace(seconds=0.0)))
        permit = allowed(patient)
        assert permit.probe
        if end == "left":
            patient.left(permit)
        elif end == "no verdict":
            patient.failed(permit, failure(ErrorKind.CONTEXT_LENGTH_EXCEEDED), NOW, after_content=False)
        else:
            patient.began(permit, 0.1, NOW)
            patient.ended(permit, NOW)
        (news,) = member.unsent(NOW)
        assert (news.release, news.turn is not None) == ((True, False) if end != "well" else (False, True))


def test_the_test_is_asked_for_by_its_time(member: Member, patient: SharedPatient) -> None:
    """Only where it is asked for."""
    assert member.news(NOW).probe == 0.0
    assert member.news(NOW, probe=True).probe == TEST_LASTS


def test_corrections_add_up_until_they_are_told(member: Member, told: list[Member]) -> None:
    """What comes back is a sum; of what a server says, the least and the longest; nothing is no news."""
    buckets = SharedBuckets(member, Limits(requests_per_minute=60, tokens_per_minute=600))
    buckets.give_back(NOTHING, NOW)
    buckets.told(Cost(NO_BOUND, NO_BOUND), 0.0, NOW)
    assert (told, list(member.unsent(NOW))) == ([], [])
    buckets.give_back(Cost(1, 5), NOW)
    buckets.give_back(Cost(0, -2), NOW)
    buckets.told(Cost(NO_BOUND, 4), 0.0, NOW)
    buckets.told(Cost(0.5, 9), 0.0, NOW)
    buckets.told(Cost(NO_BOUND, NO_BOUND), 9.0, NOW)
    buckets.told(Cost(NO_BOUND, NO_BOUND), 3.0, NOW)
    assert len(told) == 6
    (news,) = member.unsent(NOW + 1)
    assert (news.back, news.left, news.hold) == (Cost(1, 3), Cost(0.5, 4), pytest.approx(8.0))
    assert list(member.unsent(NOW)) == []


def test_a_hold_that_is_over_is_none(member: Member) -> None:
    """The time that is left is told, never less than nothing."""
    buckets = SharedBuckets(member, Limits(requests_per_minute=60))
    buckets.told(Cost(NO_BOUND, NO_BOUND), 3.0, NOW)
    (news,) = member.unsent(NOW + 5)
    assert news.hold == 0.0


def test_the_process_goes_by_what_is_left_for_all(member: Member) -> None:
    """Its own buckets are what the store said; corrections count here at once, too."""
    buckets = SharedBuckets(member, Limits(requests_per_minute=60))
    other = SharedBuckets(member, Limits(requests_per_minute=90))
    member.heard(News(member.key, "me", limits=buckets.key), View(levels=Cost(-2, 0)), NOW)
    assert buckets.wait(Cost(1, 0), NOW).seconds == pytest.approx(3)
    assert other.wait(Cost(1, 0), NOW).seconds == 0
    buckets.give_back(Cost(1, 0), NOW)
    assert buckets.wait(Cost(1, 0), NOW).seconds == pytest.approx(2)
    buckets.told(Cost(NO_BOUND, NO_BOUND), 30.0, NOW)
    assert buckets.wait(Cost(1, 0), NOW).seconds == pytest.approx(30)


def test_places_of_one_figure_are_one_count(member: Member) -> None:
    """Whoever asks for them gets the same, so what is held is one sum."""
    assert member.places(3, 10.0) is member.places(3, 10.0)
    assert member.open_places() == []
    member.places(3, 10.0).take_alone(NOW)
    assert member.open_places() == [member.places(3, 10.0)]


def test_news_that_were_not_asked_for_are_told_another_time(member: Member) -> None:
    """As where their sender was cancelled after the first: what belongs to later limits and places is not lost."""
    buckets = [SharedBuckets(member, Limits(requests_per_minute=rate)) for rate in (60, 90)]
    places = [member.places(limit, 10.0) for limit in (3, 5)]
    for each in buckets:
        each.give_back(Cost(1, 0), NOW)
    for one in places:
        one.take_alone(NOW)
    first = next(member.unsent(NOW))
    later = list(member.unsent(NOW))
    assert [news.limits for news in (first, *later)] == [each.key for each in buckets]
    assert [news.places is not None and news.places.limit for news in (first, *later)] == [3, 5]


def test_what_happens_while_news_are_sent_is_told_once(member: Member, patient: SharedPatient) -> None:
    """A verdict goes with the first, and one that comes meanwhile with the next."""
    buckets = [SharedBuckets(member, Limits(requests_per_minute=rate)) for rate in (60, 90)]
    for each in buckets:
        each.give_back(Cost(1, 0), NOW)
    told = []
    for news in member.unsent(NOW):
        told.append((news.calls, news.back.requests))
        patient.began(allowed(patient), 0.1, NOW)
    assert told == [(0, 1), (1, 1)]
    assert [(news.calls, news.limits) for news in member.unsent(NOW)] == [(1, "")]
