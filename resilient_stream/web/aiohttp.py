"""Sends answers as responses of aiohttp's server.

    async def chat(request: web.Request) -> web.StreamResponse:
        question = await request.json()
        return await stream_response(request, client.stream(question["prompt"]))

aiohttp tells a handler that its reader has left only at the next write, or by cancelling it where the application says
`handler_cancellation=True`. This module notices in both cases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from ..delivery import Answering
from .answer import Answer, ReaderLeft, refuse
from .begin import Begin, checked_heartbeat, last_event_id, not_here, resume
from .formats import Format
from .heads import Headers, checked
from .log import NoSuchStream
from .run import OnDisconnect
from .source import Source

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["AiohttpSink", "resume_response", "stream_response"]


async def stream_response(
    request: web.BaseRequest,
    stream: Answering,
    *,
    format: Format = "events",
    on_disconnect: OnDisconnect = "cancel",
    heartbeat: float | None = 15.0,
    hub: Hub | None = None,
    owner: str | None = None,
    alias: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send a stream or a conversation as the response to a request, and return the response when it is over.

    The parameters are those of `resilient_stream.web.starlette.StreamResponse`.
    """
    begin, own = Begin.checked(stream, format, on_disconnect, hub, owner, alias), list(checked(headers).items())
    heartbeat = checked_heartbeat(heartbeat)
    return await _send(request, begin.owned() if request.method == "HEAD" else begin.source(), heartbeat, own)


async def resume_response(
    request: web.BaseRequest,
    hub: Hub,
    id: str,
    *,
    owner: str | None = None,
    heartbeat: float | None = 15.0,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send the rest of an answer that a hub keeps, and return the response when it is over.

    The parameters are those of `resilient_stream.web.starlette.ResumeResponse`.
    """
    own, heartbeat = list(checked(headers).items()), checked_heartbeat(heartbeat)
    try:
        source = await resume(hub, id, last_event_id(request.headers, request.query), owner)
    except NoSuchStream as error:
        sink = AiohttpSink(request)
        with suppress(ReaderLeft):
            await refuse(sink, not_here(error), own)
        return sink.response
    return await _send(request, source, heartbeat, own)


async def _send(request: web.BaseRequest, source: Source, heartbeat: float | None, own: Headers) -> web.StreamResponse:
    with AiohttpSink(request) as sink:
        answer = Answer(source, sink, heartbeat, own)
        await (answer.send_head() if request.method == "HEAD" else answer.run())
    return sink.response


class AiohttpSink:
    """Writes one response of aiohttp's server, and watches over its connection for as long as it is entered."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.response = web.StreamResponse()
        self._request = request
        self._watch = Watch(request.transport)

    def __enter__(self) -> AiohttpSink:
        self._watch.begin()
        return self

    def __exit__(self, *error: object) -> None:
        self._watch.end()

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head."""
        self.response = web.StreamResponse(status=status, headers=CIMultiDict(headers))
        try:
            await self.response.prepare(self._request)
        except OSError:
            raise ReaderLeft from None

    async def send(self, data: bytes) -> None:
        """Send a piece of the body; aiohttp waits while its buffer is full."""
        try:
            await self.response.write(data)
        except OSError:
            raise ReaderLeft from None

    async def end(self) -> None:
        """End the body."""
        try:
            await self.response.write_eof()
        except OSError:
            raise ReaderLeft from None

    async def cut(self) -> None:
        """Close the connection when what was written has gone out; aiohttp then writes no end of the body."""
        if self._request.transport is not None:
            self._request.transport.close()

    async def gone(self) -> None:
        """Return when the connection is lost."""
        await self._watch.gone.wait()


class Watch(asyncio.Protocol):
    """Stands between a connection and its protocol, and passes everything on.

    A transport's protocol may be exchanged at any time (`set_protocol`). It is the only public way to hear at once, and
    without looking again and again, that a connection of aiohttp's server was closed.
    """

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self.gone = asyncio.Event()
        self._transport = transport

    def begin(self) -> None:
        """Listen from now on."""
        if self._transport is None or self._transport.is_closing():
            self.gone.set()
            self._transport = None
            return
        self._protocol: asyncio.Protocol = self._transport.get_protocol()  # type: ignore[assignment]
        self._transport.set_protocol(self)

    def end(self) -> None:
        """Give the connection back."""
        if self._transport is not None and self._transport.get_protocol() is self:
            self._transport.set_protocol(self._protocol)

    def data_received(self, data: bytes) -> None:
        """Pass on what the reader sends: the rest of its request, or the next one."""
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Note that the reader has closed its side. aiohttp then closes the other one, too."""
        self.gone.set()
        return self._protocol.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the connection was closed or reset."""
        self.gone.set()
        self._protocol.connection_lost(error)

    def pause_writing(self) -> None:
        """Note that the reader is slow."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Note that the reader has caught up."""
        self._protocol.resume_writing()
