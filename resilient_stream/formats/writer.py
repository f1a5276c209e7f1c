"""Defines what a format is: a writer that turns the items of one answer into frames of bytes, and the facts that it is
told.

A frame is the smallest piece that a reader can do something with: one Server-Sent Event, one line, one piece of text.
A reader that comes back names the last frame that it has, so each frame has one number, and a batch of chunks becomes
a list of frames. Whoever sends them joins the frames of a batch, so that a network wake-up costs one write.

A writer never waits, reads no clock and makes no ids: `About` tells it what it cannot know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from ..chunks import Chunk, FinishReason, Usage
from ..outcome.errors import StreamError
from ..outcome.transcript import Outcome

__all__ = ["About", "Ending", "Item", "Refusal", "Writer"]

Item: TypeAlias = Chunk | Any
"""A chunk, or what a conversation yields beside chunks: `TurnStarted`, `ToolProgress`, `ToolResult`."""


class About(msgspec.Struct, frozen=True):
    """Holds what is known about an answer when its first frame is written.

    id: unguessable, unique for each answer. created: Unix time in seconds. target: the one that has begun to answer, as
    "provider:model"; empty where none has. model: its model, or the one that is asked first where none has begun. A
    target that continues the answer later does not change them.
    """

    id: str
    created: int
    model: str
    target: str = ""


class Ending(msgspec.Struct, frozen=True):
    """Says how the answer ended.

    outcome: `complete` only where the provider said that it is whole. error: set where it failed. finish_reason, usage:
    of the last request, where known. stopped: somebody stopped it on purpose (`Hub.stop`). target: the one that
    answered last, as "provider:model"; it says what its counts include.
    """

    outcome: Outcome
    error: StreamError | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    stopped: bool = False
    target: str = ""


class Refusal(NamedTuple):
    """Holds a whole HTTP response, for an answer that failed before any of it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Writer(Protocol):
    """Writes one answer: `begin` is called once, `write` for each batch, `end` once."""

    @property
    def media_type(self) -> str:
        """Return the `content-type` of the response."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Return further headers of the response, names in lower case."""
        ...

    @property
    def heartbeat(self) -> bytes:
        """Return bytes that a reader ignores, sent while the model is silent; empty where the format has none."""
        ...

    @property
    def numbered(self) -> bool:
        """Return whether frames are Server-Sent Events, so that `id: 7` can be put in front of each."""
        ...

    @property
    def cut(self) -> bool:
        """Return whether the connection has to be broken off instead of ended, asked after `end`.

        A format that has no word for a failure (plain text) looks whole however it ends. Only a body without its proper
        end, which for HTTP/1.1 is the last chunk of the chunked encoding, says that something is missing. Formats with
        an error and a terminator of their own always return False.
        """
        ...

    def begin(self, about: About) -> list[bytes]:
        """Return what stands before the first chunk."""
        ...

    def write(self, items: Sequence[Item]) -> list[bytes]:
        """Return the frames of one batch; fewer or more than there are items."""
        ...

    def end(self, ending: Ending) -> list[bytes]:
        """Return what ends the answer: an error in the format's own way where it failed, then the terminator."""
        ...

    def refusal(self, error: StreamError) -> Refusal:
        """Return the response for an answer that failed before its first frame; `begin` was not called."""
        ...
