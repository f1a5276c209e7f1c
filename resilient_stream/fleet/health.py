"""Keeps what one client knows of its targets: whether they are well, how fast they begin, how much they are doing.

A target is known by its name, its address and its key: an account that is over its limit says nothing of another one.
So a key that is changed in the environment is another target from the next request on; the ledger tells keys apart by
what was sent.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from ..failures.kinds import ErrorKind
from ..outcome.errors import StreamError
from ..policy import Breaker
from ..providers import adapter_for
from ..target import Target
from .circuit import Circuit, CircuitState, Permit
from .counting import COUNTS
from .latency import PeakLatency
from .remembered import Remembered

__all__ = ["Health", "Patient", "TargetHealth", "TargetKey", "digest_of", "key_of"]

_HINTS = (ErrorKind.RATE_LIMITED, ErrorKind.PROVIDER_OVERLOADED)

USUAL_REST = 5.0
"""Seconds for which a target rests that was asked too often, and did not say for how long."""

LONGEST_REST = 3600.0
"""Seconds that a server's own hint can keep a target closed off."""


class TargetKey(NamedTuple):
    """Holds what tells targets apart. key: a short digest of the key, or of the name of the function that gives it;
    never the key."""

    name: str
    address: str
    key: str


_NOBODY: Mapping[TargetKey, tuple[int, int, float]] = {}


class TargetHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Describes a target's health as `Client.health()` gives it.

    failure_rate: share of failed requests within the breaker's window. time_to_first_chunk: seconds until content,
    learned; None before the first answer. in_flight: requests that run now, and answers that are read on
    for their usage. opens_until: seconds from now after which a request may test the target; None where it is asked as
    usual. queued: requests that wait because of its `Limits`. longest_wait: seconds for which one of them has waited;
    None where none waits.
    """

    target: str
    state: CircuitState
    failure_rate: float
    time_to_first_chunk: float | None
    in_flight: int
    opens_until: float | None
    queued: int = 0
    longest_wait: float | None = None


def key_of(target: Target) -> TargetKey:
    """Return what a target is known by: with the key that the environment has now, where it has none of its own."""
    return TargetKey(target.name, target.base_url or "", digest_of(_account_of(target)))


def _account_of(target: Target) -> str | None:
    """Return what tells the account apart that a request is sent for.

    A function is known by its name and not by what it returns: it may return a new token of one account each time, and
    then no limit would ever be reached, and no failure be known to the next request.
    """
    given = target.api_key
    if callable(given):
        return f"{getattr(given, '__module__', '')}.{getattr(given, '__qualname__', '')}"
    if given and (own := given.strip()):
        return own
    variables = adapter_for(target.provider).key_variables
    return next((key for name in variables if (key := os.environ.get(name, "").strip())), None)


def digest_of(key: str | None) -> str:
    """Return a short digest that tells keys apart, and from which no key can be read; "" without a key."""
    return hashlib.blake2b(key.encode(), digest_size=6).hexdigest() if key else ""


class Patient:
    """Observes one target. told: the state of its circuit that was told of last."""

    __slots__ = ("_rests", "circuit", "in_flight", "latency", "slow_after", "told")

    def __init__(self, policy: Breaker, *, judges: bool = True, rests: bool = False) -> None:
        self.circuit = Circuit(policy, judges=judges)
        self._rests = rests
        self.slow_after = policy.slow_after
        self.latency = PeakLatency()
        self.in_flight = 0
        self.told: CircuitState = "closed"

    def began(self, permit: Permit, seconds: float, now: float) -> None:
        """Note that a request's first content came after `seconds`."""
        self.circuit.succeeded(permit, now)
        self.latency.saw(seconds, now)

    def failed(self, permit: Permit, error: StreamError, now: float, *, after_content: bool) -> None:
        """Note what a request ended with. Failures that say nothing of the target are no verdict."""
        if not self.is_verdict(error):
            self.circuit.left(permit)
            return
        self.circuit.failed(permit, now, counted=after_content)
        if rest := self.rest_after(error):
            self.circuit.rest(now, rest)

    def is_verdict(self, error: StreamError) -> bool:
        """Return whether an error says something of the target."""
        return COUNTS[error.kind]

    def rest_after(self, error: StreamError) -> float:
        """Return the seconds for which the target wants to be left alone; 0 if it did not say so."""
        rest = error.retry_after if error.kind in _HINTS else None
        if not rest and self._rests and error.kind is ErrorKind.RATE_LIMITED:
            rest = USUAL_REST
        return min(rest or 0.0, LONGEST_REST)

    def silent(self, permit: Permit, now: float, *, after_content: bool) -> None:
        """Note that a request has had no content for `slow_after` seconds."""
        self.circuit.failed(permit, now, counted=after_content)

    def ended(self, permit: Permit, now: float) -> None:
        """Note that an answer is over, whole or because its caller had enough of it."""
        self.circuit.ended(permit, now)

    def left(self, permit: Permit) -> None:
        """Note that the caller went away before there was a verdict."""
        self.circuit.left(permit)


class MakePatient(Protocol):
    """Makes what is known of a target, where it is known to more than this process."""

    def __call__(self, key: TargetKey, *, policy: Breaker, judges: bool, rests: bool) -> Patient:
        """Return what is known of a target, for one of which nothing is known here yet."""
        ...


class Health:
    """Observes the targets of one client.

    judges: whether a target's failures open its circuit; else they are only counted. rests: whether a target that says
    that it is asked too often is left alone for a while, also where it does not say for how long. make: makes what is
    known of a target, where it is known to more than this process.
    """

    def __init__(
        self, policy: Breaker, *, judges: bool = True, rests: bool = False, make: MakePatient | None = None
    ) -> None:
        self._unknown = functools.partial(Patient, policy, judges=judges, rests=rests)
        self._make = None if make is None else functools.partial(make, policy=policy, judges=judges, rests=rests)
        self._patients: Remembered[TargetKey, Patient] = Remembered()

    def of(self, target: Target) -> Patient:
        """Return what is known of a target."""
        key = key_of(target)
        return self._patients.of(key, self._unknown if self._make is None else functools.partial(self._make, key))

    def views(self, targets: Iterable[Target], now: float) -> tuple[TargetHealth, ...]:
        """Return the health of these targets, one for each."""
        for target in targets:
            self.of(target)
        return tuple(self._view_of(key_of(target), now, 0, 0, now) for target in targets)

    def states(self, now: float) -> tuple[tuple[TargetKey, CircuitState], ...]:
        """Return the state of each target that is known. It may be read in any thread."""
        return tuple((key, patient.circuit.state(now)) for key, patient in self._patients.items())

    def all(
        self, targets: Iterable[Target], now: float, busy: Mapping[TargetKey, tuple[int, int, float]] = _NOBODY
    ) -> tuple[TargetHealth, ...]:
        """Return the health of these targets, and then of all others that are known.

        busy: how many requests wait and run at each target that has limits, as they count them, and since when one
        waits.
        """
        own = [key_of(target) for target in targets]
        keys = dict.fromkeys((*own, *self._patients.keys(), *busy))
        return tuple(self._view_of(key, now, *busy.get(key, (0, 0, now))) for key in keys)

    def _view_of(self, key: TargetKey, now: float, queued: int, running: int, since: float) -> TargetHealth:
        patient = self._patients.get(key) or self._unknown()
        state, until = patient.circuit.state(now), patient.circuit.opens_until
        return TargetHealth(
            target=key.name,
            state=state,
            failure_rate=patient.circuit.failure_rate(now),
            time_to_first_chunk=patient.latency.seconds,
            in_flight=max(patient.in_flight, running),
            queued=queued,
            longest_wait=max(0.0, now - since) if queued else None,
            opens_until=None if until is None or state == "closed" else max(0.0, until - now),
        )
