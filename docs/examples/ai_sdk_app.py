"""A page that uses Vercel's own client, the npm package `ai`, without Next.js and without React.

    npm install ai esbuild
    npx esbuild node_modules/ai/dist/index.mjs --bundle --format=esm --outfile=ai.mjs
    AI_MODULE=ai.mjs uvicorn --app-dir docs/examples ai_sdk_app:app --timeout-graceful-shutdown 5

The page's `Chat` sends what it has, and reads the format `ai-sdk`. Its `stop()` leaves the connection, which closes the
provider's. A page with React uses `useChat` against the same endpoint.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from resilient_stream import Client, StreamMisused
from resilient_stream.formats.ui_messages import read_ui_messages
from resilient_stream.web.starlette import StreamResponse

PAGE = Path(__file__).with_name("ai_sdk.html")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Client]]:
    """One client for the app's lifetime."""
    async with Client(*os.environ.get("CHAT_TARGETS", "local").split(",")) as client:
        yield {"client": client}


app = FastAPI(lifespan=lifespan)


@app.post("/api/chat")
async def chat(request: Request) -> Response:
    """Stream the answer to what the page sends."""
    try:
        messages = read_ui_messages(await request.body())
    except StreamMisused as error:
        return JSONResponse({"error": str(error)}, 400)
    client: Client = request.state.client
    return StreamResponse(client.stream(messages, deadline=300), format="ai-sdk")


@app.get("/ai.mjs")
async def module() -> Response:
    """The npm package, in one file."""
    return FileResponse(os.environ.get("AI_MODULE", "ai.mjs"), media_type="text/javascript")


@app.get("/")
async def page() -> Response:
    """The page."""
    return FileResponse(PAGE)
