"""The circuit breaker of one target, by a clock that the test turns."""

from __future__ import annotations

import pytest

from resilient_stream import Breaker, ErrorKind
from resilient_stream.fleet.circuit import LONGEST, ROW, SPENT, Circuit, Permit
from resilient_stream.fleet.counting import COUNTS

POLICY = Breaker(failure_rate=0.5, min_calls=4, window=30, open_for=10)


pytestmark = pytest.mark.usefixtures("no_jitter")


def asked(circuit: Circuit, now: float) -> Permit:
    """Leave that must be given."""
    permit = circuit.ask(now)
    assert permit is not None
    return permit


def fail(circuit: Circuit, times: int, now: float = 0.0) -> None:
    """Send so many requests at once, all of which fail."""
    permits = [asked(circuit, now) for _ in range(times)]
    for permit in permits:
        circuit.failed(permit, now)


def opened(now: float = 0.0) -> Circuit:
    """A circuit that has just opened."""
    circuit = Circuit(POLICY)
    fail(circuit, POLICY.min_calls, now)
    return circuit


def test_each_kind_of_failure_counts_or_does_not() -> None:
    """A new kind cannot be forgotten, and what the caller or this process did never counts."""
    assert set(COUNTS) == set(ErrorKind)
    own = ("cancelled", "deadline_exceeded", "client_closed", "out_of_memory", "fd_exhausted", "os_limit")
    assert not any(COUNTS[ErrorKind(kind)] for kind in own)


def test_it_opens_at_the_rate_and_not_before_the_least_number_of_calls() -> None:
    """Three failures of three requests are too few to know; the fourth opens it."""
    circuit = Circuit(POLICY)
    fail(circuit, 3)
    assert circuit.state(0) == "closed"
    fail(circuit, 1)
    assert circuit.state(0) == "open"
    assert circuit.ask(9.9) is None


def test_successes_keep_it_closed_below_the_rate() -> None:
    """Five good answers and four failures are less than half."""
    circuit = Circuit(POLICY)
    for _ in range(5):
        circuit.succeeded(asked(circuit, 0), 0)
    fail(circuit, 4)
    assert circuit.state(0) == "closed"


def test_failures_outside_the_window_are_forgotten() -> None:
    """Three failures half a minute ago and one now do not open it."""
    circuit = Circuit(POLICY)
    fail(circuit, 3, now=0)
    fail(circuit, 1, now=31)
    assert circuit.state(31) == "closed"


def test_one_request_tests_it_and_its_success_closes_it() -> None:
    """While the test runs nobody else may go; its content closes the circuit, with a clean window."""
    circuit = opened()
    probe = asked(circuit, 10)
    assert probe.probe
    assert circuit.state(10) == "half_open"
    assert circuit.ask(10) is None
    circuit.succeeded(probe, 11)
    assert circuit.state(11) == "closed"
    assert circuit.failure_rate(11) == 0.0


def test_a_failed_test_leaves_it_alone_for_longer_each_time() -> None:
    """The time doubles with each failed test, up to four times."""
    circuit, now, waits = opened(), 0.0, []
    for _ in range(6):
        until = circuit.opens_until
        assert until is not None
        waits.append(until - now)
        now = until
        circuit.failed(asked(circuit, now), now)
    assert waits == [10, 20, 40, 10 * LONGEST, 10 * LONGEST, 10 * LONGEST]


def test_windows_in_which_all_was_well_shorten_the_next_time() -> None:
    """After one failed test and two good windows it opens for its first time again; sooner, for longer."""
    for well, expected in ((0, 40), (61, 10)):
        circuit = opened()
        circuit.failed(asked(circuit, 10), 10)
        circuit.succeeded(asked(circuit, 30), 30)
        now = 30.0 + well
        fail(circuit, POLICY.min_calls, now)
        assert circuit.opens_until == now + expected


def test_a_test_without_a_verdict_lets_another_one_go() -> None:
    """The caller of the test went away: the next request tests."""
    circuit = opened()
    circuit.left(asked(circuit, 10))
    assert asked(circuit, 10).probe


def test_what_ends_late_decides_nothing() -> None:
    """A request that was sent before the circuit opened ends well meanwhile: that does not close it."""
    circuit = Circuit(POLICY)
    late = asked(circuit, 0)
    fail(circuit, 4)
    circuit.succeeded(late, 1)
    circuit.failed(late, 1)
    assert circuit.state(1) == "open"
    assert circuit.opens_until == 10


def test_an_answer_that_is_cut_is_a_failure_and_no_further_call() -> None:
    """Its content counted as a success; the cut makes one failed call of it."""
    circuit = Circuit(POLICY)
    for _ in range(4):
        permit = asked(circuit, 0)
        circuit.succeeded(permit, 0)
        circuit.failed(permit, 0, counted=True)
    assert circuit.state(0) == "open"


def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    """No request goes until the pause is over; then one does."""
    circuit = Circuit(POLICY)
    circuit.rest(0, 5)
    assert circuit.ask(4.9) is None
    assert asked(circuit, 5).probe


def test_failures_in_a_row_open_it_before_half_of_the_window_has_failed() -> None:
    """After a hundred good answers, four failures in a row over three seconds are enough."""
    circuit = Circuit(POLICY)
    for _ in range(100):
        circuit.succeeded(asked(circuit, 0), 0)
    fail(circuit, 3, now=10)
    assert circuit.state(10) == "closed"
    fail(circuit, 1, now=10 + ROW)
    assert circuit.state(10 + ROW) == "open"


def test_many_failures_at_once_are_no_row() -> None:
    """One short trouble takes a thousand requests with it; a target that answered as many before is still asked."""
    circuit = Circuit(POLICY)
    for _ in range(1001):
        circuit.succeeded(asked(circuit, 0), 0)
    fail(circuit, 1000, now=10)
    assert circuit.state(10 + ROW) == "closed"


def test_an_answer_ends_a_row() -> None:
    """Three failures, content, and another failure: that is one in a row."""
    circuit = Circuit(POLICY)
    for _ in range(100):
        circuit.succeeded(asked(circuit, 0), 0)
    fail(circuit, 3, now=10)
    circuit.succeeded(asked(circuit, 11), 11)
    fail(circuit, 1, now=14)
    assert circuit.state(14) == "closed"


def test_answers_that_are_cut_are_no_row() -> None:
    """A proxy that restarts cuts all the answers that run: that says nothing of new requests."""
    circuit = Circuit(POLICY)
    for _ in range(100):
        circuit.succeeded(asked(circuit, 0), 0)
    for now in (10, 11, 12, 13, 14):
        circuit.failed(asked(circuit, now), now, counted=True)
    assert circuit.state(14) == "closed"


def test_a_target_that_cut_its_answers_is_tested_by_a_whole_one() -> None:
    """The test's first content proves nothing: it closes with the answer's end."""
    circuit = Circuit(POLICY)
    for _ in range(4):
        permit = asked(circuit, 0)
        circuit.succeeded(permit, 0)
        circuit.failed(permit, 0, counted=True)
    probe = asked(circuit, 10)
    circuit.succeeded(probe, 11)
    assert circuit.state(11) == "half_open"
    assert circuit.ask(11) is None
    circuit.ended(probe, 20)
    assert circuit.state(20) == "closed"


def test_once_it_has_closed_the_next_test_is_by_content_again() -> None:
    """What it opened for is forgotten when it closes."""
    circuit = Circuit(POLICY)
    for _ in range(4):
        permit = asked(circuit, 0)
        circuit.succeeded(permit, 0)
        circuit.failed(permit, 0, counted=True)
    circuit.ended(asked(circuit, 10), 10)
    fail(circuit, 4, now=11)
    circuit.succeeded(asked(circuit, 60), 60)
    assert circuit.state(60) == "closed"


def test_an_end_that_is_no_test_closes_nothing() -> None:
    """An answer that began before the circuit opened comes to its end meanwhile."""
    circuit = Circuit(POLICY)
    early = asked(circuit, 0)
    fail(circuit, 4)
    circuit.ended(early, 1)
    circuit.ended(SPENT, 1)
    assert circuit.state(1) == "open"
