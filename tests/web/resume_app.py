"""A worker of the resume show: a chat service over one hub, with Redis and an upstream from the environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from resilient_stream import Client, Target
from resilient_stream.stores import RedisStore
from resilient_stream.web import Hub, graceful_shutdown
from resilient_stream.web.starlette import ResumeResponse, StreamResponse

__all__ = ["app"]

client = Client(Target("openai:fake", base_url=os.environ["UPSTREAM"], api_key="test"))
hub = Hub(RedisStore(os.environ["REDIS"], lease=float(os.environ.get("LEASE", "10"))), drain=1.0)


async def chat(request: Request) -> Response:
    """Begin an answer, which goes on when its reader leaves."""
    return StreamResponse(client.stream("hi"), hub=hub, owner=request.headers.get("x-user"), on_disconnect="detach")


async def resume(request: Request) -> Response:
    """Go on behind the event that the reader has last."""
    return ResumeResponse(hub, request.path_params["id"], request, owner=request.headers.get("x-user"))


async def stop(request: Request) -> Response:
    """End an answer on purpose."""
    return JSONResponse({"stopped": await hub.stop(request.path_params["id"], request.headers.get("x-user"))})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Tell readers at a signal, and give answers a second after that."""
    async with hub.lifespan(app), graceful_shutdown(after=0.2):
        yield


app = Starlette(
    routes=[
        Route("/chat", chat, methods=["POST"]),
        Route("/chat/{id}", resume),
        Route("/chat/{id}/stop", stop, methods=["POST"]),
    ],
    lifespan=lifespan,
)
