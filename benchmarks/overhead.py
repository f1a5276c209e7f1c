"""What does the whole chain cost for each chunk, and until the first one, beside a loop by hand and other clients?

    python -m benchmarks.overhead [--rounds 5] [--quick] [--out docs/benchmarks]

Each client runs in a process of its own, against one server process, in interleaved rounds: whatever else the
machine does meets them all alike. Clients that are not installed are skipped; for all of them, in an environment of
its own: pip install -e . uvloop matplotlib openai anthropic google-genai 'pydantic-ai-slim[openai]' litellm
langchain-openai. Writes overhead.md, overhead.png and overhead-parts.png. Five rounds take some eight minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import msgspec

from .idle import HOLDERS, Held, most_streams
from .measure import LENGTHS, SHAPES, SHORT_LENGTHS, Cost
from .peers import FEW, PEERS
from .plots import write
from .report import Case, Report, described
from .running import Upstream, import_ms, new_certificate, run, upstream

__all__ = ["IMPORTS", "is_installed", "main"]

IMPORTS = {
    "aiohttp and pydantic": ("aiohttp", "import aiohttp, pydantic", 100),
    "resilient_stream": ("resilient_stream", "import resilient_stream", 100),
    "resilient_stream, and a client": (
        "resilient_stream",
        "import resilient_stream; resilient_stream.Client('openai:m')",
        100,
    ),
    "openai": ("openai", "import openai", FEW),
    "anthropic": ("anthropic", "import anthropic", FEW),
    "google-genai": ("google.genai", "import google.genai", FEW),
    "pydantic-ai": ("pydantic_ai", "import pydantic_ai.models.openai", FEW),
    "langchain-openai": ("langchain_openai", "import langchain_openai", FEW),
    "litellm": ("litellm", "import litellm", FEW),
}
"""Title: the module that must be there, what is timed, and how often at most."""
IMPORTS_A_ROUND = 2

IDLE_STREAMS, IDLE_STREAMS_IN_A_TRIAL = 10_000, 50
FEWER = 2
"""Rounds of what takes long: idle streams, and long answers."""
PAIR = tuple(HOLDERS)
"""The floor and ours."""


def is_installed(module: str) -> bool:
    """Also for a module inside a namespace that is not there."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


class Run:
    """One run: what is to be measured, and what was found so far."""

    def __init__(self, rounds: int, quick: bool) -> None:
        self.rounds, self.quick = rounds, quick
        lengths = SHORT_LENGTHS if quick else LENGTHS
        self.report = Report(
            SHAPES["quick" if quick else "full"], described(), lengths, {}, defaultdict(list), defaultdict(list),
            defaultdict(list), [],
        )  # fmt: skip

    def measure(self) -> Report:
        """All of it, with a line for each step."""
        with tempfile.TemporaryDirectory() as folder:
            self.certificate = new_certificate(Path(folder))
            self.environment = {"SSL_CERT_FILE": str(self.certificate)} if self.certificate else {}
            self.report.costs.update((case, []) for case in self.cases())
            self.compile()
            with upstream(self.certificate) as fake:
                for number in range(self.rounds):
                    self.round(number, fake)
        return self.report

    def cases(self) -> list[Case]:
        """Every installed client on each of its loops, and the pair over TLS."""
        installed = [name for name, peer in PEERS.items() if is_installed(peer.module)]
        self.skip(*(f"{PEERS[name].package} is not installed" for name in PEERS if name not in installed))
        loops = ["asyncio", "uvloop"] if find_spec("uvloop") else ["asyncio"]
        self.skip(*(["uvloop is not installed"] if len(loops) < 2 else []))
        self.skip(*([] if self.certificate else ["TLS: there is no openssl command to make a certificate with"]))
        secured = [Case(name, "asyncio", "https") for name in PAIR if self.certificate]
        return [Case(name, loop) for name in installed for loop in PEERS[name].loops if loop in loops] + secured

    def skip(self, *reasons: str) -> None:
        """Say what is left out, here and on the page."""
        for reason in reasons:
            print(f"skipped: {reason}")
            self.report.skipped.append(reason)

    def compile(self) -> None:
        """Import everything once, so that no later process compiles."""
        for module, statement, _ in IMPORTS.values():
            if is_installed(module):
                import_ms(statement)

    def round(self, number: int, fake: Upstream) -> None:
        """Each client once."""
        todo = list(self.report.costs)
        for case in todo if number % 2 == 0 else todo[::-1]:  # to and fro, so that a drift favours nobody
            if number < PEERS[case.peer].most_rounds:
                cost = self.cost_of(case, fake)
                self.report.costs[case].append(cost)
                tell(f"round {number + 1}/{self.rounds}", case, cost)
        if number < FEWER:
            for name in PAIR if number % 2 == 0 else PAIR[::-1]:
                self.long_and_idle(name, fake)
        for _ in range(IMPORTS_A_ROUND):
            for title, (module, statement, most) in IMPORTS.items():
                if is_installed(module) and len(self.report.imports[title]) < most:
                    self.report.imports[title].append(import_ms(statement))

    def cost_of(self, case: Case, fake: Upstream) -> Cost:
        """One client once."""
        shapes = "quick" if self.quick else "slow" if PEERS[case.peer].most_rounds == FEW else "full"
        url = fake.https if case.scheme == "https" else fake.http
        said = run(
            "-m", "benchmarks.measure", case.peer, url, "--loop", case.loop, "--shapes", shapes,
            "--segments", fake.http, **(self.environment if case.scheme == "https" else {}),
        )  # fmt: skip
        return msgspec.json.decode(said, type=Cost)

    def long_and_idle(self, name: str, fake: Upstream) -> None:
        """Answers of growing length, and many streams that hold still."""
        shapes = "quick" if self.quick else "full"
        said = run("-m", "benchmarks.measure", name, fake.http, "--growth", "--shapes", shapes)
        self.report.growth[name].append(msgspec.json.decode(said, type=list[float]))
        wanted = IDLE_STREAMS_IN_A_TRIAL if self.quick else IDLE_STREAMS
        if most_streams(wanted) < wanted and not self.report.held[name]:
            self.skip(
                f"{name}: {most_streams(wanted):,} idle streams instead of {wanted:,}: there are no more descriptors"
            )
        with upstream() as fresh:  # on a port of its own: the last run's closed connections still hold their addresses
            said = run("-m", "benchmarks.idle", name, fresh.http, str(wanted))
        self.report.held[name].append(held := msgspec.json.decode(said, type=Held))
        print(f"{name}: {held.streams:,} idle streams, {held.kib:.1f} KiB each, loop held {held.blocked_ms:.0f} ms")


def tell(step: str, case: Case, cost: Cost) -> None:
    """One line of progress."""
    figures = (
        f"burst {cost.burst.total:7.2f} us  paced {cost.paced.total:7.2f} us  call {cost.call.total:6.0f} us  "
        f"first chunk {cost.first_ms:5.2f} ms"
    )
    print(f"{step}  {case.peer:<16} {case.loop:<8} {case.scheme:<6} {figures}", flush=True)


def main() -> None:
    """Measure, and write the page and its pictures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--quick", action="store_true", help="few chunks: to see that it runs, not what it costs")
    options.add_argument(
        "--out", type=Path, default=Path("docs/benchmarks"), help="folder for the page and its pictures"
    )
    chosen = options.parse_args()
    started = time.monotonic()
    report = Run(chosen.rounds, chosen.quick).measure()
    for written in write(report, chosen.out):
        print(f"wrote {written}")
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
