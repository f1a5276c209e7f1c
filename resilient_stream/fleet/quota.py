"""What one client knows of the limits at its targets: what may be sent now, what requests cost, how many may run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

from ..policy import Limits
from ..target import Target
from .adaptive import Adaptive
from .bucket import Allowance, Buckets
from .health import TargetKey, key_of
from .remembered import Remembered
from .sizes import Sizes

__all__ = ["MakeAllowance", "Quota", "Quotas"]

MakeAllowance: TypeAlias = Callable[[TargetKey, Limits], Allowance]
"""Makes what is taken from: the buckets of this process, or a store's that many processes share."""


class Quota:
    """The limits at one target. allowance, adaptive: None where nothing of it is limited."""

    __slots__ = ("adaptive", "allowance", "key", "limits", "sizes")

    def __init__(self, key: TargetKey, limits: Limits, make: MakeAllowance) -> None:
        per_minute = (limits.requests_per_minute, limits.tokens_per_minute)
        self.key = key
        self.limits = limits
        self.allowance = None if per_minute == (None, None) else make(key, limits)
        self.adaptive = Adaptive(limits.max_concurrency) if limits.adaptive else None
        self.sizes = Sizes()

    @property
    def places(self) -> int | None:
        """Streams that may run at the same time; None for no bound."""
        return self.limits.max_concurrency if self.adaptive is None else self.adaptive.limit


class _Known(NamedTuple):
    """A target and its figures: the same target with others has a quota of its own."""

    key: TargetKey
    figures: tuple[float | None, ...]


class Quotas:
    """The quotas of one client."""

    def __init__(self, make: MakeAllowance | None = None) -> None:
        self._make = make or _in_this_process
        self._quotas: Remembered[_Known, Quota] = Remembered()

    def of(self, target: Target, limits: Limits) -> Quota:
        """Return the quota of a target under these limits."""
        figures = (limits.max_concurrency, limits.requests_per_minute, limits.tokens_per_minute, limits.adaptive)
        known = _Known(key_of(target), figures)
        return self._quotas.of(known, partial(Quota, known.key, limits, self._make))


def _in_this_process(_key: TargetKey, limits: Limits) -> Buckets:
    return Buckets(limits.requests_per_minute, limits.tokens_per_minute)
