"""Programs that do not close their client, each in one function; run as `python -m tests.transport.left_open NAME URL`.

`tests/transport/test_left_open.py` looks at what they write to standard error.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable

from resilient_stream import Client, Target


def client_of(url: str) -> Client:
    """A client that nobody will close."""
    return Client(Target("openai:m", base_url=url, api_key="k"))


async def ask(client: Client) -> None:
    """A whole answer, over a connection that is kept."""
    transcript = await client.complete("Hi", deadline=5)
    assert transcript.text == "Hello", transcript.text


async def begin(client: Client) -> object:
    """The first piece of an answer, and no more."""
    stream = client.stream("Hi", deadline=5)
    await anext(stream)
    return stream


def one_run(url: str) -> None:
    """The client outlives its loop, up to the end of the program."""
    client = client_of(url)
    asyncio.run(ask(client))
    globals()["kept"] = client


def two_runs(url: str) -> None:
    """One client in two loops, one after the other."""
    client = client_of(url)
    asyncio.run(ask(client))
    asyncio.run(ask(client))
    assert not client.transport.http._sessions  # type: ignore[attr-defined]


def dropped_in_the_loop(url: str) -> None:
    """Gone while its loop runs on: its connections are closed, and the loop has nothing to report."""

    async def main() -> None:
        await ask(client_of(url))
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(main())


def dropped_after_the_loop(url: str) -> None:
    """Gone when its loop is over."""
    client = client_of(url)
    asyncio.run(ask(client))
    del client
    gc.collect()


def a_loop_without_care(url: str) -> None:
    """A loop that is closed without its asynchronous generators."""
    client = client_of(url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(ask(client))
    loop.close()
    del client
    gc.collect()


def a_loop_that_is_left(url: str) -> None:
    """A loop that only stops, as a notebook's does, and a client that is still there at the end."""
    loop = asyncio.new_event_loop()
    client = client_of(url)
    loop.run_until_complete(ask(client))
    globals()["kept"] = loop, client


def a_stopped_loop_goes_on(url: str) -> None:
    """The client is dropped while its loop stands still; the loop then goes on and ends."""
    loop = asyncio.new_event_loop()
    client = client_of(url)
    loop.run_until_complete(ask(client))
    del client
    gc.collect()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def threads(url: str) -> None:
    """One client in several threads, each with loops of its own."""
    client = client_of(url)

    def work() -> None:
        for _ in range(3):
            asyncio.run(ask(client))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def a_loop_in_a_thread(url: str) -> None:
    """A background loop that runs until the program ends, and a client that is dropped in the main thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    client = client_of(url)
    asyncio.run_coroutine_threadsafe(ask(client), loop).result(5)
    del client
    gc.collect()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def a_loop_in_a_daemon(url: str) -> None:
    """The same, and everything is still there when the program ends."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    client = client_of(url)
    asyncio.run_coroutine_threadsafe(ask(client), loop).result(5)
    globals()["kept"] = loop, client


def an_answer_on_its_way(url: str) -> None:
    """The loop ends in the middle of an answer."""
    client = client_of(url)
    asyncio.run(begin(client))


def an_answer_on_its_way_in_a_thread(url: str) -> None:
    """The same, in a thread, and the stream is still held when the loop is over."""
    kept: list[object] = [client_of(url)]
    thread = threading.Thread(target=lambda: kept.append(asyncio.run(begin(kept[0]))))  # type: ignore[arg-type]
    thread.start()
    thread.join()
    kept.clear()
    gc.collect()


PROGRAMS: dict[str, Callable[[str], None]] = {
    program.__name__: program
    for program in (
        one_run, two_runs, dropped_in_the_loop, dropped_after_the_loop, a_loop_without_care, a_loop_that_is_left,
        a_stopped_loop_goes_on, threads, a_loop_in_a_thread, a_loop_in_a_daemon, an_answer_on_its_way,
        an_answer_on_its_way_in_a_thread,
    )
}  # fmt: skip

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](sys.argv[2])
