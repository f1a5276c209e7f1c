"""Defines `SyncClient`: `Client`, whose methods wait. Each hands its arguments on, so there is one implementation
only."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, Unpack

from ..client import Client
from ..failures import StreamMisused
from ..messages import Prompt
from ..options import StreamOptions
from ..outcome.transcript import Transcript
from .background import background
from .streams import SyncScope, SyncStream

if TYPE_CHECKING:
    from ..fleet.health import TargetHealth
    from ..fleet.ledger import Ledger
    from .conversation import SyncConversation

__all__ = ["SyncClient"]

Options = ParamSpec("Options")
ResultT = TypeVar("ResultT")


def _takes_what(
    original: Callable[Concatenate[Client, Options], object],
) -> Callable[[Callable[..., ResultT]], Callable[Concatenate[SyncClient, Options], ResultT]]:
    """Decorate a method that hands on whatever it is given: it has the parameters and the docstring of `original`."""

    def decorated(method: Callable[..., ResultT]) -> Callable[Concatenate[SyncClient, Options], ResultT]:
        return functools.wraps(original, assigned=("__doc__",))(method)

    return decorated


class SyncClient:
    """Streams answers to code without an event loop, with the targets and policies of `Client`.

    Many threads may use one at once. It may be made before a process forks: each process has a `Client` of its own.
    `on_event`, `on_end` and asynchronous functions are called on the background loop, where they must not block.
    session: refused, because a session belongs to an event loop.
    """

    @_takes_what(Client.__init__)
    def __init__(self, *targets: Any, **options: Any) -> None:
        if options.get("session") is not None:
            raise StreamMisused("session= belongs to an event loop of yours, and SyncClient has its own; use Client")
        if "middlewares" in options:
            # Each process reads them again, so an iterator would be empty.
            options["middlewares"] = tuple(options["middlewares"])
        self._make = functools.partial(Client, *targets, **options)
        self._clients = {os.getpid(): self._make()}
        """The client of each process. A parent's is kept, because its end would close sockets that both share."""
        self._closed = False

    def stream(self, prompt: Prompt, **options: Unpack[StreamOptions]) -> SyncStream:
        """Ask the model, and return the stream of its answer. Nothing is sent before the first pull, and the clocks
        start there. The options are those of `Client`."""
        return SyncStream(background(), self._client.stream(prompt, **options))

    def complete(self, prompt: Prompt, **options: Unpack[StreamOptions]) -> Transcript:
        """Return the transcript of a whole answer, with options as for `stream`. Raises StreamError when it fails."""
        return background().run(lambda: self._client.complete(prompt, **options))

    @_takes_what(Client.converse)
    def converse(self, *values: Any, **options: Any) -> SyncConversation:
        """Run a conversation."""
        from .conversation import SyncConversation

        return SyncConversation(background(), self._client.converse(*values, **options))

    def scope(self, deadline: float | None = None) -> SyncScope:
        """Return a scope that owns every stream started from it, and closes them all when it is left.

        deadline: seconds from entering the scope, for everything in it.
        """
        return SyncScope(background(), self._client.scope(deadline))

    def health(self) -> tuple[TargetHealth, ...]:
        """Return the health of the client's targets, and of others that its calls named, as `Client.health` does."""
        return self._client.health()

    @property
    def ledger(self) -> Ledger:
        """Return what the calls of this process used and cost."""
        return self._client.ledger

    def close(self) -> None:
        """End every running stream with ClientClosed, then close the connections. It may be called again."""
        self._closed = self._client.closed = True
        if background().runs:
            background().run(self._client.aclose)

    @property
    def _client(self) -> Client:
        """Return the client of this process."""
        client = self._clients.get(os.getpid())
        if client is None:
            client = self._clients.setdefault(os.getpid(), self._make())
            client.closed = self._closed
        background().clients.add(client)
        return client

    def __repr__(self) -> str:
        return repr(self._client).replace("<", "<Sync", 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
