"""What a bridged chunk costs a server, and what 500 readers at once do to it.

    python -m benchmarks.web        writes docs/benchmarks/web.md and web.png

The server is a process of its own, on uvicorn; so is the provider. The readers are in this one. A round asks each kind
of response for the same chunks, one kind after the other; the CPU time is what the server's process used meanwhile.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

import resilient_stream
from resilient_stream import Client, Target

from .measure import settle_allocator, used
from .running import upstream
from .servers import Reader
from .upstream import asking

__all__ = ["Found", "markdown", "measure"]

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"
ROUNDS = 7
PACED = (50, 100, 20)
"""Streams at once, chunks of each, milliseconds between two."""
BURST = (1, 5_000, 0)
MANY = (500, 60, 250)
FLOOD = 300_000
"""Chunks that a reader asks for who then does not read."""

KINDS = {
    "bridged": "`StreamResponse(client.stream(…))`",
    "bare": "a bare `StreamingResponse` whose generator yields the same bytes, made before",
    "by hand": "a `StreamingResponse` whose generator iterates `client.stream()` and writes JSON",
    "relayed": "a `StreamingResponse` whose generator passes on the provider's bytes as aiohttp reads them, unread",
}


# -- the server, in a process of its own ---------------------------------------------------------


def app_over(url: str) -> Any:
    """The app of the server's process: GET /kind/chunks/gap, and /used for what it has used."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route

    from resilient_stream.web.starlette import StreamResponse

    client = Client(Target("openai:fake", api_key="test", base_url=f"{url}/v1"))
    made: dict[int, list[bytes]] = {}
    sessions: list[aiohttp.ClientSession] = []

    async def bare(chunks: int, gap: int) -> AsyncIterator[bytes]:
        for frame in made[chunks]:
            yield frame
            if gap:
                await asyncio.sleep(gap / 1000)

    async def by_hand(chunks: int, gap: int) -> AsyncIterator[str]:
        async for chunk in client.stream(asking(chunks, gap)):
            yield f"data: {json.dumps({'type': chunk.type, 'text': chunk.text})}\n\n"
        yield 'data: {"type": "end", "outcome":"complete"}\n\n'

    async def relayed(chunks: int, gap: int) -> AsyncIterator[bytes]:
        body = {"model": "fake", "stream": True, "messages": [{"role": "user", "content": asking(chunks, gap)}]}
        if not sessions:
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        async with sessions[0].post(f"{url}/v1/chat/completions", json=body) as response:
            async for data in response.content.iter_any():
                yield data

    generators = {"bare": bare, "by hand": by_hand, "relayed": relayed}

    async def answer(request: Request) -> Response:
        kind, chunks, gap = (request.path_params[name] for name in ("kind", "chunks", "gap"))
        if kind == "bridged":
            return StreamResponse(client.stream(asking(chunks, gap)))
        if kind == "bare" and chunks not in made:
            made[chunks] = await frames(client, chunks)
        return StreamingResponse(generators[kind](chunks, gap), media_type="text/event-stream")

    async def cost(request: Request) -> Response:
        spent = used()
        return JSONResponse({"user": spent.user, "system": spent.system, "rss": resident()})

    return Starlette(routes=[Route("/used", cost), Route("/{kind}/{chunks:int}/{gap:int}", answer)])


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def frames(client: Client, chunks: int) -> list[bytes]:
    """What a bridged response sends, an event each."""
    from resilient_stream.delivery import Direct
    from resilient_stream.formats.events import EventsWriter

    direct, made = Direct(client.stream(asking(chunks, 0)), EventsWriter()), []
    while batch := await direct.frames():
        made += batch
    return made


def serve(url: str) -> None:
    """Serve until the process is ended; prints the port first."""
    import socket

    import uvicorn

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    settle_allocator()
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(2048)
    sys.stdout.write(f"{made.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(app_over(url), log_config=None, lifespan="off", loop="asyncio", backlog=2048)
    asyncio.run(uvicorn.Server(config).serve([made]))


@contextmanager
def server(url: str) -> Iterator[tuple[str, int]]:
    """The server's process, for as long as the block runs."""
    command = [sys.executable, "-m", "benchmarks.web", "serve", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield ("127.0.0.1", int(process.stdout.readline()))
        finally:
            process.kill()


# -- the readers ---------------------------------------------------------------------------------


class Spent(NamedTuple):
    """CPU time of the server's process in microseconds, and its memory in bytes."""

    cpu: float
    rss: int


class Found(NamedTuple):
    """paced, burst: microseconds of CPU for a chunk, of each kind in each round. rss: of the server while 500 streams
    run, every 100 ms, in bytes. busy: the share of a core that they took. slow: bytes that a reader which does not read
    added to the server. others: how long the others' answers took beside it, in seconds, and without it."""

    paced: Mapping[str, list[float]]
    burst: Mapping[str, list[float]]
    rss: list[int]
    busy: float
    slow: int
    others: tuple[float, float]


async def spent(address: tuple[str, int]) -> Spent:
    """Ask the server."""
    reader = await Reader.ask(address, path="/used")
    await reader.hears(b"\r\n\r\n{")
    values = json.loads(b"{" + await reader.hears(b"}"))
    reader.leave()
    return Spent(values["user"] + values["system"], values["rss"])


async def whole(address: tuple[str, int], path: str, chunks: int) -> None:
    """Read one answer. Raises AssertionError unless it is whole."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n".encode())
    count, tail = 0, b""
    while data := await reader.read(1 << 18):
        count += (tail[-1:] + data).count(b"\n\n")
        tail = (tail + data)[-4096:]
    writer.close()
    assert b'"outcome":"complete"' in tail or b"[DONE]" in tail, tail[-300:]
    assert count >= chunks, f"{count} chunks of {chunks}"


async def cost(address: tuple[str, int], kind: str, shape: tuple[int, int, int]) -> float:
    """Microseconds of the server's CPU for a chunk."""
    streams, chunks, gap = shape
    before = await spent(address)
    path = f"/{kind.replace(' ', '%20')}/{chunks}/{gap}"
    await asyncio.gather(*(whole(address, path, chunks) for _ in range(streams)))
    return ((await spent(address)).cpu - before.cpu) / (streams * chunks)


async def costs(address: tuple[str, int], shape: tuple[int, int, int], rounds: int) -> dict[str, list[float]]:
    """Of each kind, in turns."""
    for kind in KINDS:
        await cost(address, kind, (1, shape[1], 0))  # warm
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            found[kind].append(await cost(address, kind, shape))
    return found


async def many(address: tuple[str, int], shape: tuple[int, int, int]) -> tuple[list[int], float, float]:
    """So many streams at once: the server's memory, its share of a core, and the seconds that it took."""
    loop, before = asyncio.get_running_loop(), await spent(address)
    began, rss = loop.time(), [before.rss]
    streams, chunks, gap = shape
    running = asyncio.gather(*(whole(address, f"/bridged/{chunks}/{gap}", chunks) for _ in range(streams)))
    while not running.done():
        await asyncio.wait([running], timeout=0.1)
        rss.append((await spent(address)).rss)
    await running
    took = loop.time() - began
    return rss, ((await spent(address)).cpu - before.cpu) / took / 1e6, took


async def measure(paced: Any = PACED, burst: Any = BURST, crowd: Any = MANY, rounds: int = ROUNDS) -> Found:
    """All of it."""
    settle_allocator()
    with upstream() as provider, server(provider.http) as address:
        cheap = await costs(address, paced, rounds), await costs(address, burst, rounds)
        rss, busy, alone = await many(address, crowd)
        before = await spent(address)
        slow = await Reader.ask(address, path=f"/bridged/{FLOOD}/0")
        await slow.hears(b"data: ")
        _, _, beside = await many(address, crowd)
        added = (await spent(address)).rss - before.rss
        slow.leave()
        return Found(*cheap, rss, busy, added, (beside, alone))


# -- the page ------------------------------------------------------------------------------------


def markdown(found: Found) -> str:
    """The page."""
    measured = f"{datetime.date.today()} with resilient_stream {resilient_stream.__version__}"
    rows = [f"| {said} | {_told(found.paced, kind)} | {_told(found.burst, kind)} |" for kind, said in KINDS.items()]
    streams, _, gap = PACED
    crowd, _, its_gap = MANY
    peak, rest = max(found.rss), found.rss[0]
    return f"""# What a response costs

Measured on {measured}, by `python -m benchmarks.web`: the server is a
process of its own on uvicorn and asyncio (Python {sys.version.split()[0]}), the provider is another, and the
readers are a third.

![CPU for a chunk, and memory with {crowd} streams](web.png)

CPU time of the server's process for a chunk, in microseconds; medians of {ROUNDS} rounds in which the kinds take turns,
and how many times the bare response that is. All others also receive the provider's answer, which is most of what they
cost more; the bare one has its bytes from the start, and waits for the pace by a timer. A bridged chunk is
**{_ratio(found.paced, "relayed"):.2f}×** one that is only passed on, unread.

| response | {streams} streams, a chunk every {gap} ms | {BURST[1]:,} chunks at once |
|---|---|---|
{chr(10).join(rows)}

At a model's pace each chunk is a wake-up and a write. In a burst a bridged response writes what one wake-up brought at
once, where a generator writes chunk by chunk.

**{crowd} streams to {crowd} readers**, a chunk every {its_gap} ms each: all whole, with {found.busy * 100:.0f} % of a
core. The server's memory went from {rest / 1e6:.0f} to {peak / 1e6:.0f} MB, {(peak - rest) / crowd / 1000:.0f} kB for
each stream with its two connections.

**A reader that does not read** asked for {FLOOD:,} chunks and took nothing after the first. It added
{found.slow / 1e6:.1f} MB to the server, beside which {crowd} others were served; their answers took
{found.others[0]:.1f} s, and {found.others[1]:.1f} s without it.
"""


def _told(found: Mapping[str, list[float]], kind: str) -> str:
    middle = {name: statistics.median(values) for name, values in found.items()}
    return f"{middle[kind]:.1f} ({middle[kind] / middle['bare']:.2f}×)"


def _ratio(found: Mapping[str, list[float]], other: str) -> float:
    return statistics.median(found["bridged"]) / statistics.median(found[other])


def plot(found: Found, path: Path) -> None:
    """Two panels: what a chunk costs, and the memory of many streams."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 3.8))
    for place, kind in enumerate(KINDS):
        for offset, rounds in ((0.2, found.paced), (-0.2, found.burst)):
            color = "#d9480f" if kind == "bridged" else "#a5b4c4"
            left.barh(
                place + offset, statistics.median(rounds[kind]), 0.38, color=color, alpha=1 if offset > 0 else 0.6
            )
            label = "paced" if offset > 0 else "burst"
            left.text(statistics.median(rounds[kind]), place + offset, f" {label} {_told(rounds, kind)}", va="center")
    left.set_yticks(range(len(KINDS)), KINDS)
    left.invert_yaxis()
    left.margins(x=0.35)
    left.set_xlabel("microseconds of the server's CPU for a chunk")
    left.set_title("A bridged chunk beside a bare response's", loc="left", fontsize=11)
    right.plot([number / 10 for number in range(len(found.rss))], [rss / 1e6 for rss in found.rss], color="#1f6f8b")
    right.set_ylim(bottom=0)
    right.set_xlabel("seconds")
    right.set_ylabel("MB of the server's process")
    right.set_title(f"{MANY[0]} streams to {MANY[0]} readers", loc="left", fontsize=11)
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main(arguments: list[str]) -> None:
    """Measure and write the page, or be the server."""
    if arguments[:1] == ["serve"]:
        serve(arguments[1])
        return
    found = asyncio.run(measure())
    (FOLDER / "web.md").write_text(markdown(found))
    plot(found, FOLDER / "web.png")
    print(markdown(found))


if __name__ == "__main__":
    main(sys.argv[1:])
