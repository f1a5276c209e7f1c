"""A chat by FastAPI: the answer streams to the browser, and the provider's connection closes when the browser goes.

    CHAT_TARGETS=openai:gpt-5-mini,anthropic:claude-haiku-4-5 \\
        uvicorn --app-dir docs/examples fastapi_app:app --timeout-graceful-shutdown 5

The response owns the stream, and closes it on every way out. Starlette never closes the iterator of a
StreamingResponse: one that waits at its `yield` for a slow reader stays open until the garbage collector runs.
The endpoint itself does not pull: until it returns a response, nobody notices that the browser has gone.

Without --timeout-graceful-shutdown, uvicorn waits for every answer to end before the app may close its client.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from resilient_stream import Chunk, Client, ErrorKind, Stream, StreamError

PAGE = Path(__file__).with_name("chat.html")
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter: nginx must not collect the pieces
STATUS = {
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.QUOTA_EXHAUSTED: 429,
    ErrorKind.PROVIDER_OVERLOADED: 503,
    ErrorKind.CLIENT_CLOSED: 503,
    ErrorKind.READ_TIMEOUT: 504,
    ErrorKind.DEADLINE_EXCEEDED: 504,
}
"""All others are 502: a key that the provider refuses with 401 is this server's fault, not the browser's."""


class StreamedAnswer(Response):
    """Server-Sent Events made from a stream; nothing is sent to the provider before this response is."""

    media_type = "text/event-stream"

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.status_code, self.background = 200, None
        self.init_headers(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and watch the browser meanwhile."""
        leaving = asyncio.create_task(self._close_when_the_browser_leaves(receive))
        try:
            chunk = await anext(self.stream, None)  # with its first content an answer has begun; until then it can fail
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await write_events(chunk, self.stream, lambda data: send(body(data, more=True)))
            await send(body(b"", more=False))
        except StreamError as error:
            await refusal(error)(scope, receive, send)
        finally:
            leaving.cancel()
            self.stream.close()

    async def _close_when_the_browser_leaves(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.stream.close()  # wakes a waiting pull with an error; what is still written then goes nowhere


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


def body(data: bytes, *, more: bool) -> dict[str, Any]:
    """One piece of the body, as ASGI wants it."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def told(error: StreamError) -> dict[str, str]:
    """What a person is told. The resolution speaks to who runs this server: leave it out where strangers read it."""
    return {"title": error.title, "message": error.message, "resolution": error.resolution}


def refusal(error: StreamError) -> JSONResponse:
    """The answer when there is no answer."""
    wait = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after else {}
    return JSONResponse(told(error), STATUS.get(error.kind, 502), headers={**HEADERS, **wait})


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Client]]:
    """One client for the app's lifetime: its connections are shared, and closed at shutdown."""
    async with Client(*os.environ.get("CHAT_TARGETS", "local").split(",")) as client:
        yield {"client": client}


app = FastAPI(lifespan=lifespan)


class Question(BaseModel):
    prompt: str = Field(min_length=1)


@app.post("/chat")
async def chat(question: Question, request: Request) -> Response:
    """Stream the answer."""
    return StreamedAnswer(request.state.client.stream(question.prompt))


@app.get("/")
async def page() -> Response:
    """A page to try it with."""
    return FileResponse(PAGE)
