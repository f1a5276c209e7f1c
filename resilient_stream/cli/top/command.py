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
from ...stores.redis import RedisStore, StoreLost
from ...stores.reports import RecordRefused
from ...text.readable import one_line
from .. import exit_codes
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
    showing = _show_live(store, console, every) if is_live else _show_once(store, console, notes, as_json=as_json)
    try:
        return asyncio.run(showing)
    except (StoreLost, RecordRefused) as error:
        notes.misuse(f"{store.place()} {_store_trouble(error)}.")
        needs_a_change = isinstance(error, RecordRefused)
        return exit_codes.BY_CATEGORY[ErrorCategory.PERMANENT if needs_a_change else ErrorCategory.RETRYABLE]
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED


def _store_trouble(error: StoreLost | RecordRefused) -> str:
    """Return what is the matter with the store."""
    if isinstance(error, RecordRefused):
        return f"refuses to say what processes report: {one_line(str(error)).rstrip('.')}"
    cause = error.__cause__
    said = "no answer in time" if isinstance(cause, TimeoutError) else one_line(str(cause or error)).rstrip(".")
    return f"cannot be reached: {said}"


async def _read_store(store: RedisStore) -> Seen:
    """Return what the store has now. Raises StoreLost or RecordRefused."""
    found = await store.reports()
    reports = read(found.records)
    return Seen(store.place(), store.prefix, reports, found.known, len(found.records))


async def _show_once(store: RedisStore, console: Screen, notes: Notes, *, as_json: bool) -> int:
    try:
        seen = await _read_store(store)
    finally:
        await store.aclose()
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


async def _show_live(store: RedisStore, console: Screen, every: float) -> int:
    """Draw the table anew until q or Ctrl-C. A store that is lost is waited for; at the beginning it is an error."""
    try:
        await _Watch(store, every, await _read_store(store)).until_stopped(console)
    finally:
        await store.aclose()
    return exit_codes.COMPLETE


class _Watch:
    """Draws the table in a terminal, and keeps what it was drawn from last."""

    def __init__(self, store: RedisStore, every: float, seen: Seen) -> None:
        self._store = store
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
                self._seen = await _read_store(self._store)
                read_at = time.monotonic()
            except (StoreLost, RecordRefused) as error:
                self._seen.lost = (time.monotonic() - read_at, _store_trouble(error))

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
    with contextlib.suppress(OSError):  # the terminal was closed, which is the end, too
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
