"""Keeps what one client knows of the limits at its targets: what may be sent now, what requests cost, how many may
run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..policy import Limits
from ..target import Target
from .adaptive import Adaptive
from .bucket import Allowance, Buckets
from .health import TargetKey, key_of
from .remembered import Remembered
from .sizes import Sizes

if TYPE_CHECKING:
    from .places import Places

__all__ = ["Maker", "Quota", "Quotas"]


class Maker(Protocol):
    """Makes the allowances and places that requests are counted by: those of this process alone, or of a store that
    many processes share."""

    def allowance(self, key: TargetKey, limits: Limits) -> Allowance:
        """Return what may be sent to a target in a minute."""
        ...

    def places(self, key: TargetKey, limit: int) -> Places | None:
        """Return the places at a target that many processes share; None where they are this process's own."""
        ...


class Quota:
    """Holds the limits at one target. allowance, adaptive: None where nothing of it is limited. shared: the places that
    other processes take, too; None where there are none."""

    __slots__ = ("adaptive", "allowance", "key", "limits", "shared", "sizes")

    def __init__(self, key: TargetKey, limits: Limits, maker: Maker) -> None:
        per_minute = (limits.requests_per_minute, limits.tokens_per_minute)
        self.key = key
        self.limits = limits
        self.allowance = None if per_minute == (None, None) else maker.allowance(key, limits)
        self.shared = None if limits.max_concurrency is None else maker.places(key, limits.max_concurrency)
        self.adaptive = Adaptive(limits.max_concurrency) if limits.adaptive else None
        self.sizes = Sizes()

    @property
    def places(self) -> int | None:
        """Return how many streams this client may run at the same time; None for no bound."""
        return self.limits.max_concurrency if self.adaptive is None else self.adaptive.limit


class _Known(NamedTuple):
    """Holds a target and its figures: the same target with others has a quota of its own."""

    key: TargetKey
    figures: tuple[float | None, ...]


class Quotas:
    """Keeps the quotas of one client."""

    def __init__(self, maker: Maker | None = None) -> None:
        self._maker = maker or _InThisProcess()
        self._quotas: Remembered[_Known, Quota] = Remembered()

    def of(self, target: Target, limits: Limits) -> Quota:
        """Return the quota of a target under these limits."""
        figures = (limits.max_concurrency, limits.requests_per_minute, limits.tokens_per_minute, limits.adaptive)
        known = _Known(key_of(target), figures)
        return self._quotas.of(known, partial(Quota, known.key, limits, self._maker))


class _InThisProcess:
    """Shares nothing with other processes."""

    def allowance(self, _key: TargetKey, limits: Limits) -> Allowance:
        """Return buckets of this process."""
        return Buckets(limits.requests_per_minute, limits.tokens_per_minute)

    def places(self, _key: TargetKey, _limit: int) -> None:
        """Return nothing: the gate of each loop counts."""
        return
