"""A chat by FastAPI: answers stream to a page, survive a reload of it, and stop when they are asked to.

    CHAT_TARGETS=openai:gpt-5-mini,anthropic:claude-haiku-4-5 \\
        uvicorn --app-dir docs/examples fastapi_app:app --timeout-graceful-shutdown 5

An answer belongs to the browser that asked for it, by a cookie. It goes on while nobody reads (`detach`), so a page
that is loaded again gets the whole of it; only `DELETE` stops it. With REDIS_URL, any of several processes gives an
answer that another one runs. At a signal running answers get three seconds, and then their readers are told; who does
not read even that is cut by --timeout-graceful-shutdown.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Cookie, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field

from resilient_stream import Client
from resilient_stream.stores import RedisStore
from resilient_stream.web import Hub, graceful_shutdown
from resilient_stream.web.starlette import ResumeResponse, StreamResponse

PAGE = Path(__file__).with_name("chat.html")
HEAD_AFTER = 1.0
"""Seconds: a page can stop an answer only when it knows its name, which comes with the response's head."""

hub = Hub(store=RedisStore(os.environ["REDIS_URL"]) if "REDIS_URL" in os.environ else None)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Client]]:
    """One client for the app's lifetime: its connections are shared, and closed at shutdown."""
    targets = os.environ.get("CHAT_TARGETS", "local").split(",")
    async with Client(*targets) as client, hub.lifespan(app), graceful_shutdown(after=3):
        yield {"client": client}


app = FastAPI(lifespan=lifespan)
Owner = Annotated[str, Cookie(alias="chat", min_length=20)]


class Turn(BaseModel):
    """What the page remembers of a turn."""

    role: str = Field(pattern="^(user|assistant)$")
    content: str = Field(min_length=1, max_length=100_000)


class Question(BaseModel):
    """The conversation until now; the last turn is the question."""

    messages: list[Turn] = Field(min_length=1, max_length=200)


@app.post("/chat")
async def chat(question: Question, request: Request, owner: Owner) -> Response:
    """Stream the answer."""
    client: Client = request.state.client
    stream = client.stream([turn.model_dump() for turn in question.messages], deadline=300)
    return StreamResponse(stream, hub=hub, owner=owner, on_disconnect="detach", heartbeat=HEAD_AFTER)


@app.get("/chat/{id}")
async def resume(id: str, request: Request, owner: Owner) -> Response:
    """Give what the page has missed of an answer, then the rest as it comes."""
    return ResumeResponse(hub, id, request, owner=owner)


@app.delete("/chat/{id}")
async def stop(id: str, owner: Owner) -> Response:
    """End an answer, wherever it runs. Its readers are told so."""
    return Response(status_code=204 if await hub.stop(id, owner=owner) else 404)


@app.exception_handler(RequestValidationError)
async def not_understood(request: Request, error: RequestValidationError) -> Response:
    """Say what is wrong. FastAPI's own answer quotes what was sent, and fails where that is no JSON."""
    wrong = error.errors()[0]
    said = f"{'.'.join(map(str, wrong['loc'][1:])) or 'body'}: {wrong['msg']}"
    return JSONResponse({"error": {"title": "Not understood", "message": said}}, 422)


@app.get("/")
async def page(chat: Annotated[str | None, Cookie()] = None) -> Response:
    """The page; the cookie that it comes with is nothing but a name that nobody guesses."""
    response = FileResponse(PAGE)
    if chat is None:
        response.set_cookie("chat", secrets.token_urlsafe(24), httponly=True, samesite="strict")
    return response
