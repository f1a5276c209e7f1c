"""A server whose certificate is trusted only if the environment names it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.loopback import Loopback, Script

__all__ = ["secure_server"]


@asynccontextmanager
async def secure_server(certificate: Path, script: Script) -> AsyncIterator[int]:
    """Its port on localhost."""
    server = Loopback(script)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    listening = await asyncio.start_server(server._serve, "localhost", 0, ssl=context, family=2)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in list(server._tasks):
            task.cancel()
        await asyncio.gather(*server._tasks, return_exceptions=True)
