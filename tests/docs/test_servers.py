"""The apps of docs/servers.md, served and asked."""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest

from benchmarks.servers import SERVERS, listening
from resilient_stream.testing import FakeProvider

from .test_snippets import ROOT, blocks, everywhere

__all__ = ["everywhere"]


@pytest.mark.parametrize(("name", "server"), [("app", "uvicorn"), ("site", "aiohttp")])
async def test_apps_of_the_page_answer(name: str, server: str, everywhere: FakeProvider) -> None:
    """Each app gives the answer as events, and says that it is whole."""
    names: dict[str, Any] = {"__name__": "servers.md"}
    for place, code in blocks(ROOT / "docs" / "servers.md"):
        exec(compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    made = listening()
    serve: Callable[[Any, Any], AbstractAsyncContextManager[None]] = SERVERS[server]
    url = f"http://127.0.0.1:{made.getsockname()[1]}/chat"
    async with serve(names[name], made), aiohttp.ClientSession() as session:
        async with session.post(url, json={"prompt": "Why is the sky blue?"}) as response:
            body = await response.text()
    assert response.content_type == "text/event-stream"
    assert "The sky is blue because" in body
    assert '"outcome":"complete"' in body
    await names["client"].aclose()
