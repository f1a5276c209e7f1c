"""A chat by aiohttp: answers stream to a page, survive a reload of it, and stop when they are asked to.

    CHAT_TARGETS=openai:gpt-5-mini,anthropic:claude-haiku-4-5 python docs/examples/aiohttp_app.py

An answer belongs to the browser that asked for it, by a cookie. It goes on while nobody reads (`detach`), so a page
that is loaded again gets the whole of it; only `DELETE` stops it. With REDIS_URL, any of several processes gives an
answer that another one runs. At a signal running answers get three seconds, and then their readers are told.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from resilient_stream import Client
from resilient_stream.stores import RedisStore
from resilient_stream.web import Hub, end_responses
from resilient_stream.web.aiohttp import resume_response, stream_response

PAGE = Path(__file__).with_name("chat.html")
CLIENT = web.AppKey("client", Client)
HUB = web.AppKey("hub", Hub)
RUN: dict[str, Any] = {"shutdown_timeout": 5}
"""For `run_app` and `AppRunner`."""
HEAD_AFTER = 1.0
"""Seconds: a page can stop an answer only when it knows its name, which comes with the response's head."""


class Turn(BaseModel):
    """What the page remembers of a turn."""

    role: str = Field(pattern="^(user|assistant)$")
    content: str = Field(min_length=1, max_length=100_000)


class Question(BaseModel):
    """The conversation until now; the last turn is the question."""

    messages: list[Turn] = Field(min_length=1, max_length=200)


async def chat(request: web.Request) -> web.StreamResponse:
    """Stream the answer."""
    try:
        question = Question.model_validate_json(await request.read())
    except ValidationError:
        raise web.HTTPUnprocessableEntity(text='send {"messages": [{"role": "user", "content": "…"}]}') from None
    app, browser = request.app, owner(request)
    stream = app[CLIENT].stream([turn.model_dump() for turn in question.messages], deadline=300)
    how: dict[str, Any] = {"on_disconnect": "detach", "heartbeat": HEAD_AFTER}
    return await stream_response(request, stream, hub=app[HUB], owner=browser, **how)


async def resume(request: web.Request) -> web.StreamResponse:
    """Give what the page has missed of an answer, then the rest as it comes."""
    return await resume_response(request, request.app[HUB], request.match_info["id"], owner=owner(request))


async def stop(request: web.Request) -> web.Response:
    """End an answer, wherever it runs. Its readers are told so."""
    stopped = await request.app[HUB].stop(request.match_info["id"], owner=owner(request))
    return web.Response(status=204 if stopped else 404)


async def page(request: web.Request) -> web.StreamResponse:
    """The page; the cookie that it comes with is nothing but a name that nobody guesses."""
    response = web.FileResponse(PAGE)
    if "chat" not in request.cookies:
        response.set_cookie("chat", secrets.token_urlsafe(24), httponly=True, samesite="Strict")
    return response


def owner(request: web.Request) -> str:
    """Who may read, resume and stop an answer."""
    if len(name := request.cookies.get("chat", "")) < 20:
        raise web.HTTPUnauthorized(text="load the page first: its cookie is your name")
    return name


async def one_client(app: web.Application) -> AsyncIterator[None]:
    """One client for the app's lifetime: its connections are shared, and closed at shutdown."""
    async with Client(*os.environ.get("CHAT_TARGETS", "local").split(",")) as app[CLIENT]:
        yield


async def tell_readers(app: web.Application) -> None:
    """Let answers end, and tell the readers of those that do not. aiohttp calls it before it waits for them."""
    await end_responses(after=3)


def make_app() -> web.Application:
    """The app. What is first in `cleanup_ctx` ends last, so the answers end before their client does."""
    app = web.Application()
    app[HUB] = Hub(store=RedisStore(os.environ["REDIS_URL"]) if "REDIS_URL" in os.environ else None)
    app.on_shutdown.append(tell_readers)
    app.cleanup_ctx.extend([one_client, app[HUB].cleanup_ctx])
    app.add_routes([
        web.post("/chat", chat),
        web.get("/chat/{id}", resume),
        web.delete("/chat/{id}", stop),
        web.get("/", page),
    ])  # fmt: skip
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", **RUN)
