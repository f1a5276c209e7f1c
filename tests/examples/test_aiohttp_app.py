"""docs/examples/aiohttp_app.py on aiohttp's own server."""

from __future__ import annotations

import socket

import pytest
from aiohttp import web

from tests.loopback import cut_after

from .promises import Promises, Serve
from .stage import Browser, Start, Stop, example


@pytest.fixture
def start() -> Start:
    """Serves by aiohttp, as the example says that it must be run."""

    async def on(listening: socket.socket) -> Stop:
        app = example("aiohttp_app")
        runner = web.AppRunner(app.make_app(), **app.RUN)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        return runner.cleanup

    return on


class TestAiohttp(Promises):
    """All of the promises."""

    async def test_shutdown_is_told_to_the_browser(self, serve: Serve) -> None:
        """A browser that is served while the server stops learns that its answer is not whole, and why."""
        stage = await serve(cut_after("first", end="stall"))
        browser = await Browser.ask(stage.port)
        await browser.hears(b"first")
        await stage.stop()
        heard = (await browser.hears_out()).decode()
        assert "event: error" in heard
        assert '"title": "Client closed"' in heard
        assert '"outcome": "client_closed"' in heard
        browser.leave()
