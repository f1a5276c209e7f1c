"""Ten minutes with a provider that fails from minute 2 to 7: what a breaker, a hedge and recovery do, and all of them.

    python -m benchmarks.outage        writes docs/benchmarks/outage.md and outage.png (some minutes)

The time is simulated (`benchmarks.simulated`), and all variants get the same callers and the same dice. Continuing
answers is switched off where it is not what is looked at: a cut is seen by the caller then, or does not happen.
"""

from __future__ import annotations

import asyncio
import datetime
import random
import statistics
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any, NamedTuple

import resilient_stream
from resilient_stream import Breaker, Client, ErrorKind, Hedge, Recovery, StreamError
from resilient_stream.contract import Batch, CallContext, Handler, Request
from resilient_stream.fleet.circuit import Circuit

from .simulated import Answer, Simulated, client_of, run

FOLDER = Path(__file__).parent.parent / "docs" / "benchmarks"
SECONDS, BEGINS, ENDS = 600.0, 120.0, 420.0
RATE = 10.0
"""Calls a second."""
DEADLINE = 60.0
PATIENCE = 10.0
"""Seconds without content that a caller feels as a failure."""
SLOW_AFTER = 8.0
MODELS = ("primary", "second", "third")


# -- the world ----------------------------------------------------------------------------------


def well(dice: random.Random) -> Answer:
    """A good answer: five pieces, the first after 0.8 s in the median."""
    return Answer(first=dice.lognormvariate(-0.22, 0.4), gap=0.8)


Fault = Callable[[random.Random], Answer]


class Scenario(NamedTuple):
    """What happens. fault: of the primary, from minute 2 to 7; where it is `healthy`, all the time, and no fault.
    leaves: share of the callers who go away within three seconds."""

    title: str
    fault: Fault
    healthy: bool = False
    leaves: float = 0.0


SCENARIOS = (
    Scenario("fails 100 %", lambda dice: Answer(status=503)),
    Scenario("fails 30 %", lambda dice: Answer(status=503) if dice.random() < 0.3 else well(dice)),
    Scenario("slow start (20 s)", lambda dice: well(dice)._replace(first=20.0)),
    Scenario("stalls after content", lambda dice: well(dice)._replace(stalls=2)),
    Scenario("cuts in mid-answer", lambda dice: well(dice)._replace(cut=2)),
    Scenario("all well", well, healthy=True),
    Scenario("only bad requests (400)", lambda dice: Answer(status=400), healthy=True),
    Scenario("half of the callers leave", well, healthy=True, leaves=0.5),
    Scenario("thinks for 40 s", lambda dice: well(dice)._replace(first=40.0), healthy=True),
)
SICK = tuple(scenario for scenario in SCENARIOS if not scenario.healthy)


# -- the breakers ---------------------------------------------------------------------------------


class StatusOnly:
    """A breaker as a user may write one: a link that counts the HTTP statuses of requests, and nothing else."""

    def __init__(self) -> None:
        self.circuits: dict[str, Circuit] = {}

    async def __call__(self, request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        now = asyncio.get_running_loop().time
        circuit = self.circuits.setdefault(request.target.name, Circuit(Breaker()))
        permit = circuit.ask(now())
        if permit is None:
            raise call.fail_at(request.target, ErrorKind.PROVIDER_OVERLOADED, code="status_breaker", retry=False)
        try:
            async with aclosing(call_next(request, call)) as batches:
                async for batch in batches:
                    circuit.succeeded(permit, now())
                    permit = permit._replace(period=-1)
                    yield batch
        except StreamError as error:
            if error.status is not None and (error.status >= 500 or error.status == 429):
                circuit.failed(permit, now())
            raise
        finally:
            circuit.left(permit)


States = Callable[[Client, Mapping[str, Any]], dict[str, str]]


class Variant(NamedTuple):
    """How a client guards itself. options: for the client. states: gives those of its circuits, where it has some.
    colour: in the plot; one without is not drawn."""

    title: str
    options: Callable[[], dict[str, Any]]
    states: States | None = None
    colour: str = ""


def _of_health(client: Client, options: Mapping[str, Any]) -> dict[str, str]:
    del options
    return {health.target: health.state for health in client.health()}


def _of_link(client: Client, options: Mapping[str, Any]) -> dict[str, str]:
    del client
    now = asyncio.get_running_loop().time()
    return {name: circuit.state(now) for name, circuit in options["middlewares"][0].circuits.items()}


SLOW = Breaker(slow_after=SLOW_AFTER)

VARIANTS = (
    Variant("nothing", dict, colour="#868e96"),
    Variant("statuses only", lambda: {"middlewares": (StatusOnly(),)}, _of_link, "#e8a33d"),
    Variant("Breaker()", lambda: {"breaker": Breaker()}, _of_health),
    Variant(f"Breaker(slow_after={SLOW_AFTER:g})", lambda: {"breaker": SLOW}, _of_health, "#1f6f8b"),
    Variant("Hedge()", lambda: {"hedge": Hedge()}, colour="#7a5195"),
    Variant("Recovery()", lambda: {"recovery": Recovery()}, colour="#2f9e44"),
    Variant("all three", lambda: {"breaker": SLOW, "hedge": Hedge(), "recovery": Recovery()}, _of_health, "#b3391f"),
)
BREAKERS = tuple(variant for variant in VARIANTS if variant.states is not None)
DRAWN = tuple(variant for variant in VARIANTS if variant.colour)


# -- one run ----------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """What one caller saw. first: seconds to content, None where none came. skipped: the primary was not asked."""

    began: float
    failed: bool
    first: float | None
    skipped: bool


class Run(NamedTuple):
    """Ten minutes. asked: when requests came to the primary; others: to the other targets. ejections: of targets that
    were well."""

    seen: list[Seen]
    asked: list[float]
    others: list[float]
    ejections: int

    def during(self) -> list[Seen]:
        """The calls that began while the fault lasted."""
        return [each for each in self.seen if BEGINS <= each.began < ENDS]


def simulate(scenario: Scenario, variant: Variant) -> Run:
    """One scenario with one variant."""
    return run(lambda: _simulate(scenario, variant))


async def _simulate(scenario: Scenario, variant: Variant) -> Run:
    def decide(model: str, now: float, dice: random.Random) -> Answer:
        if model != MODELS[0]:
            return well(dice)
        return scenario.fault(dice) if scenario.healthy or BEGINS <= now < ENDS else well(dice)

    world, dice, seen = Simulated(decide, seed=1), random.Random(2), list[Seen]()
    random.seed(3)  # jitter of retries and circuits
    options = {"recovery": Recovery.off(), **variant.options()}
    loop, calls = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    async with client_of(world, *MODELS, **options) as client:
        states = variant.states or (lambda client, options: {})
        ejections = asyncio.create_task(_ejections(scenario, lambda: states(client, options)))
        while loop.time() < SECONDS:
            await asyncio.sleep(dice.expovariate(RATE))
            call = asyncio.create_task(_call(client, seen))
            calls.add(call)
            call.add_done_callback(calls.discard)
            if dice.random() < scenario.leaves:
                loop.call_later(dice.uniform(0, 3), call.cancel)
        ejected = await ejections
        await asyncio.gather(*calls, return_exceptions=True)
    others = [at for model, times in world.asked.items() if model != MODELS[0] for at in times]
    return Run(seen, world.asked[MODELS[0]], others, ejected)


async def _call(client: Client, seen: list[Seen]) -> None:
    now = asyncio.get_running_loop().time
    began, first, failed = now(), None, False
    stream = client.stream("Hi", deadline=DEADLINE)
    try:
        async for _ in stream:
            first = now() - began if first is None else first
    except StreamError:
        failed = True
    skipped = not any(each.target == f"openai:{MODELS[0]}" and each.sent for each in stream.transcript.attempts)
    seen.append(Seen(began, failed, first, skipped))


async def _ejections(scenario: Scenario, states: Callable[[], dict[str, str]]) -> int:
    """Count how often a circuit opened whose target was well; looked at twice a second."""
    loop, count, closed = asyncio.get_running_loop(), 0, set[str]()
    while loop.time() < SECONDS:
        await asyncio.sleep(0.5)
        now = states()
        sick = not scenario.healthy and BEGINS <= loop.time() < ENDS + 1
        count += sum(name in closed for name in now if now[name] == "open" and not (sick and MODELS[0] in name))
        closed = {name for name in now if now[name] == "closed"}
    return count


# -- what it means ------------------------------------------------------------------------------------


class Row(NamedTuple):
    """The figures of one run, for calls that began while the fault lasted. detected, recovered: None for never."""

    calls: int
    failed: int
    slow: int
    detected: float | None
    recovered: float | None
    asked: int
    all: int
    ejections: int
    median: float
    p99: float


def row_of(result: Run) -> Row:
    """The figures."""
    calls = result.during()
    firsts = sorted(each.first for each in calls if each.first is not None) or [float("nan")]
    skipped = [each.began for each in calls if each.skipped]
    after = [each.began for each in result.seen if each.skipped and each.began >= ENDS]
    return Row(
        calls=len(calls),
        failed=sum(each.failed for each in calls),
        slow=sum(not each.failed and (each.first is None or each.first > PATIENCE) for each in calls),
        detected=min(skipped) - BEGINS if skipped else None,
        recovered=(max(after) - ENDS if after else 0.0) if skipped else None,
        asked=sum(BEGINS <= at < ENDS for at in result.asked),
        all=sum(BEGINS <= at < ENDS for at in (*result.asked, *result.others)),
        ejections=result.ejections,
        median=statistics.median(firsts),
        p99=firsts[int(len(firsts) * 0.99)],
    )


Results = dict[tuple[str, str], Run]


def markdown(results: Results) -> str:
    """The page."""
    rows = {key: row_of(result) for key, result in results.items()}
    measured = f"{datetime.date.today()} with resilient_stream {resilient_stream.__version__}"
    parts = [
        _INTRODUCTION.format(measured=measured, rate=RATE, deadline=DEADLINE, patience=PATIENCE, slow_after=SLOW_AFTER),
        "| primary | switched on | failed | slow | detected | requests | of all | median | p99 | recovered |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *(_sick(each, variant, rows[each.title, variant.title]) for each in SICK for variant in VARIANTS),
        _HEALTHY.format(runs=len(SICK) * len(BREAKERS), false=_false_in(rows)),
        "| all targets are well | " + " | ".join(each.title for each in BREAKERS) + " |",
        "|---|" + "---:|" * len(BREAKERS),
        *(_well(each, rows) for each in SCENARIOS if each.healthy),
        _READING.format(slow_after=SLOW_AFTER),
    ]
    return "\n".join(parts)


def _sick(scenario: Scenario, variant: Variant, row: Row) -> str:
    title = scenario.title if variant is VARIANTS[0] else ""
    return (
        f"| {title} | {variant.title} | {row.failed:,} | {row.slow:,} | {_seconds(row.detected)} | {row.asked:,} "
        f"| {row.all:,} | {row.median:.1f} s | {row.p99:.1f} s | {_seconds(row.recovered)} |"
    )


def _false_in(rows: Mapping[tuple[str, str], Row]) -> int:
    return sum(rows[scenario.title, variant.title].ejections for scenario in SICK for variant in BREAKERS)


def _well(scenario: Scenario, rows: Mapping[tuple[str, str], Row]) -> str:
    counts = (rows[scenario.title, variant.title].ejections for variant in BREAKERS)
    return f"| {scenario.title} | " + " | ".join(map(str, counts)) + " |"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


_INTRODUCTION = """# Ten minutes with a provider that fails

Simulated on {measured}, by `python -m benchmarks.outage`: {rate:g} calls a second for ten minutes, each with a deadline
of {deadline:g} s, over three targets. The first one fails from minute 2 to 7. The time is simulated and all else is the
client's own, with the default retries and fallback; answers that break are continued (`Recovery()`) where that is said.
"Statuses only" is a breaker in a user's middleware with the same figures, which counts HTTP statuses. "All three" are
`Breaker(slow_after={slow_after:g})`, `Hedge()` and `Recovery()`.

![Requests to the sick target, and callers who were let down](outage.png)

Of the calls that began while the fault lasted:
**failed**: the caller got an error. **slow**: no content for {patience:g} s, but an answer in the end.
**detected**: from the fault's begin to the first call that did not ask the target. **requests**: to the sick target;
**of all**: to all targets.
**median, p99**: time to first content, where some came.
**recovered**: from the fault's end to the last call that did not ask the target.
"""

_HEALTHY = """
False ejections, in ten minutes each: how often a circuit opened although nothing was wrong with its target. In the
{runs} runs with a fault, of targets that were well and of the first one before and after its fault: {false}.
"""

_READING = """
What is to be seen:

- An answer that begins late, stalls or breaks off had a status of 200: there, counting statuses is no better than no
  breaker.
- A deadline says nothing of a target, so without `slow_after` a slow start, and a stall that the deadline ends before
  `Timeouts.stall` does, is no failure. With it, the silence itself is one. It is off by default, because a model that
  thinks in silence for longer than that is then taken for sick (the last row above):
  [what to do then](../fleet.md#health-and-the-breaker).
- All three together let the fewest callers down where answers are cut or begin late: until the circuit opens, hedges
  race the slow ones and continuations mend the cut ones. Both pay from the retry budget, which is far too small when
  every answer is bad: alone, `Hedge()` helps a third of the callers, and `Recovery()` half of them, for half as many
  requests again. A hedge costs the breaker some seconds: the slow request is closed before its silence has lasted
  {slow_after:g} s, and so says nothing of its target.
- A stall is continued by nothing here: it is only known to be one when `Timeouts.stall` ends it, and the deadline comes
  first. A shorter `Timeouts(stall=…)` lets recovery and breaker see it. (Each model gives the same words in this world,
  so a replay always fits; true models often differ, and then the call fails as it does without recovery.)
- At 30 % the target stays: that is below `failure_rate`, and the retries make up for it, all within their budget.
- A dead target is left after failures in a row that last three seconds; its share in the last half minute would say it
  after fifteen. Cuts and stalls are no row, since a restart of a proxy cuts all answers at once: they go by the rate.
- A circuit that opened because answers broke off is tested by a whole answer, not by its first content.
- Ours comes back when its test ends well. The test waits longer after each one that fails, up to four times `open_for`:
  that is what the last column costs, and what keeps the tests few.
"""


# -- the plot --------------------------------------------------------------------------------------------

STEP = 10


def plot(results: Results, path: Path) -> None:
    """A row for each fault: requests that the sick target gets, and callers who were let down."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(len(SICK), 2, figsize=(13, 2.3 * len(SICK)), sharex=True, squeeze=False)
    for (left, right), scenario in zip(panels, SICK, strict=True):
        _draw(left, scenario, lambda one: one.asked, results)
        _draw(right, scenario, lambda one: [each.began for each in one.seen if _let_down(each)], results)
        left.set_ylim(0, 1.8 * RATE)
        right.set_ylim(0, 1.4 * RATE)
        left.set_title(f"{scenario.title}: requests to the primary, a second", loc="left", fontsize=10)
        right.set_title("calls that failed or had no content for 10 s, a second", loc="left", fontsize=10)
    for panel in panels[-1]:
        panel.set_xlabel("minute in which it began")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=len(DRAWN), frameon=False, loc="upper left")
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _let_down(each: Seen) -> bool:
    return each.failed or each.first is None or each.first > PATIENCE


def _draw(panel: Any, scenario: Scenario, times: Callable[[Run], list[float]], results: Results) -> None:
    panel.axvspan(BEGINS / 60, ENDS / 60, color="#f1f3f5", linewidth=0)
    edges = range(0, int(SECONDS) + 1, STEP)
    for place, variant in enumerate(DRAWN):
        at = times(results[scenario.title, variant.title])
        heights = [sum(edge <= each < edge + STEP for each in at) / STEP for edge in edges[:-1]]
        panel.stairs(heights, [edge / 60 for edge in edges], color=variant.colour, linewidth=2.8 - 0.4 * place,
                     label=variant.title)  # fmt: skip
    panel.spines[["top", "right"]].set_visible(False)


def _numbered(scenario: int, variant: int) -> Run:
    return simulate(SCENARIOS[scenario], VARIANTS[variant])


def main() -> None:
    """Simulate, write, say where."""
    pairs = [(scenario, variant) for scenario in range(len(SCENARIOS)) for variant in range(len(VARIANTS))]
    results: Results = {}
    with ProcessPoolExecutor() as processes:
        for (scenario, variant), result in zip(pairs, processes.map(_numbered, *zip(*pairs, strict=True)), strict=True):
            titles = SCENARIOS[scenario].title, VARIANTS[variant].title
            results[titles] = result
            sys.stderr.write(f"{', '.join(titles)}: {row_of(result)}\n")
    (FOLDER / "outage.md").write_text(page := markdown(results), encoding="utf-8")
    plot(results, FOLDER / "outage.png")
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
