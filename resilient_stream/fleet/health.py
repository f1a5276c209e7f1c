"""What one client knows of its targets: whether they are well, how fast they begin, how much they are doing.

A target is known by its name, its address and its key: an account that is over its limit says nothing of another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from ..failures.kinds import ErrorKind
from ..outcome.errors import StreamError
from ..policy import Breaker
from ..target import Target
from .circuit import Circuit, CircuitState, Permit
from .counting import COUNTS
from .latency import PeakLatency

__all__ = ["Health", "Patient", "TargetHealth", "TargetKey", "key_of"]

MAX_TARGETS = 1024
"""Targets that are remembered; of more, the one that was used longest ago is forgotten."""

_HINTS = (ErrorKind.RATE_LIMITED, ErrorKind.PROVIDER_OVERLOADED)

LONGEST_REST = 3600.0
"""Seconds that a server's own hint can keep a target closed off."""


class TargetKey(NamedTuple):
    """What tells targets apart. key: a short digest of the key, never the key."""

    name: str
    address: str
    key: str


_NOBODY: Mapping[TargetKey, tuple[int, int]] = {}


class TargetHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A target's health as `Client.health()` gives it.

    failure_rate: share of failed requests within the breaker's window. time_to_first_chunk: seconds until content,
    learned; None before the first answer. in_flight: requests that run now. opens_until: seconds from now after which
    a request may test the target; None where it is asked as usual. queued: requests that wait because of its `Limits`.
    """

    target: str
    state: CircuitState
    failure_rate: float
    time_to_first_chunk: float | None
    in_flight: int
    opens_until: float | None
    queued: int = 0


def key_of(target: Target) -> TargetKey:
    """Return what a target is known by."""
    key = target.api_key
    digest = hashlib.blake2b(key.encode(), digest_size=6).hexdigest() if isinstance(key, str) else ""
    return TargetKey(target.name, target.base_url or "", digest)


class Patient:
    """One target under observation."""

    __slots__ = ("circuit", "in_flight", "latency")

    def __init__(self, policy: Breaker) -> None:
        self.circuit = Circuit(policy)
        self.latency = PeakLatency()
        self.in_flight = 0

    def began(self, permit: Permit, seconds: float, now: float) -> None:
        """Note that a request's first content came after `seconds`."""
        self.circuit.succeeded(permit, now)
        self.latency.saw(seconds, now)

    def failed(self, permit: Permit, error: StreamError, now: float, *, after_content: bool) -> None:
        """Note what a request ended with. Failures that say nothing of the target are no verdict."""
        if not COUNTS[error.kind]:
            self.circuit.left(permit)
            return
        self.circuit.failed(permit, now, counted=after_content)
        if error.kind in _HINTS and error.retry_after:
            self.circuit.rest(now, min(error.retry_after, LONGEST_REST))

    def left(self, permit: Permit) -> None:
        """Note that the caller went away before there was a verdict."""
        self.circuit.left(permit)


class Health:
    """The targets of one client."""

    def __init__(self, policy: Breaker) -> None:
        self._policy = policy
        self._patients: dict[TargetKey, Patient] = {}

    def of(self, target: Target) -> Patient:
        """Return what is known of a target."""
        key = key_of(target)
        patient = self._patients.pop(key, None) or Patient(self._policy)
        self._patients[key] = patient  # the last in the order is the one that was used last
        if len(self._patients) > MAX_TARGETS:
            del self._patients[next(iter(self._patients))]
        return patient

    def all(
        self, targets: Iterable[Target], now: float, busy: Mapping[TargetKey, tuple[int, int]] = _NOBODY
    ) -> tuple[TargetHealth, ...]:
        """Return the health of these targets, and then of all others that are known.

        busy: how many requests wait and run at each target that has limits, as they count them.
        """
        own = [key_of(target) for target in targets]
        keys = dict.fromkeys((*own, *self._patients, *busy))
        return tuple(self._seen(key, now, *busy.get(key, (0, 0))) for key in keys)

    def _seen(self, key: TargetKey, now: float, queued: int, running: int) -> TargetHealth:
        patient = self._patients.get(key) or Patient(self._policy)
        until = patient.circuit.opens_until
        return TargetHealth(
            target=key.name,
            state=patient.circuit.state(now),
            failure_rate=patient.circuit.failure_rate(now),
            time_to_first_chunk=patient.latency.seconds,
            in_flight=max(patient.in_flight, running),
            queued=queued,
            opens_until=None if until is None else max(0.0, until - now),
        )
