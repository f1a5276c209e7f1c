"""Sends one answer; the steps of a script act on it.

Bytes are sent in the order and in the pieces that the script says; nothing is joined or held back. The script alone
decides what comes next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from .dialects import DIALECTS, Called, Payload, Said, asked_for, dialect_of
from .http import LAST_CHUNK, ReceivedRequest, chunk, response_head

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["Framing", "Reply"]

Framing: TypeAlias = Literal["chunked", "length", "close"]
"""How the client learns where the body ends: by the last chunk, by content-length, or by the connection's end."""


class Reply:
    """Sends the answer to one request. Steps of your own use its methods, as the ready ones do.

    dialect: the dialect of its events, by the request's path unless `speak` chose another.
    said: what it has said so far.
    framing: None until the head is sent.
    ended: the HTTP message is whole.
    """

    def __init__(self, connection: Connection, request: ReceivedRequest) -> None:
        self.request = request
        self.framing: Framing | None = None
        self.ended = False
        self.begun = False
        self._silent = True
        self._body_left = 0
        self._connection = connection
        self.speak(dialect_of(request) or "openai")

    def speak(self, dialect: str) -> None:
        """Write the answer in this dialect, whatever the path."""
        self.dialect = DIALECTS[dialect]
        asked = asked_for(self.request)
        found = self.dialect.path.search(self.request.path)
        in_path = found.groupdict() if found else {}
        model = in_path.get("model") or asked.get("model") or "fake-model"
        options = asked.get("stream_options") or {}
        after = in_path.get("resumed_after")
        self.said = Said(
            model=model,
            usage_wanted=bool(options.get("include_usage")),
            resumed_after=None if after is None else int(after),
        )
        self.streaming = found is None or self.dialect.streaming(self.request)

    # -- bytes ----------------------------------------------------------------------------------

    async def raw(self, data: bytes) -> None:
        """Send bytes on the socket unchanged, also what no HTTP server would send."""
        self._silent = False
        await self._connection.write(data)

    async def head(self, status: int, headers: Mapping[str, str], framing: Framing = "chunked") -> None:
        """Send the status line and the headers. For "length", the content-length has to be among them."""
        extra = {"chunked": {"transfer-encoding": "chunked"}, "length": {}, "close": {"connection": "close"}}
        self.framing = framing
        self._body_left = int(headers.get("content-length", "0"))
        await self.raw(self._head(status, {**headers, **extra[framing]}))

    async def send(self, data: bytes) -> None:
        """Send bytes of the body in one write, which is one chunk. Without a head, send the dialect's own first."""
        if self.framing is None:
            await self.head(200, self.dialect.headers)
        self._body_left -= len(data)
        self.ended = self.framing == "length" and self._body_left <= 0
        await self.raw(chunk(data) if self.framing == "chunked" else data)

    async def end(self) -> None:
        """Make the HTTP message whole; do nothing if it is."""
        if self.ended:
            return
        if self.framing is None and not self._silent:
            return  # a script of `Raw` steps: what it sent is the whole answer
        if self.framing is None:
            await self.head(200, self.dialect.headers)
        self.ended = True
        if self.framing == "chunked":
            await self.raw(LAST_CHUNK)
        if self.framing == "close":
            self.cut()

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send head and body in one write, with the body's length."""
        self.framing, self.ended = "length", True
        await self.raw(self._head(status, {**headers, "content-length": str(len(body))}) + body)

    def _head(self, status: int, headers: Mapping[str, str]) -> bytes:
        """Send a head. A client that asked for `connection: close` gets that header, too (RFC 9112, 9.6)."""
        wish = {"connection": "close"} if self.request.headers.get("connection", "").lower() == "close" else {}
        return response_head(status, {**headers, **wish})

    async def fail(self, message: str) -> None:
        """Send an HTTP 500, if that is still possible, and end the connection, because the script itself failed."""
        if self._silent:
            await self.whole(500, {"content-type": "text/plain"}, message.encode())
        self.cut()

    def cut(self) -> None:
        """Close the connection (FIN) after what was sent."""
        self._connection.close()

    def reset(self) -> None:
        """Reset the connection (RST)."""
        self._connection.reset()

    async def stall(self) -> None:
        """Send nothing more until the client leaves."""
        await asyncio.get_running_loop().create_future()

    # -- events ---------------------------------------------------------------------------------

    async def event(self, payload: Payload, name: str | None = None) -> None:
        """Send one event in the dialect's framing."""
        await self.send(self.dialect.frame(payload, name))

    async def preamble(self) -> None:
        """Send, once, what the dialect sends before the first content."""
        if self.streaming and not self.begun:
            self.begun = True
            if self.framing is None:
                await self.head(200, self.dialect.headers)
            await self._events(self.dialect.preamble(self.said))

    async def text(self, piece: str) -> None:
        """Send a piece of the answer's text. Without streaming it is kept for the end."""
        self.said.texts.append(piece)
        if self.streaming:
            await self.preamble()
            await self._events(self.dialect.text(self.said, piece))

    async def call(self, name: str, arguments: str) -> None:
        """Send a tool call. Without streaming it is kept for the end."""
        called = Called(f"call_fake_{len(self.said.calls)}", name, arguments)
        self.said.calls.append(called)
        if self.streaming:
            await self.preamble()
            await self._events(self.dialect.call(self.said, called))

    async def finish(self, reason: str) -> None:
        """Send the dialect's end of an answer, and end the HTTP message."""
        if self.streaming:
            await self.preamble()
            await self._events(self.dialect.end(self.said, reason))
            await self.end()
        else:
            headers = {**self.dialect.headers, "content-type": "application/json"}
            await self.whole(200, headers, msgspec.json.encode(self.dialect.whole(self.said, reason)))

    async def _events(self, payloads: list[Payload]) -> None:
        for payload in payloads:
            await self.event(payload)
