"""A real browser without a window, driven by its own protocol, for tests of pages.

The Chrome DevTools Protocol is JSON over a WebSocket, which aiohttp speaks; no driver and no package is needed.
https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

__all__ = ["Chromium", "chromium"]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip
KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "Tab": ("\t", 9)}
"""What each key types, and its number."""
PATIENCE = 60.0
"""Seconds that a page may take for what a test waits for."""


class Chromium:
    """One page. Elements are named by CSS selectors."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if said.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(said["params"]["exceptionDetails"]))
            waiting = self._waiting.pop(said.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(said)

    async def command(self, method: str, **parameters: Any) -> Any:
        """Send a command of the protocol, and return its result."""
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        said = await asyncio.wait_for(waiting, PATIENCE)
        assert "error" not in said, f"{method}: {said}"
        return said["result"]

    async def script(self, code: str) -> Any:
        """The value of a JavaScript expression."""
        done = await self.command("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, f"{code}: {done['exceptionDetails']}"
        return done["result"].get("value")

    async def open(self, address: str) -> None:
        """Load a page, and wait until its scripts have run."""
        await self.command("Page.navigate", url=address)
        async with asyncio.timeout(PATIENCE):
            while await self.script("location.href + document.readyState") not in (
                f"{address}/complete",
                f"{address}complete",
            ):
                await asyncio.sleep(0.01)

    async def reload(self) -> None:
        """Load the page again, as whoever presses the button for it."""
        await self.open(str(await self.script("location.href")).rstrip("/"))

    async def text(self, selector: str) -> str:
        """The text of all such elements, as it is shown; "" where there is none."""
        return str(await self.script(f"[...document.querySelectorAll({selector!r})].map(e => e.innerText).join(' ')"))

    async def count(self, selector: str) -> int:
        """How many such elements there are."""
        return int(await self.script(f"document.querySelectorAll({selector!r}).length"))

    async def type(self, selector: str, text: str) -> None:
        """Type a text into an element."""
        await self.script(f"document.querySelector({selector!r}).focus()")
        await self.command("Input.insertText", text=text)

    async def press(self, key: str) -> None:
        """Press a key, wherever the focus is."""
        text, number = KEYS[key]
        own = {"key": key, "code": key, "windowsVirtualKeyCode": number, "text": text}
        await self.command("Input.dispatchKeyEvent", type="keyDown", **own)
        await self.command("Input.dispatchKeyEvent", type="keyUp", **own)

    async def click(self, selector: str) -> None:
        """Click an element."""
        await self.script(f"document.querySelector({selector!r}).click()")

    async def until(self, selector: str, part: str) -> str:
        """Wait until an element's text has this in it, and return the text."""
        text = ""
        try:
            async with asyncio.timeout(PATIENCE):
                while part not in (text := await self.text(selector)):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{selector} never had {part!r}; it has {text!r}") from None
        return text

    async def look(self, scheme: str, width: int, height: int) -> None:
        """Take the colours and the size of some device."""
        await self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def picture(self, path: Path) -> None:
        """Write what is shown into a PNG file."""
        taken = await self.command("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(taken["data"]))

    async def close(self) -> None:
        """End the browser."""
        await self._socket.send_json({"id": 0, "method": "Browser.close"})
        await self._reading


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Chromium]:
    """A page in a browser with an empty profile. Skips where there is no browser."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    process = await asyncio.create_subprocess_exec(
        program, *FLAGS, f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            address = await _page(session, profile / "DevToolsActivePort")
            page = Chromium(await session.ws_connect(address, max_msg_size=0))
            for domain in ("Page", "Runtime"):
                await page.command(f"{domain}.enable")
            yield page
            await page.close()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _page(session: aiohttp.ClientSession, file: Path) -> str:
    """Wait until the browser listens, and return the address of its page."""
    async with asyncio.timeout(PATIENCE):
        while not (file.exists() and file.read_text().count("\n")):
            await asyncio.sleep(0.02)
        port = file.read_text().split("\n")[0]
        while True:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as listed:
                pages = [each for each in await listed.json(content_type=None) if each["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
            await asyncio.sleep(0.02)
