"""Tells a call's events to observers, for telemetry and recordings, and to the user's `on_event`.

A bug in one of them is logged, and the stream is not affected.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..events import AttemptProgress, Event, Observer, OnEvent, QueueJoined, QueueLeft, Step, ToolEnded, ToolStarted
from ..outcome.transcript import Attempt

__all__ = ["Observing", "safely"]

logger = logging.getLogger("resilient_stream")


class Observing:
    """Tells the events of one call to its observers.

    trace_headers: what an observer wants sent along with a request, its trace's context. followed: one of them wants to
    be told of every step of each request. in_trouble: asked with the call for an observer when something first goes
    wrong; for a good call none is made. for_turns: what an observer of a conversation wants the observers of its turns
    to have. from_conversation: the same, as a turn's call has it.
    """

    __slots__ = (
        "followed", "for_turns", "from_conversation", "in_trouble", "observers", "trace_headers", "watchers",
    )  # fmt: skip

    def __init__(self) -> None:
        self.observers: tuple[Observer, ...] = ()
        self.watchers: tuple[OnEvent, ...] = ()
        self.trace_headers: Callable[[Attempt], Mapping[str, str]] | None = None
        self.followed = False
        self.in_trouble: Callable[[Any], Observer] | None = None
        self.for_turns: Any = None
        self.from_conversation: Any = None

    def start(self, call: Any, asked: Iterable[Callable[[Any], Observer | None]], on_event: OnEvent | None) -> None:
        """Ask each for an observer of this call."""
        self.observers = tuple(observer for ask in asked if (observer := _made(ask, call)) is not None)
        self.watchers = self.observers if on_event is None else (*self.observers, on_event)

    def tell(self, call_id: str, make: Callable[..., Event], values: tuple[Any, ...]) -> None:
        """Make an event and tell it to all who watch; it is not even made where nobody does."""
        if self.watchers:
            event = make(call_id, *values)
            for watcher in self.watchers:
                safely(watcher, event)

    def expect_trouble(self, call: Any) -> None:
        """Add the observer that was offered for calls in trouble, because something went wrong."""
        if self.in_trouble is not None:
            observe, self.in_trouble = self.in_trouble, None
            observer = _made(observe, call)
            self.watchers = (*((observer,) if observer is not None else ()), *self.watchers)

    def note(self, call_id: str, target: str, attempt: int, step: Step, record: Attempt) -> None:
        """Tell the observers how far a request has come, if one of them wants to know."""
        if self.followed:
            self.tell_observers(AttemptProgress(call_id, target, attempt, step, record))

    def queue(self, make: Callable[..., QueueJoined | QueueLeft], *values: Any) -> None:
        """Tell the observers that a request waits for its target's limits, or no longer does."""
        if self.observers:
            self.tell_observers(make(*values))

    def tell_observers(self, event: AttemptProgress | QueueJoined | QueueLeft | ToolStarted | ToolEnded) -> None:
        """Tell something to the observers, but not to the user's `on_event`."""
        for observer in self.observers:
            safely(observer, event)


def _made(make: Callable[..., Observer | None], *call: Any) -> Observer | None:
    """Return an observer; None where it could not be made. Its bug, or a lack of memory, must keep no call from
    starting or ending."""
    try:
        return make(*call)
    except Exception:
        logger.exception("an observer of resilient_stream raised; the stream is not affected")
        return None


def safely(callback: Callable[[Any], object], value: Any) -> None:
    """Call back; an exception there must not become the stream's end."""
    try:
        callback(value)
    except Exception:
        logger.exception("a callback given to resilient_stream raised; the stream is not affected")
