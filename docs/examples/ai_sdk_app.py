"""A page that uses Vercel's own client, the npm package `ai`, without Next.js and without React.

    npm install ai esbuild
    npx esbuild node_modules/ai/dist/index.mjs --bundle --format=esm --outfile=ai.mjs
    AI_MODULE=ai.mjs uvicorn --app-dir docs/examples ai_sdk_app:app --timeout-graceful-shutdown 5

The page's `Chat` sends what it has, and reads the format `ai-sdk`. An answer belongs to the browser that asked for it,
by a cookie, and has the name of its chat. It goes on while nobody reads (`detach`), so a page that is loaded again gets
it from its beginning, by `resumeStream()`; only `DELETE` stops it. A page with React uses `useChat({id, resume: true})`
against the same endpoints. With REDIS_URL, any of several processes gives an answer that another one runs. At a signal
running answers get three seconds, and then their readers are told.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Cookie, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from resilient_stream import Client, StreamMisused
from resilient_stream.formats.ui_messages import read_ui_request
from resilient_stream.stores import RedisStore
from resilient_stream.web import Hub, NoSuchStream, graceful_shutdown
from resilient_stream.web.starlette import ResumeResponse, StreamResponse

PAGE = Path(__file__).with_name("ai_sdk.html")

hub = Hub(store=RedisStore(os.environ["REDIS_URL"]) if "REDIS_URL" in os.environ else None)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Client]]:
    """One client for the app's lifetime."""
    targets = os.environ.get("CHAT_TARGETS", "local").split(",")
    async with Client(*targets) as client, hub.lifespan(app), graceful_shutdown(after=3):
        yield {"client": client}


app = FastAPI(lifespan=lifespan)
Owner = Annotated[str, Cookie(alias="chat", min_length=20)]


@app.post("/api/chat")
async def chat(request: Request, owner: Owner) -> Response:
    """Stream the answer to what the page sends."""
    try:
        asked = read_ui_request(await request.body())
    except StreamMisused as error:
        return JSONResponse({"error": str(error)}, 400)
    client: Client = request.state.client
    stream, chat = client.stream(asked.messages, deadline=300), asked.id or None
    return StreamResponse(stream, format="ai-sdk", hub=hub, owner=owner, alias=chat, on_disconnect="detach")


@app.get("/api/chat/{chat}/stream")
async def resume(chat: str, request: Request, owner: Owner) -> Response:
    """Give the answer that runs in this chat, from its beginning; 204 says that none does."""
    id = await hub.running(chat, owner=owner)
    return Response(status_code=204) if id is None else ResumeResponse(hub, id, request, owner=owner)


@app.delete("/api/chat/{chat}")
async def stop(chat: str, owner: Owner) -> Response:
    """End the answer that runs in this chat, wherever it runs."""
    id = await hub.running(chat, owner=owner)
    stopped = id is not None and await hub.stop(id, owner=owner)
    return Response(status_code=204 if stopped else 404)


@app.exception_handler(NoSuchStream)
async def not_here(request: Request, error: NoSuchStream) -> Response:
    """Tell the page that other processes could not be asked."""
    return JSONResponse({"error": str(error)}, error.status)


@app.get("/ai.mjs")
async def module() -> Response:
    """The npm package, in one file."""
    return FileResponse(os.environ.get("AI_MODULE", "ai.mjs"), media_type="text/javascript")


@app.get("/")
async def page(chat: Annotated[str | None, Cookie()] = None) -> Response:
    """The page; the cookie that it comes with is nothing but a name that nobody guesses."""
    response = FileResponse(PAGE)
    if chat is None:
        response.set_cookie("chat", secrets.token_urlsafe(24), httponly=True, samesite="strict")
    return response
