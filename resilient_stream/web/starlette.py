"""Sends answers as responses of Starlette, and so of FastAPI.

    @app.post("/chat")
    async def chat(question: Question) -> Response:
        return StreamResponse(client.stream(question.prompt))

The endpoint does not pull: until it returns a response, nobody notices that the browser has gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

try:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send
except ModuleNotFoundError as _error:
    raise ImportError("this needs Starlette, which FastAPI has: pip install 'resilient-stream[web]'") from _error

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

__all__ = ["AsgiSink", "ResumeResponse", "StreamResponse"]


class _Streaming(Response):
    """Shares code between the two responses: the caller's headers, and sending an answer."""

    def __init__(self, heartbeat: float | None, headers: Mapping[str, str] | None) -> None:
        self.status_code, self.background = 200, None
        self.init_headers(checked(headers))
        self._heartbeat = checked_heartbeat(heartbeat)

    def _own_headers(self) -> Headers:
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw_headers]

    async def _send(self, source: Source, sink: AsgiSink, scope: Scope) -> None:
        answer = Answer(source, sink, self._heartbeat, self._own_headers())
        await (answer.send_head() if scope["method"] == "HEAD" else answer.run())
        if self.background is not None:
            await self.background()


class StreamResponse(_Streaming):
    """Sends a stream or a conversation as a response, which owns it.

    format: a name, or what makes a writer of your own. on_disconnect: what becomes of the stream when the reader
    leaves: "cancel" closes the provider's connection at once, "drain" lets it run on for a bounded time to learn the
    true usage, and "detach" lets it run to its end. hub: keeps the stream, so that readers can come back for it
    (`ResumeResponse`). owner: who may, such as a user's id. alias: what the owner calls it, such as a chat's id; then
    `hub.running` finds it. heartbeat: seconds of silence after which the reader is sent something to ignore; None for
    never. headers: over the format's own. Raises StreamMisused for a header with a line break.
    """

    def __init__(
        self,
        stream: Answering,
        *,
        format: Format = "events",
        on_disconnect: OnDisconnect = "cancel",
        heartbeat: float | None = 15.0,
        hub: Hub | None = None,
        owner: str | None = None,
        alias: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._begin = Begin.checked(stream, format, on_disconnect, hub, owner, alias)
        super().__init__(heartbeat, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, and then run the background task, if there is one."""
        source = self._begin.owned() if scope["method"] == "HEAD" else self._begin.source()
        await self._send(source, AsgiSink(receive, send), scope)


class ResumeResponse(_Streaming):
    """Sends the rest of an answer that a hub keeps: what was missed, then what is still to come.

    id: the header `X-Stream-Id` of the first response. What the reader has already, it says as browsers do, by
    `Last-Event-ID`, or by `?last_event_id=`. A stream that is not here, or somebody else's, is a 404.
    """

    def __init__(
        self,
        hub: Hub,
        id: str,
        request: HTTPConnection,
        *,
        owner: str | None = None,
        heartbeat: float | None = 15.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._hub = hub
        self._id = id
        self._last = last_event_id(request.headers, request.query_params)
        self._owner = owner
        super().__init__(heartbeat, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the rest, or that there is none."""
        sink = AsgiSink(receive, send)
        try:
            source = await resume(self._hub, self._id, self._last, self._owner)
        except NoSuchStream as error:
            with suppress(ReaderLeft):
                await refuse(sink, not_here(error), self._own_headers())
            return
        await self._send(source, sink, scope)


class AsgiSink:
    """Writes one response of any ASGI server."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._pass({"type": "http.response.start", "status": status, "headers": raw})

    async def send(self, data: bytes) -> None:
        """Send a piece of the body; the server waits while its buffer is full."""
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except OSError:
            raise ReaderLeft from None

    async def end(self) -> None:
        """End the body."""
        await self._pass({"type": "http.response.body", "body": b"", "more_body": False})

    async def cut(self) -> None:
        """Have the server close the connection.

        ASGI has no message for it. A server that is given a message that does not exist must raise, and so does
        BaseHTTPMiddleware, which would turn a mere exception of ours into a proper end of the body. Servers then close
        the connection of a response that has no end.
        """
        try:
            await self._send({"type": "http.response.cut_because_the_answer_failed"})
        except Exception:  # each server has an error class of its own
            return

    async def gone(self) -> None:
        """Return when the server says that the reader has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _pass(self, message: dict[str, Any]) -> None:
        try:
            await self._send(message)
        except OSError:  # of servers that speak ASGI 2.4 or later
            raise ReaderLeft from None
