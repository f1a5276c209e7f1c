"""The two chat examples on servers of their own, in front of a provider that plays scripts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import uvicorn
from aiohttp import web

from resilient_stream.web import end_responses

from .loading import example

__all__ = ["SERVERS", "served"]

DRAIN = 0.1
"""Seconds that answers get at the end of a test; the examples give them ten."""

Stop: TypeAlias = Callable[[], Awaitable[Any]]


async def fastapi(listening: socket.socket, name: str = "fastapi_app") -> Stop:
    """Serve a FastAPI example by uvicorn, with the grace that its first lines ask for, but shorter."""
    grace: Any = 0.05
    module = example(name)
    if hasattr(module, "hub"):
        module.hub._drain = DRAIN
    config = uvicorn.Config(module.app, log_config=None, timeout_graceful_shutdown=grace)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:
        await asyncio.sleep(0.001)

    async def stop() -> None:
        server.should_exit = True
        await serving

    return stop


async def aiohttp(listening: socket.socket) -> Stop:
    """Serve the aiohttp example by its own server."""
    module = example("aiohttp_app")
    app = module.make_app()
    app[module.HUB]._drain = DRAIN
    vars(module)["end_responses"] = lambda after: end_responses(DRAIN)
    runner = web.AppRunner(app, **{**module.RUN, "shutdown_timeout": 0.05})
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner.cleanup


async def ai_sdk(listening: socket.socket) -> Stop:
    """Serve the example for Vercel's client."""
    return await fastapi(listening, "ai_sdk_app")


SERVERS: dict[str, Callable[[socket.socket], Awaitable[Stop]]] = {"fastapi": fastapi, "aiohttp": aiohttp}
"""The examples with the chat page."""


@asynccontextmanager
async def served(name: str, targets: Iterable[Any], monkeypatch: Any) -> AsyncIterator[str]:
    """An example in front of these targets; gives its address."""
    given = list(targets)
    monkeypatch.setenv("CHAT_TARGETS", ",".join(target.name for target in given))
    for target in given:
        monkeypatch.setenv(f"{target.provider.upper()}_BASE_URL", target.base_url)
        monkeypatch.setenv(f"{target.provider.upper()}_API_KEY", "k" * 20)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    listening.setblocking(False)
    stop = await (ai_sdk if name == "ai_sdk" else SERVERS[name])(listening)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        await stop()
        listening.close()
