"""Makes the call above a conversation's turns, and links it to the call of each turn.

Whatever ends one of the two calls also ends the other, at once and without an `await`. The exception is a turn that
ends well: the conversation goes on.

Nothing here refers to the `Conversation`: when the caller drops it, it must be collected, because that is how an
abandoned conversation is noticed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

from ..engine.call import Call, Owner
from ..events import Observer
from ..failures import Failure
from ..outcome.errors import StreamError
from ..outcome.making import error_for
from ..outcome.transcript import Outcome, Transcript
from ..stream import Stream
from .mcp_servers import MCPServers
from .turns import ConversationRecord

__all__ = ["Link", "Observers", "call_over"]

Observers: TypeAlias = tuple[Callable[[Call], Observer | None], ...]
"""Each is asked for an observer when a conversation begins, with the conversation's call."""


class Link:
    """Links a conversation's call to the call of the current turn. To the former it is a `Live` part."""

    def __init__(self) -> None:
        self.outer: Call | None = None
        self.inner: Call | None = None

    def error(self, failure: Failure) -> StreamError:
        """Return the error for a finding about the whole; it names the target of the turn."""
        return error_for(failure) if self.inner is None else self.inner.error(failure)

    def clean(self, cause: BaseException | None) -> BaseException | None:
        """Return the exception behind an error in a form that may be shown."""
        return cause if self.inner is None else self.inner.clean(cause)

    def begin(self, turn: Stream) -> None:
        """Make this the current turn. It has no deadline but the conversation's."""
        inner, outer = turn._call, self.outer
        if outer is not None:
            inner.settings = dataclasses.replace(inner.settings, deadline=None)
            inner.until = outer.now() + outer.remaining()
            inner.observing.from_conversation = outer.observing.for_turns
        self.inner = inner

    def ended(self, transcript: Transcript) -> None:
        """Note that the turn's stream has ended. The conversation ends with it, unless the turn ended well."""
        self.inner = None
        outcome, outer = transcript.outcome, self.outer
        if outer is None or outer.dead is not None or outcome in (None, "complete"):
            return
        if not outer.busy:
            outer.finish(outcome, transcript.error)  # while a pull runs, the pull itself ends the conversation
        elif outcome == "client_closed" and transcript.error is not None:
            outer.expire(transcript.error, outcome)  # the client ends its calls in any order, with pauses in between

    def finish(self, outcome: Outcome) -> None:
        """End the conversation and its turn from outside."""
        if self.inner is not None:
            self.inner.finish(outcome)
        if self.outer is not None:
            self.outer.finish(outcome)

    def watch(self, now: float) -> None:
        """Do nothing: the turn has a timer of its own."""

    def interrupt(self) -> None:
        """End the turn, because the conversation was ended from outside."""
        if self.inner is not None and self.outer is not None and self.outer.dead is not None:
            self.inner.expire(self.outer.dead, self.outer._ends_as)

    def close(self) -> None:
        """Release the conversation's call, and end a turn that was ended from outside just as its pull had a chunk.

        Any other turn has ended already, since the error passed through it.
        """
        if self.outer is not None:
            self.outer.leave(self)
        inner = self.inner
        if inner is not None and inner.dead is not None and not inner.busy:
            inner.fail(inner.dead)


def call_over(
    link: Link,
    owner: Owner,
    first: Stream,
    record: ConversationRecord,
    on_end: Callable[[ConversationRecord], object] | None,
    servers: MCPServers,
    observers: Observers,
) -> Call:
    """Make the conversation's call, with the settings of its first turn. It sends nothing. Its observers are told of
    tools and of its end, of which the MCP servers are told, too."""

    def ended(transcript: Transcript) -> None:
        servers.close()
        record.end(transcript, call.allowed)
        if on_end is not None:
            on_end(record)

    settings = first._call.settings
    timeouts = settings.timeouts.model_copy(update={"consumer": None})  # each turn watches its consumer
    own = dataclasses.replace(settings, timeouts=timeouts, on_end=ended, on_event=None, observers=observers)
    call = link.outer = Call(owner, own, first._call.request)  # `ended` is called when there is one
    call.origin = link
    return call
