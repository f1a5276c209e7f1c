"""Defines the steps of scripts: small frozen values, each of which does one thing to a `Reply`.

A step says what the client will see, and does not look at other steps: a script is read from top to bottom. Any object
with `async def play(self, reply)` is a step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import msgspec

from ..chunks import Usage
from .dialects import Payload
from .reply import Framing, Reply

__all__ = [
    "BadChunk",
    "CallTool",
    "CleanEnd",
    "Comment",
    "Cut",
    "End",
    "ErrorEvent",
    "Event",
    "Head",
    "Preamble",
    "Raw",
    "Reset",
    "Script",
    "Send",
    "Sleep",
    "Speak",
    "Stall",
    "Status",
    "Step",
    "Text",
]


class Step(Protocol):
    """Does one line of a script."""

    async def play(self, reply: Reply) -> None:
        """Act on the answer."""
        ...


Script: TypeAlias = Iterable[Step]
"""Steps in order. After the last one, the body is ended as by `CleanEnd`. A generator may go on for ever."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Writes the answer in a dialect of your choice; without it, the request's path decides."""

    dialect: str

    async def play(self, reply: Reply) -> None:
        """Change the dialect."""
        reply.speak(self.dialect)


@dataclass(frozen=True, slots=True)
class Head:
    """Sends a status line and headers, without the body. Other steps send the dialect's own head when none was sent.

    headers: over the dialect's. framing: "chunked" (default), "length" (give a content-length), or "close": the
    body ends where the connection does.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: Framing = "chunked"

    async def play(self, reply: Reply) -> None:
        """Send the head."""
        await reply.head(self.status, {**reply.dialect.headers, **self.headers}, self.framing)


@dataclass(frozen=True, slots=True)
class Status:
    """Sends a whole answer that is no stream: `Status(429, {"retry-after": "2"})`.

    body: values that become JSON, or text, or bytes; by default an error in the dialect's own shape.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: dict[str, Any] | list[Any] | str | bytes | None = None

    async def play(self, reply: Reply) -> None:
        """Send the answer, with its length."""
        headers = {**reply.dialect.headers, "content-type": "application/json", **self.headers}
        await reply.whole(self.status, headers, self._bytes(reply))

    def _bytes(self, reply: Reply) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        body = reply.dialect.error(self.status, f"fake error {self.status}") if self.body is None else self.body
        return msgspec.json.encode(body)


@dataclass(frozen=True, slots=True)
class Raw:
    """Sends bytes on the socket as they are, outside of any framing; for what no HTTP server would send."""

    data: bytes

    async def play(self, reply: Reply) -> None:
        """Send the bytes."""
        await reply.raw(self.data)


@dataclass(frozen=True, slots=True)
class Send:
    """Sends bytes of the body, in one write (one chunk). Write two `Send` to split at a byte."""

    data: bytes

    async def play(self, reply: Reply) -> None:
        """Send the bytes."""
        await reply.send(self.data)


@dataclass(frozen=True, slots=True)
class Preamble:
    """Sends what the dialect sends before any content: OpenAI's role, Anthropic's message_start. `Text` does it too."""

    async def play(self, reply: Reply) -> None:
        """Send the preamble, unless it was sent."""
        await reply.preamble()


@dataclass(frozen=True, slots=True, init=False)
class Text:
    """Sends pieces of the answer's text, an event each: `Text("Hel", "lo")`."""

    pieces: tuple[str, ...]

    def __init__(self, *pieces: str) -> None:
        object.__setattr__(self, "pieces", pieces)

    async def play(self, reply: Reply) -> None:
        """Send the pieces in the dialect."""
        for piece in self.pieces:
            await reply.text(piece)


@dataclass(frozen=True, slots=True)
class CallTool:
    """Sends a tool call. arguments: values that become JSON, or JSON text, which may be broken (not for Gemini,
    Ollama)."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)

    async def play(self, reply: Reply) -> None:
        """Send the call in the dialect."""
        given = self.arguments
        await reply.call(self.name, given if isinstance(given, str) else msgspec.json.encode(given).decode())


@dataclass(frozen=True, slots=True)
class Event:
    """Sends an event of your own: `Event({"type": "ping"})`. A text is sent as it is. event: its name, if it has
    one."""

    data: Payload
    event: str | None = None

    async def play(self, reply: Reply) -> None:
        """Send the event in the dialect's framing."""
        await reply.event(self.data, self.event)


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """Sends an error inside the stream, in the dialect's shape; the head said 200 already. Does not end the body."""

    status: int = 500
    message: str = "fake error"

    async def play(self, reply: Reply) -> None:
        """Send the error as an event."""
        await reply.event(reply.dialect.error(self.status, self.message))


@dataclass(frozen=True, slots=True)
class Comment:
    """Sends a keep-alive comment: life on the wire, but no content. `times` of them, `every` so many seconds."""

    text: str = "keep-alive"
    every: float = 0.0
    times: int = 1

    async def play(self, reply: Reply) -> None:
        """Wait and send a comment, as often as asked."""
        for _ in range(self.times):
            await asyncio.sleep(self.every)
            await reply.send(reply.dialect.comment(self.text))


@dataclass(frozen=True, slots=True)
class Sleep:
    """Pauses for some seconds; the pause is over at once when the client leaves."""

    seconds: float

    async def play(self, reply: Reply) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class Stall:
    """Keeps silent on an open connection, until the client leaves."""

    async def play(self, reply: Reply) -> None:
        """Wait until the client leaves."""
        await reply.stall()


@dataclass(frozen=True, slots=True)
class End:
    """Sends the dialect's end of an answer, with its end marker, and the end of the body.

    reason: "stop", "length", "tool_calls", "content_filter" or "refusal" in any dialect, or a dialect's own word.
    usage: what to report; by default a token per piece, and with OpenAI only when it was asked for.
    """

    reason: str | None = None
    usage: Usage | None = None

    async def play(self, reply: Reply) -> None:
        """Send the end. If the request did not ask for a stream, send all that was said."""
        reply.said.usage = self.usage
        await reply.finish(self.reason or ("tool_calls" if reply.said.calls else "stop"))


@dataclass(frozen=True, slots=True)
class CleanEnd:
    """Ends the HTTP body properly, without the dialect's end marker, like a proxy that gave up."""

    async def play(self, reply: Reply) -> None:
        """End the body."""
        await reply.end()


@dataclass(frozen=True, slots=True)
class Cut:
    """Closes the connection (FIN), in the middle of the body or before any answer."""

    async def play(self, reply: Reply) -> None:
        """Close the connection."""
        reply.cut()


@dataclass(frozen=True, slots=True)
class Reset:
    """Resets the connection (RST), as a crashed process or a firewall does."""

    async def play(self, reply: Reply) -> None:
        """Reset the connection."""
        reply.reset()


@dataclass(frozen=True, slots=True)
class BadChunk:
    """Sends a chunk whose length is no number, then ends the connection: the framing itself is broken."""

    async def play(self, reply: Reply) -> None:
        """Send the broken chunk and close the connection."""
        await reply.send(b"")
        await reply.raw(b"this is no length\r\n")
        reply.cut()
