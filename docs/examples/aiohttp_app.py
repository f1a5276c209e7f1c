"""A chat by aiohttp: the answer streams to the browser, and the provider's connection closes when the browser goes.

    CHAT_TARGETS=openai:gpt-5-mini,anthropic:claude-haiku-4-5 python docs/examples/aiohttp_app.py

The handler owns the stream in an `async with`, and aiohttp must cancel the handler when the browser goes. It does so
only with `handler_cancellation=True`; without it, nobody notices until the next token is written.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from resilient_stream import Chunk, Client, ErrorKind, Stream, StreamError

PAGE = Path(__file__).with_name("chat.html")
CLIENT = web.AppKey("client", Client)
RUN: dict[str, Any] = {"handler_cancellation": True, "shutdown_timeout": 5}
"""For `run_app` and `AppRunner`; part of the app, even though aiohttp wants it there."""
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx must not collect the pieces
}
STATUS = {
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.QUOTA_EXHAUSTED: 429,
    ErrorKind.PROVIDER_OVERLOADED: 503,
    ErrorKind.CLIENT_CLOSED: 503,
    ErrorKind.READ_TIMEOUT: 504,
    ErrorKind.DEADLINE_EXCEEDED: 504,
}
"""All others are 502: a key that the provider refuses with 401 is this server's fault, not the browser's."""


class Question(BaseModel):
    prompt: str = Field(min_length=1)


async def chat(request: web.Request) -> web.StreamResponse:
    """Stream the answer."""
    try:
        question = Question.model_validate_json(await request.read())
    except ValidationError:
        raise web.HTTPUnprocessableEntity(text='send {"prompt": "your question"}') from None
    async with request.app[CLIENT].stream(question.prompt) as stream:
        try:
            chunk = await anext(stream, None)  # with its first content an answer has begun; until then it can fail
        except StreamError as error:
            return refusal(error)
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        await write_events(chunk, stream, response.write)
        return response


async def write_events(chunk: Chunk | None, stream: Stream, write: Callable[[bytes], Awaitable[None]]) -> None:
    """The answer from `chunk` on. Only a `done` event with outcome "complete" ends a whole one."""
    try:
        while chunk is not None:
            if chunk.text:
                await write(event("message", {"text": chunk.text}))
            chunk = await anext(stream, None)
    except StreamError as error:
        await write(event("error", told(error)))
    record = stream.transcript.to_dict()
    await write(event("done", {name: record[name] for name in ("outcome", "finish_reason", "usage")}))


def event(name: str, data: dict[str, Any]) -> bytes:
    """One Server-Sent Event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def told(error: StreamError) -> dict[str, str]:
    """What a person is told. The resolution speaks to who runs this server: leave it out where strangers read it."""
    return {"title": error.title, "message": error.message, "resolution": error.resolution}


def refusal(error: StreamError) -> web.Response:
    """The answer when there is no answer."""
    wait = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after else {}
    headers = {"Cache-Control": "no-store", **wait}
    return web.json_response(told(error), status=STATUS.get(error.kind, 502), headers=headers)


async def page(request: web.Request) -> web.StreamResponse:
    """A page to try it with."""
    return web.FileResponse(PAGE)


async def client_of_the_app(app: web.Application) -> AsyncIterator[None]:
    """One client for the app's lifetime: its connections are shared."""
    async with Client(*os.environ.get("CHAT_TARGETS", "local").split(",")) as app[CLIENT]:
        yield


async def end_the_streams(app: web.Application) -> None:
    """At shutdown aiohttp waits for the handlers before it cleans up, and they would wait for their answers."""
    await app[CLIENT].aclose()


def make_app() -> web.Application:
    """The app, ready for `web.run_app`."""
    app = web.Application()
    app.add_routes([web.get("/", page), web.post("/chat", chat)])
    app.cleanup_ctx.append(client_of_the_app)
    app.on_shutdown.append(end_the_streams)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8000, **RUN)
