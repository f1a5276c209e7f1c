"""Runs the command `top`: reads what all processes report to a store, and shows it: once, as JSON, or again and again
until q."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from rich.live import Live

from ...failures import ErrorCategory, StreamMisused
from ...fleet.report import read
from ...stores.cluster import nodes_of
from ...stores.looking import Server, looked_at
from ...stores.redis import RedisStore, StoreLost
from ...stores.reports import RecordRefused
from ...text.readable import one_line
from .. import exit_codes
from ..stores import StoreTrouble, mismatch, trouble_of
from ..terminal import Notes, Screen, say_json
from .rows import as_dict, rows_of, total_of
from .view import Seen, drawn

__all__ = ["top"]

PATIENCE = 2.0
"""Seconds that the store has for an answer: there may be much to read, over a slow line."""


def top(url: str, *, prefix: str, every: float = 1.0, once: bool = False, as_json: bool = False) -> int:
    """Show the targets of all processes that report to the store, and return the exit code."""
    notes = Notes()
    try:
        store = RedisStore(url, prefix=prefix, timeout=PATIENCE)
    except StreamMisused as error:
        notes.misuse(str(error))
        return exit_codes.MISUSED
    console = Screen()
    is_live = not once and not as_json and console.is_terminal and not console.is_dumb_terminal
    reader = _Reader(store, url)
    showing = _show_live(reader, console, every) if is_live else _show_once(reader, console, notes, as_json=as_json)
    try:
        return asyncio.run(showing)
    except StoreTrouble as trouble:
        notes.misuse(one_line(f"{trouble.happened} {trouble.to_do}"))
        return exit_codes.BY_CATEGORY[ErrorCategory.PERMANENT if trouble.lasting else ErrorCategory.RETRYABLE]
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED


class _Reader:
    """Looks at a store, again and again. What is wrong with it is raised as StoreTrouble."""

    def __init__(self, store: RedisStore, url: str) -> None:
        self._store = store
        self._url = url

    async def first(self) -> Seen:
        """Return what the store has. Where that is nothing, the URL may have the wrong kind of server in it."""
        seen = await self.look()
        server = None if seen.found else await self._server()
        if server is not None and (trouble := mismatch(self._url, server)) is not None:
            raise trouble
        return seen

    async def _server(self) -> Server | None:
        with contextlib.suppress(Exception):  # whatever is wrong with this look: the store has just answered
            async with asyncio.timeout(PATIENCE):
                return await looked_at((nodes_of(self._url) or [self._url])[0])
        return None

    async def look(self) -> Seen:
        """Return what the store has now."""
        try:
            found = await self._store.reports()
        except (StoreLost, RecordRefused) as error:
            raise trouble_of(error, self._url, self._store.place()) from error
        reports = read(found.records)
        return Seen(self._store.place(), self._store.prefix, reports, found.known, len(found.records))

    async def aclose(self) -> None:
        """Close the store."""
        await self._store.aclose()


async def _show_once(reader: _Reader, console: Screen, notes: Notes, *, as_json: bool) -> int:
    try:
        seen = await reader.first()
    finally:
        await reader.aclose()
    if as_json:
        say_json(_json(seen))
    elif not seen.reports and not seen.found:
        notes.note(seen.nobody)
    else:
        console.print(drawn(seen, console))
    return exit_codes.COMPLETE


def _json(seen: Seen) -> dict[str, Any]:
    """Return everything for a script."""
    total = total_of(seen.reports)
    return {
        "store": seen.place,
        "processes": len(total.processes),
        "reports": {"known": seen.known, "read": len(seen.reports)},
        "targets": [as_dict(row) for row in rows_of(seen.reports)],
        "total": as_dict(total),
    }


# -- again and again ----------------------------------------------------------------------------


async def _show_live(reader: _Reader, console: Screen, every: float) -> int:
    """Draw the table anew until q or Ctrl-C. A store that is lost is waited for; at the beginning it is an error."""
    try:
        await _Watch(reader, every, await reader.first()).until_stopped(console)
    finally:
        await reader.aclose()
    return exit_codes.COMPLETE


class _Watch:
    """Draws the table in a terminal, and keeps what it was drawn from last."""

    def __init__(self, reader: _Reader, every: float, seen: Seen) -> None:
        self._reader = reader
        self._every = every
        self._seen = seen
        self._stopped = asyncio.Event()

    async def until_stopped(self, console: Screen) -> None:
        """Draw it, and leave the terminal as it was."""
        with _keys(self._stopped), Live(console=console, screen=True, auto_refresh=False) as live:
            draw = partial(self._draw, live, console)
            with _stopping_at_signals(self._stopped, draw):
                reading = asyncio.create_task(self._read_on(draw))
                reading.add_done_callback(lambda _: self._stopped.set())
                await self._stopped.wait()
                reading.cancel()
                await asyncio.wait([reading])
        if not reading.cancelled():
            reading.result()

    async def _read_on(self, draw: Callable[[], None]) -> None:
        read_at = time.monotonic()
        while True:
            draw()
            await asyncio.sleep(self._every)
            try:
                self._seen = await self._reader.look()
                read_at = time.monotonic()
            except StoreTrouble as trouble:
                self._seen.lost = (time.monotonic() - read_at, trouble.happened)

    def _draw(self, live: Live, console: Screen) -> None:
        heading = f"{datetime.now():%H:%M:%S} · q ends"
        live.update(drawn(self._seen, console, heading=heading, height=console.height), refresh=True)


@contextlib.contextmanager
def _keys(stopped: asyncio.Event) -> Iterator[None]:
    """Stop at a q. Keys are not shown meanwhile, and Ctrl-Z does nothing: it would leave the terminal as it is here."""
    if not sys.stdin.isatty():
        yield
        return
    import termios

    keyboard, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before, ours = termios.tcgetattr(keyboard), termios.tcgetattr(keyboard)
    ours[3] &= ~(termios.ICANON | termios.ECHO)
    ours[6][termios.VSUSP] = b"\0"
    termios.tcsetattr(keyboard, termios.TCSADRAIN, ours)
    loop.add_reader(keyboard, _read_key, keyboard, stopped)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)


def _read_key(keyboard: int, stopped: asyncio.Event) -> None:
    typed = b""
    with contextlib.suppress(OSError):  # a terminal that was closed is an end, too
        typed = os.read(keyboard, 1024)
    if not typed or b"q" in typed.lower():
        stopped.set()


@contextlib.contextmanager
def _stopping_at_signals(stopped: asyncio.Event, draw: Callable[[], None]) -> Iterator[None]:
    """Stop at Ctrl-C and SIGTERM, and draw for a terminal of another size."""
    loop = asyncio.get_running_loop()
    told = {signal.SIGINT: stopped.set, signal.SIGTERM: stopped.set, signal.SIGWINCH: draw}
    for number, tell in told.items():
        loop.add_signal_handler(number, tell)
    try:
        yield
    finally:
        for number in told:
            loop.remove_signal_handler(number)
