"""Tells the readers of open responses that the server shuts down, before their connections are cut.

aiohttp lets an application act before it waits for its responses:

    async def tell(app):
        await end_responses(after=5.0)

    app.on_shutdown.append(tell)

ASGI servers end an application's lifespan only when they have waited for its responses, or have cut them. There the
signal has to be heard:

    @asynccontextmanager
    async def lifespan(app):
        async with client, hub.lifespan(app), graceful_shutdown(after=5.0):
            yield
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from types import FrameType

from ..given.checks import number
from .answer import open_answers

__all__ = ["end_responses", "graceful_shutdown"]

LOOK = 0.02
"""Seconds after which is looked again whether responses are open."""

WITHIN = 1.0
"""Seconds that responses get to send their end. A reader that takes nothing does not hold up the shutdown."""


async def end_responses(after: float = 5.0) -> None:
    """Let the responses of this event loop go on for so many seconds, and end those that are still open then.

    Their readers are told in the format. Where other processes share the hub that has the answer, they are told to come
    back for the rest, and the answer runs on for the hub's own time (`Hub(drain=…)`).
    """
    number("after", after, 0)
    await _until_none_is_open(after)
    await _until_none_is_open(WITHIN, _turn_away)


@asynccontextmanager
async def graceful_shutdown(
    after: float = 5.0, signals: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT)
) -> AsyncIterator[None]:
    """End responses as `end_responses` does when the process gets one of these signals. For an application's lifespan.

    The server's own handler runs as well, so nothing else changes. Where there is none, or outside the main thread,
    where Python does not handle signals, this does nothing.
    """
    number("after", after, 0)
    heard = asyncio.Event()
    task = asyncio.ensure_future(_turn_away_when(heard, after))
    try:
        with _hearing(signals, heard.set):
            yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _turn_away_when(heard: asyncio.Event, after: float) -> None:
    """Turn away those that are open some time after the signal, and those that begin even later."""
    await heard.wait()
    await asyncio.sleep(after)
    while True:
        _turn_away()
        await asyncio.sleep(LOOK)


async def _until_none_is_open(seconds: float, each_time: Callable[[], object] = int) -> None:
    now = asyncio.get_running_loop().time
    until = now() + seconds
    while open_answers() and now() < until:
        each_time()
        await asyncio.sleep(min(LOOK, seconds))


def _turn_away() -> None:
    for answer in open_answers():
        answer.turn_away()


@contextlib.contextmanager
def _hearing(signals: Iterable[signal.Signals], tell: Callable[[], object]) -> Iterator[None]:
    """Tell of signals, before their own handlers run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, handlers = asyncio.get_running_loop(), {each: signal.getsignal(each) for each in signals}

    def heard(got: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        handler = handlers[signal.Signals(got)]
        assert callable(handler)
        handler(got, frame)

    # Callable ones only: by default a signal ends the process.
    ours = [each for each, handler in handlers.items() if callable(handler)]
    for each in ours:
        signal.signal(each, heard)
    try:
        yield
    finally:
        for each in ours:
            if signal.getsignal(each) is heard:
                signal.signal(each, handlers[each])
