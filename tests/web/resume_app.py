"""A worker of the resume show: a chat service over one hub, with Redis and an upstream from the environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from resilient_stream import Client, Target
from resilient_stream.formats.events import EventsWriter
from resilient_stream.stores import RedisStore
from resilient_stream.web import Hub, NoSuchStream
from resilient_stream.web.source import Source

__all__ = ["app"]

client = Client(Target("openai:fake", base_url=os.environ["UPSTREAM"], api_key="test"))
hub = Hub(RedisStore(os.environ["REDIS"], lease=float(os.environ.get("LEASE", "10"))), drain=1.0)


async def chat(request: Request) -> Response:
    """Begin an answer, which goes on when its reader leaves."""
    owner = request.headers.get("x-user")
    stream = client.stream("hi")
    return _sent(hub.begin(stream, EventsWriter(), owner=owner, on_disconnect="detach"))


async def resume(request: Request) -> Response:
    """Go on behind the event that the reader has last."""
    after = int(request.headers.get("last-event-id", "0"))
    try:
        return _sent(await hub.resume(request.path_params["id"], after, owner=request.headers.get("x-user")))
    except NoSuchStream as error:
        return JSONResponse({"error": str(error)}, error.status)


async def stop(request: Request) -> Response:
    """End an answer on purpose."""
    return JSONResponse({"stopped": await hub.stop(request.path_params["id"], request.headers.get("x-user"))})


def _sent(source: Source) -> Response:
    headers = {"x-stream-id": source.stream_id or ""}
    return StreamingResponse(_frames(source), media_type=source.writer.media_type, headers=headers)


async def _frames(source: Source) -> AsyncIterator[bytes]:
    try:
        while frames := await source.frames():
            yield b"".join(frames)
    finally:
        source.leave()


app = Starlette(
    routes=[
        Route("/chat", chat, methods=["POST"]),
        Route("/chat/{id}", resume),
        Route("/chat/{id}/stop", stop, methods=["POST"]),
    ],
    lifespan=hub.lifespan,
)
