"""What it brings, and costs, to ask a second target beside one that is slow to begin.

    python -m benchmarks.hedging        writes docs/benchmarks/hedging.md and hedging.png (a minute)

The time is simulated (`benchmarks.simulated`). Both targets begin after a lognormal time, one answer in twenty ten
times later: the shape of providers whose requests now and then meet a cold or a busy machine.
"""

from __future__ import annotations

import asyncio
import datetime
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import resilient_stream
from resilient_stream import Client, Hedge

from .simulated import PROMPT, TOKENS, Answer, Simulated, client_of, run

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"
CALLS = 20_000
RATE = 20.0
"""Calls a second."""
MODELS = ("first", "second")
PIECES = 5


def heavy_tailed(model: str, now: float, dice: random.Random) -> Answer:
    """An answer that begins after 0.8 s in the median, and one in twenty ten times later."""
    del model, now
    first = dice.lognormvariate(-0.22, 0.4) * (10 if dice.random() < 0.05 else 1)
    return Answer(first=first, gap=0.8, pieces=PIECES)


class Run(NamedTuple):
    """What the callers waited, in order of size; what the providers were asked, read and wrote."""

    waits: list[float]
    requests: int
    prompts: int
    written: int

    def percentile(self, percent: float) -> float:
        """The wait that so many of a hundred callers had at most."""
        return self.waits[min(int(len(self.waits) * percent / 100), len(self.waits) - 1)]

    def cost(self, output: float) -> float:
        """Tokens, with what one that is written costs."""
        return self.prompts + output * self.written


def simulate(hedge: Hedge | None) -> Run:
    """All calls, with this policy."""
    return run(lambda: _simulate(hedge))


async def _simulate(hedge: Hedge | None) -> Run:
    world, dice, waits = Simulated(heavy_tailed, seed=1), random.Random(2), list[float]()
    calls = set[asyncio.Task[None]]()
    async with client_of(world, *MODELS, hedge=hedge) as client:
        for _ in range(CALLS):
            await asyncio.sleep(dice.expovariate(RATE))
            call = asyncio.create_task(_call(client, waits))
            calls.add(call)
            call.add_done_callback(calls.discard)
        await asyncio.gather(*calls)
    requests = sum(map(len, world.asked.values()))
    return Run(sorted(waits), requests, requests * PROMPT, world.tokens - requests * PROMPT)


async def _call(client: Client, waits: list[float]) -> None:
    now = asyncio.get_running_loop().time
    began = now()
    stream = client.stream("Hi")
    await anext(stream)
    waits.append(now() - began)
    await stream.collect()


def policies(alone: Run) -> dict[str, Hedge | None]:
    """What is compared: nothing, the 95th percentile known beforehand and learned, and a fixed time."""
    known = round(alone.percentile(95), 2)
    return {
        "no hedge": None,
        f"Hedge(after={known:g}), the 95th percentile": Hedge(after=known),
        'Hedge(after="p95"), learned': Hedge(after="p95"),
        'Hedge(after="p90"), learned': Hedge(after="p90"),
        "Hedge(), after 2 s": Hedge(),
    }


def markdown(runs: dict[str, Run]) -> str:
    """The page."""
    measured = f"{datetime.date.today()} with resilient_stream {resilient_stream.__version__}"
    alone = runs["no hedge"]
    rows = "\n".join(_row(title, each, alone) for title, each in runs.items())
    return f"""# A second target beside a slow one

Simulated on {measured}, by `python -m benchmarks.hedging`: {CALLS:,} calls, {RATE:g} a second, to two targets that
begin alike: lognormal with a median of 0.8 s, and one answer in twenty ten times later. Prompts of {PROMPT} tokens,
answers of {PIECES * TOKENS}. The time is simulated and all else is the client's own, with its default retry budget.

![Waits with and without a second target](hedging.png)

| | p50 | p95 | p99 | p99.9 | requests | tokens | cost, output at 5 × |
|---|---:|---:|---:|---:|---:|---:|---:|
{rows}

A loser costs its prompt, and whatever it wrote until it was closed: nothing, where it had not begun. Both are counted
by the simulated providers, not by the client. The learned percentile begins with 2 s, and follows the last 500 answers
of each target (`fleet/beginnings.py`). A race that the first target has lost counts with the time that it was given;
without that the slowest answers would be missing, and the percentile would sink with each race.
"""


def _row(title: str, each: Run, alone: Run) -> str:
    def waited(percent: float) -> str:
        now, before = each.percentile(percent), alone.percentile(percent)
        change = "" if abs(now / before - 1) < 0.005 else f" ({now / before - 1:+.0%})"
        return f"{now:.2f} s{change}"

    more = (each.requests / alone.requests, each.cost(1) / alone.cost(1), each.cost(5) / alone.cost(5))
    costs = (f"{each.requests:,}", "", "") if each is alone else tuple(f"{share - 1:+.1%}" for share in more)
    return f"| {title} | " + " | ".join((*map(waited, (50, 95, 99, 99.9)), *costs)) + " |"


COLOURS = ("#868e96", "#e8a33d", "#b3391f", "#7048a8", "#1f6f8b")


def plot(runs: dict[str, Run], path: Path) -> None:
    """Left: how many wait longer than how long. Right: what the 99th percentile costs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 4.4))
    for (title, each), colour in zip(runs.items(), COLOURS, strict=True):
        left.plot(each.waits, _longer(each.waits), color=colour, label=title)
    left.set(
        xscale="log",
        yscale="log",
        ylim=(0.02, 100),
        xlabel="seconds to first content",
        ylabel="% of callers who wait longer",
    )
    left.set_yticks([0.1, 1, 5, 50], ["0.1", "1", "5", "50"])
    left.set_xticks([0.3, 1, 3, 10, 30], ["0.3", "1", "3", "10", "30"])
    left.legend(frameon=False, fontsize=8, loc="lower left")
    left.set_title("A second target cuts the tail, and leaves the rest", loc="left", fontsize=11)
    _bars(right, runs)
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _longer(waits: Sequence[float]) -> list[float]:
    return [100 * (1 - place / len(waits)) for place in range(len(waits))]


def _bars(panel: Any, runs: dict[str, Run]) -> None:
    alone = runs["no hedge"]
    panel.barh(list(runs), [each.percentile(99) for each in runs.values()], color=COLOURS)
    panel.invert_yaxis()
    for place, each in enumerate(runs.values()):
        extra = "" if each is alone else f", {each.requests / alone.requests - 1:+.1%} requests"
        panel.text(each.percentile(99), place, f" {each.percentile(99):.1f} s{extra}", va="center")
    panel.set_xlim(0, alone.percentile(99) * 1.15)
    panel.set_title("The 99th percentile in seconds, and what it costs", loc="left", fontsize=11)


def main() -> None:
    """Simulate, write, say where."""
    alone = simulate(None)
    runs = {title: simulate(hedge) if hedge else alone for title, hedge in policies(alone).items()}
    (FOLDER / "hedging.md").write_text(page := markdown(runs), encoding="utf-8")
    plot(runs, FOLDER / "hedging.png")
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
