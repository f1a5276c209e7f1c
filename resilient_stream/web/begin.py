"""Chooses where the source of a response comes from: its own stream, a run that goes on without it, or a hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, get_args

import msgspec

from ..delivery import Answering
from ..failures import StreamMisused
from ..formats.statuses import NOT_STORED
from ..formats.writer import Refusal, Writer
from ..given.checks import number
from .formats import Format, writer_for
from .log import NoSuchStream
from .owners import checked_alias, digest_of
from .run import OnDisconnect, detached
from .source import Owned, Source, answering

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["Begin", "checked_heartbeat", "last_event_id", "not_here", "resume"]


class Begin(NamedTuple):
    """Holds what a response is made of, checked before anything is sent."""

    stream: Answering
    writer: Writer
    format: Format
    on_disconnect: OnDisconnect
    hub: Hub | None
    owner: str | None
    alias: str | None

    @classmethod
    def checked(
        cls,
        stream: object,
        format: Format,
        on_disconnect: OnDisconnect,
        hub: Hub | None,
        owner: str | None,
        alias: str | None,
    ) -> Begin:
        """Return how an answer begins, from these options. Raises StreamMisused for options that make no sense
        together."""
        if on_disconnect not in get_args(OnDisconnect):
            raise StreamMisused(f"on_disconnect={on_disconnect!r} is none of {', '.join(get_args(OnDisconnect))}")
        if owner is not None and hub is None:
            raise StreamMisused("owner= says who may come back to the answer, which needs a hub, too")
        digest_of(owner)
        if alias is not None:
            checked_alias(alias, owner)
        return cls(answering(stream), writer_for(format), format, on_disconnect, hub, owner, alias)

    def source(self) -> Source:
        """Begin, and return the source: from now on somebody has to read it, or to leave it."""
        if self.hub is not None:
            return self.hub.begin(
                self.stream, self.writer, owner=self.owner, alias=self.alias, on_disconnect=self.on_disconnect,
                format=self.format,
            )  # fmt: skip
        if self.on_disconnect == "cancel":
            return self.owned()
        return detached(self.stream, self.writer, self.on_disconnect)

    def owned(self) -> Owned:
        """Return a source that ends with the response."""
        return Owned(self.stream, self.writer)


def checked_heartbeat(seconds: float | None) -> float | None:
    """Return the seconds between heartbeats. Raises StreamMisused for what would send them without a pause."""
    if seconds == 0:
        raise StreamMisused("heartbeat=0: give seconds, or None for no heartbeats")
    checked: float | None = number("heartbeat", seconds, 0.001)
    return checked


async def resume(hub: Hub, id: str, last: str, owner: str | None) -> Source:
    """Return the source of a reader that comes back. last: the number of the frame that it has last, as it says it;
    whoever says none, or something else, gets the whole answer. Raises NoSuchStream."""
    return await hub.resume(id, int(last) if last.isascii() and last.isdigit() and len(last) < 19 else 0, owner=owner)


def last_event_id(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return what a reader says that it has: in the header that browsers send, or in the query, for others."""
    return headers.get("last-event-id") or query.get("last_event_id") or ""


def not_here(error: NoSuchStream) -> Refusal:
    """Return the response to a reader whose answer is not here."""
    said = {"title": "No such answer", "message": str(error), "retryable": False}
    headers = {"content-type": "application/json", **NOT_STORED}
    return Refusal(error.status, headers, msgspec.json.encode({"error": said}))
