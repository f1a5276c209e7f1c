"""What does the whole chain cost for each chunk, and until the first one, beside a loop by hand and other clients?

    python -m benchmarks.overhead [--rounds 5] [--quick] [--out docs/benchmarks]

Each client runs in a process of its own, against one server process, in interleaved rounds: whatever else the
machine does meets them all alike. Clients that are not installed are skipped. Writes overhead.md and overhead.png.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import msgspec

from .measure import SHAPES, Cost
from .peers import PEERS
from .report import Case, Report, described, write

__all__ = ["IMPORTS", "main"]

LONGEST_SECONDS = 300

IMPORTS = {
    "aiohttp and pydantic": ("aiohttp", "import aiohttp, pydantic"),
    "resilient_stream": ("resilient_stream", "import resilient_stream"),
    "resilient_stream, and a client for openai": (
        "resilient_stream",
        "import resilient_stream; resilient_stream.Client('openai:m')",
    ),
    "openai SDK": ("openai", "import openai"),
    "anthropic SDK": ("anthropic", "import anthropic"),
    "google-genai SDK": ("google.genai", "import google.genai"),
    "litellm": ("litellm", "import litellm"),
}
"""Title: the module that must be there, and what is timed."""


def cases() -> list[Case]:
    """Every installed client on each of its loops."""
    installed = {name for name, peer in PEERS.items() if is_installed(peer.module)}
    for name in PEERS.keys() - installed:
        print(f"skipped: {PEERS[name].package} is not installed")
    loops = {"asyncio", "uvloop"} if find_spec("uvloop") else {"asyncio"}
    return [Case(name, loop) for name in PEERS if name in installed for loop in PEERS[name].loops if loop in loops]


def is_installed(module: str) -> bool:
    """Also for a module inside a namespace that is not there."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def upstream() -> Iterator[str]:
    """The stand-in's process; gives its port."""
    command = [sys.executable, "-m", "benchmarks.upstream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def run(*arguments: str) -> str:
    """The last line that such a Python process prints. Ends the whole run when it fails: half a table is none."""
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # or its import asks the network
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=LONGEST_SECONDS, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout.splitlines()[-1]


def cost_of(case: Case, port: str, quick: bool) -> Cost:
    """One round of one client."""
    said = run("-m", "benchmarks.measure", case.peer, port, "--loop", case.loop, *(["--quick"] if quick else []))
    return msgspec.json.decode(said, type=Cost)


def import_ms(statement: str) -> float:
    """Milliseconds for an import in a fresh process, without the interpreter's own start."""
    timed = f"import time; began = time.perf_counter(); {statement}; print((time.perf_counter() - began) * 1e3)"
    return float(run("-c", timed))


def measure_rounds(rounds: int, quick: bool) -> Report:
    """All of it, with a line for each step."""
    report = Report(SHAPES["quick" if quick else "full"], described(), {}, defaultdict(list))
    todo = cases()
    report.costs.update((case, []) for case in todo)
    with upstream() as port:
        for number in range(rounds):
            for case in todo if number % 2 == 0 else todo[::-1]:  # to and fro, so that a drift favours nobody
                if number < PEERS[case.peer].most_rounds:
                    cost = cost_of(case, port, quick)
                    report.costs[case].append(cost)
                    tell(f"round {number + 1}/{rounds}", case, cost)
            for title, (module, statement) in IMPORTS.items():
                if is_installed(module):
                    report.imports[title].append(import_ms(statement))
    return report


def tell(step: str, case: Case, cost: Cost) -> None:
    """One line of progress."""
    figures = f"burst {cost.burst:7.2f} us  paced {cost.paced:7.2f} us  first chunk {cost.first_ms:5.2f} ms"
    print(f"{step}  {case.peer:<16} {case.loop:<8} {figures}", flush=True)


def main() -> None:
    """Measure, and write the table and the plot."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--quick", action="store_true", help="few chunks: to see that it runs, not what it costs")
    options.add_argument("--out", type=Path, default=Path("docs/benchmarks"), help="folder for the table and the plot")
    chosen = options.parse_args()
    started = time.monotonic()
    report = measure_rounds(chosen.rounds, chosen.quick)
    for written in write(report, chosen.out):
        print(f"wrote {written}")
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
