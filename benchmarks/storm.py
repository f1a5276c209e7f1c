"""What a thousand callers do to a provider that fails, and when they come back after the same `Retry-After`.

    python -m benchmarks.storm        writes docs/benchmarks/storm.md and storm.png

The counts are the server's and not ours: the requests that arrived on a loopback socket, and when.
"""

from __future__ import annotations

import asyncio
import datetime
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

import resilient_stream
from resilient_stream import Client, RetryBudget, RetryPolicy
from resilient_stream.events import Event, RetryScheduled
from resilient_stream.testing import End, FakeProvider, Script, Status, Text

CALLERS = 1000
HINT = 2.0
FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"

DEAD: Script = [Status(503)]
LIMITED: Script = [Status(429, {"retry-after": f"{HINT:g}"})]
GOOD: Script = [Text("Hello"), End()]


class Storm(NamedTuple):
    """unbounded, bounded: requests sent by a thousand callers, without a budget and with the default one.
    waits: seconds that each caller chose to wait after the 429. woke: after which its next request arrived."""

    unbounded: int
    bounded: int
    waits: list[float]
    woke: list[float]


async def requests_sent(budget: RetryBudget) -> int:
    """How many requests a dead target gets."""
    quick = RetryPolicy(initial=0.05, maximum=0.2)
    with FakeProvider.in_thread(DEAD) as provider:
        async with Client(provider.target("openai"), retry=quick, budget=budget) as client:
            await _all(client)
        return len(provider.requests)


async def wake_ups() -> tuple[list[float], list[float]]:
    """How long each caller waits after its 429, and when it is back; in seconds."""
    waits: list[float] = []

    def on_event(event: Event) -> None:
        if isinstance(event, RetryScheduled):
            waits.append(event.wait)

    with FakeProvider.in_thread(*[LIMITED] * CALLERS, GOOD) as provider:
        async with Client(provider.target("openai"), budget=RetryBudget(ratio=1), on_event=on_event) as client:
            await _all(client)
        told, waited = {}, []
        for request in provider.requests:
            caller = request.json["messages"][0]["content"]
            if caller in told:
                waited.append(request.started - told[caller])
            told[caller] = request.ended_at or 0.0
    return waits, waited


async def _all(client: Client) -> None:
    await asyncio.gather(*(client.complete(str(caller)) for caller in range(CALLERS)), return_exceptions=True)


async def measure() -> Storm:
    """Both questions, one after the other."""
    return Storm(await requests_sent(RetryBudget.off()), await requests_sent(RetryBudget()), *await wake_ups())


def markdown(storm: Storm) -> str:
    """The page."""
    budget, waits, woke = RetryBudget(), storm.waits, storm.woke
    bound = int(CALLERS * (1 + budget.ratio) + budget.reserve)
    measured = f"{datetime.date.today()} with resilient_stream {resilient_stream.__version__}"
    return f"""# A thousand callers and a provider that fails

Measured on {measured}, by `python -m benchmarks.storm`:
{CALLERS:,} calls at once in one process, a loopback server in another thread that counts.

![Requests to a dead target, and wake-ups after the same Retry-After](storm.png)

| | requests |
|---|---|
| the callers' own | {CALLERS:,} |
| without a retry budget, {RetryPolicy().attempts} attempts each | {storm.unbounded:,} |
| with the default budget (at most 1.2 for each caller and {budget.reserve}: {bound:,}) | **{storm.bounded:,}** |

After `429` with `Retry-After: {HINT:g}` the {len(waits):,} callers chose to wait {_span(waits)}:
jitter goes upward only, by up to 10 %. Their next requests arrived {_span(woke)} after it.
"""


def _span(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s (median {statistics.median(seconds):.2f} s)"


def plot(storm: Storm, path: Path) -> None:
    """Two panels: how many, and when."""
    from matplotlib import pyplot

    figure, (many, when) = pyplot.subplots(1, 2, figsize=(12, 3.8))
    _bars(many, storm)
    when.hist(storm.waits, bins=20, color="#d8b4a6", label="wait chosen")
    when.hist(storm.woke, bins=40, color="#1f6f8b", alpha=0.8, label="request arrived")
    when.legend(frameon=False)
    when.axvline(HINT, color="#b3391f", linestyle="--")
    when.text(HINT, when.get_ylim()[1] * 0.97, " Retry-After", color="#b3391f", va="top")
    when.set_title(f"{len(storm.woke):,} callers come back after the same Retry-After", loc="left", fontsize=11)
    when.set_xlabel("seconds after the 429")
    when.set_ylabel("callers")
    for panel in (many, when):
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _bars(panel: Any, storm: Storm) -> None:
    rows = {"callers": CALLERS, "with the budget": storm.bounded, "without it": storm.unbounded}
    colours = ["#888888", "#1f6f8b", "#d8b4a6"]
    panel.barh(list(rows), list(rows.values()), color=colours)
    panel.invert_yaxis()
    for place, count in enumerate(rows.values()):
        panel.text(count, place, f" {count:,}", va="center", fontweight="bold")
    panel.set_xlim(0, max(rows.values()) * 1.15)
    panel.set_title("Requests that a dead target gets", loc="left", fontsize=11)


def main() -> None:
    """Measure, write, say where."""
    storm = asyncio.run(measure())
    (FOLDER / "storm.md").write_text(page := markdown(storm), encoding="utf-8")
    plot(storm, FOLDER / "storm.png")
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
