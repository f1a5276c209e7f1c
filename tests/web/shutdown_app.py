"""What the tests of shutdown send signals to: one answer by uvicorn, with and without a hub."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resilient_stream import Client, Target
from resilient_stream.web import Hub, graceful_shutdown
from resilient_stream.web.starlette import StreamResponse

__all__ = ["app"]

client = Client(Target("openai:fake", base_url=os.environ["UPSTREAM"], api_key="test"))
hub = Hub(drain=30.0)
HOW: dict[str, dict[str, Any]] = {"alone": {}, "hub": {"hub": hub}, "detached": {"on_disconnect": "detach"}}


async def answer(request: Request) -> Response:
    """Stream an answer."""
    return StreamResponse(client.stream("hi"), **HOW[request.path_params["how"]])


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """As the documents say."""
    async with client, hub.lifespan(app), graceful_shutdown(after=float(os.environ["AFTER"])):
        yield


app = Starlette(routes=[Route("/{how}", answer)], lifespan=lifespan)
