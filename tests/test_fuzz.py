"""1,000 streams with random faults, ended in random ways, many at once: nothing is left, and each end is punctual.

Half of them are continued where they break. Every provider here says one of three texts, from the beginning or from
where an unfinished turn ends; so whatever became of a stream, what it gave is the beginning of one of them.

A seed makes a run repeatable in its choices; what the network does in between is not. The long run
(RESILIENT_STREAM_FUZZ=20000) is for a night.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import gc
import itertools
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
import pytest

from resilient_stream import (
    Client,
    Recovery,
    RetryBudget,
    RetryPolicy,
    Seam,
    Stream,
    StreamError,
    Target,
    Timeouts,
    Transcript,
)

from .loopback import (
    COMMENT,
    HEAD,
    LAST,
    PREAMBLE,
    InThread,
    Loopback,
    Script,
    Seen,
    chat,
    cut_after,
    delta,
    framed,
    status,
)

NEVER = float("inf")
CASES = int(os.environ.get("RESILIENT_STREAM_FUZZ", "1000"))
AT_ONCE = 40
LATE = 0.5
"""Seconds that most ends may take with 40 cases at once on a machine that others use too: usually it is a few ms."""
TOO_LATE = 10.0
"""Seconds that no end may take, however slow the machine is; a hung one takes for ever."""

Play: TypeAlias = Callable[[Sequence[str]], Script]
"""A script for these pieces of an answer."""

BAD: dict[str, Play] = {
    "503": lambda pieces: status(503),
    "hang": lambda pieces: ["stall"],
    "slow head": lambda pieces: [0.3, *chat(*pieces)],
    "dies before content": lambda pieces: [HEAD, PREAMBLE, "cut"],
    "dies after three": lambda pieces: cut_after(*pieces[:3]),
    "resets after three": lambda pieces: cut_after(*pieces[:3], end="reset"),
    "ends without marker": lambda pieces: cut_after(*pieces[:2], end=LAST),
    "bad JSON": lambda pieces: cut_after(*pieces[:1], end=framed(b"data: {no\n\n")),
    "stalls with pings": lambda pieces: [HEAD, *map(delta, pieces[:1]), *([COMMENT, 0.004] * 100)],
    "first content late": lambda pieces: [HEAD, 0.1, *chat(*pieces)[1:]],
}
GOOD: dict[str, Play] = {
    "steady": lambda pieces: chat(*pieces, gap=0.06 / (len(pieces) or 1)),
    "burst": lambda pieces: chat(*pieces),
    "slow": lambda pieces: chat(*pieces, gap=0.1 / (len(pieces) or 1)),
    "late head": lambda pieces: [0.02, *chat(*pieces, gap=0.01 / (len(pieces) or 1))],
}
BROKEN = {name: play for name, play in BAD.items() if name.split()[0] in ("dies", "resets", "ends", "bad", "stalls")}
PLAYS = {name.replace(" ", "-"): play for name, play in (BAD | GOOD).items()}

REFERENCES: dict[str, Sequence[str]] = {
    "letters": "abcdefghijklmnopqrst",
    "tokens": [f"t{number}, " for number in range(50)],
    "lines": ["a\n", "\nb ", "c"],
}
WHOLE = tuple("".join(pieces) for pieces in REFERENCES.values())

RECOVERIES = (Recovery.off(), Recovery.off(), Recovery(), Recovery(max_continuations=5))
CLOSED_PORT = "http://127.0.0.1:1/v1"


def choose(seen: Seen) -> Script:
    """The play and its text are in the path: every case has targets of its own on one server."""
    play, reference = seen.path.split("/")[1:3]
    last = seen.body["messages"][-1]
    return script(play, reference, len(last["content"]) if last["role"] == "assistant" else 0)


@functools.cache
def script(play: str, reference: str, said: int) -> Script:
    """What is said after so many characters; made once, the server has other things to do."""
    ends = list(itertools.accumulate(map(len, REFERENCES[reference])))
    rest = [piece[max(0, said - end + len(piece)) :] for piece, end in zip(REFERENCES[reference], ends, strict=True)]
    return PLAYS[play]([piece for piece in rest if piece])


@dataclass
class Run:
    """One fuzz run: its dice, what it saw, and what was wrong."""

    seed: int
    server: Loopback
    wrong: collections.Counter[str] = field(default_factory=collections.Counter)
    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    late: list[float] = field(default_factory=list)
    seams: int = 0
    cases: int = CASES
    slack: int = 1
    """How much more time the cases have, so that something arrives before they end."""

    def target(self, dice: random.Random, provider: str, play: tuple[dict[str, Play], str, str]) -> Target:
        """A target that misbehaves, or one that does not; with or without prefill, by the provider."""
        plays, label, reference = play
        if plays is BAD and dice.random() < 0.1:
            return Target(f"{provider}:{label}", base_url=CLOSED_PORT, api_key="k")
        path = f"{dice.choice(list(plays)).replace(' ', '-')}/{reference}"
        return Target(f"{provider}:{label}", base_url=f"http://127.0.0.1:{self.server.port}/{path}", api_key="k")

    async def case(self, number: int) -> None:
        """One stream from its making to its end, and what must hold after it."""
        dice = random.Random(f"{self.seed}-{number}")
        ended: list[Transcript] = []
        first = dice.choice([BAD, BAD, GOOD]) if self.slack == 1 else BROKEN
        says = [dice.choice(list(REFERENCES))] * 2 if dice.random() < 0.8 else dice.sample(list(REFERENCES), 2)
        plays = (first, "a", says[0]), (GOOD, "b", says[1])
        providers = dice.choices(["openai", "llamacpp"], k=2) if says[0] == says[1] else ["openai"] * 2
        targets = [self.target(dice, *play) for play in zip(providers, plays, strict=True)][: dice.choice([1, 2, 2])]
        how = dice.choice(["cancel", "cancel", "cancel twice", "timeout", "scope", "aclose", "close", "none", "none"])
        patient = 0.3 if first is GOOD else 0.03 * self.slack
        waits = [patient] if how == "none" else [None, patient]  # something has to end a target that hangs
        timeouts = Timeouts(first_content=dice.choice(waits), stall=dice.choice(waits))
        client = Client(
            *targets, retry=RetryPolicy(attempts=dice.choice([1, 3]), initial=0.01), timeouts=timeouts,
            recovery=dice.choice(RECOVERIES if self.slack == 1 else RECOVERIES[2:]), budget=RetryBudget(ratio=1),
        )  # fmt: skip
        deadline = dice.choice([None, (0.005 + dice.random() * 0.1) * self.slack])
        stream = client.stream("p", deadline=deadline, on_end=ended.append)
        mode = dice.choice(["with", "break", "raise", "full", "texts"])
        wait = dice.random() * 0.08 * self.slack
        task = asyncio.create_task(self.outer(stream, dice, mode, how, wait))
        holder = [stream]
        del stream
        asked = await self.disturb(task, client, holder, how, wait)
        holder.clear()
        done, _ = await asyncio.wait([task], timeout=2 * TOO_LATE)
        now = time.monotonic()
        if not done:
            self.wrong[f"hung: {mode} {how}"] += 1
            task.cancel()
            return
        self.judge_end(task, how, asked, now)
        del task, done
        await self.judge_rest(client, ended, deadline)

    async def outer(self, stream: Stream, dice: random.Random, mode: str, how: str, wait: float) -> None:
        """Consume, inside a timeout or a scope where the case asks for one."""
        if how == "timeout":
            async with asyncio.timeout(wait):
                await consume(stream, dice, mode)
        elif how == "scope":
            with anyio.move_on_after(wait):
                await consume(stream, dice, mode)
        else:
            await consume(stream, dice, mode)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            self.wrong["a cancellation was left on the task"] += 1
        await asyncio.sleep(0)

    async def disturb(
        self, task: asyncio.Task[None], client: Client, holder: list[Stream], how: str, wait: float
    ) -> float | None:
        """End it from outside, in the way and at the time of the case; when that was, if there was anything to end."""
        if how not in ("cancel", "cancel twice", "aclose", "close"):
            return None
        await asyncio.sleep(wait)
        if task.done():
            return None
        asked = time.monotonic()
        if how == "aclose":
            await client.aclose()
        elif how == "close":
            holder[0].close()
        else:
            task.cancel()
            if how == "cancel twice":
                await asyncio.sleep(0)
                task.cancel()
        return asked

    def judge_end(self, task: asyncio.Task[None], how: str, asked: float | None, now: float) -> None:
        """It ended as it was asked to, in time, and with nothing foreign."""
        if asked is not None:
            self.late.append(now - asked)
            if now - asked > TOO_LATE:
                self.wrong[f"late after {how}"] += 1
            if how.startswith("cancel") and not task.cancelled():
                self.wrong["a cancellation was swallowed"] += 1
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, StreamError | KeyError | TimeoutError):
            self.wrong[f"foreign: {error!r}"] += 1

    async def judge_rest(self, client: Client, ended: list[Transcript], deadline: float | None) -> None:
        """on_end once, with a record that fits; no call and no connection is held."""
        for _ in range(3):
            await asyncio.sleep(0)
        await collected(ended)
        if len(ended) != 1:
            self.wrong[f"on_end was called {len(ended)} times"] += 1
        for transcript in ended:
            self.outcomes[str(transcript.outcome)] += 1
            self.seams += len(transcript.seams)
            if not any(whole.startswith(transcript.text) for whole in WHOLE):
                self.wrong[f"nobody said {transcript.text[-40:]!r}"] += 1
            if transcript.outcome == "complete" and transcript.text not in WHOLE:
                self.wrong["complete, but not whole"] += 1
            if transcript.chunks and isinstance(transcript.chunks[-1], Seam):
                self.wrong["a seam with nothing behind it"] += 1
            if not transcript.text.startswith(transcript.delivered):
                self.wrong["delivered is no prefix of text"] += 1
            if (transcript.duration or 0) - (deadline or NEVER) > TOO_LATE:
                self.wrong["the deadline was late"] += 1
            if transcript.outcome == "complete" and transcript.finish_reason != "stop":
                self.wrong["complete without an end marker"] += 1
        if client.calls:
            self.wrong["a call is still registered"] += 1
        await client.aclose()


async def collected(ended: list[Transcript]) -> None:
    """Wait for the collector, where a traceback keeps a stream: it runs in any thread, and in one at a time."""
    for turn in range(400):
        if ended:
            return
        if turn % 10 == 0:  # a full collection stops all cases for some 20 ms
            gc.collect()
        await asyncio.sleep(0.005)


async def consume(stream: Stream, dice: random.Random, mode: str) -> None:
    """Read in one of the ways people do."""
    if mode == "with":
        async with stream:
            async for _ in stream:
                await think(dice)
                if dice.random() < 0.03:
                    break
    elif mode == "texts":
        async for _ in stream.texts():
            await think(dice)
    else:
        async for _ in stream:
            await think(dice)
            if mode == "break" and dice.random() < 0.1:
                break
            if mode == "raise" and dice.random() < 0.05:
                raise KeyError


async def think(dice: random.Random) -> None:
    """Be busy with something else now and then."""
    if dice.random() < 0.1:
        await asyncio.sleep(dice.random() * 0.01)


def sockets() -> int:
    """Open sockets of this process."""
    return sum(1 for fd in os.listdir("/proc/self/fd") if _target(fd).startswith("socket:"))


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


async def fuzz(run: Run) -> None:
    """All cases, a bounded number at once; then look at what is left."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: run.wrong.update([f"loop: {context.get('message')}"]))
    gate = asyncio.Semaphore(AT_ONCE // run.slack)

    async def one(number: int) -> None:
        async with gate:
            await run.case(number)

    await asyncio.gather(*(one(number) for number in range(run.cases)))
    gc.collect()
    for _ in range(1000):
        await asyncio.sleep(0.01)
        if not run.server.open:
            break
    run.wrong["requests still open at the server"] += run.server.open
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    run.wrong["tasks left"] += len(others)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loop_name", "slack", "cases"),
    [("asyncio", 1, CASES), ("uvloop", 1, CASES // 2), ("asyncio", 8, CASES // 20)],
    ids=["asyncio", "uvloop", "continued"],
)
def test_nothing_is_left_behind(loop_name: str, slack: int, cases: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 random cancellations, deadlines, breaks and closes over random faults (promise 6); and some more with the
    time to be continued, of which nothing is repeated, lost or invented (promise 3)."""
    factory = pytest.importorskip("uvloop").new_event_loop if loop_name == "uvloop" else asyncio.new_event_loop
    with InThread(Loopback(choose=choose)) as server:
        run = Run(2026, server, cases=cases, slack=slack)
        monkeypatch.setattr(sys, "unraisablehook", lambda what: run.wrong.update([f"unraisable: {what.exc_value!r}"]))
        before = sockets()
        with asyncio.Runner(loop_factory=factory) as runner:
            loop_sockets = sockets() - before
            runner.run(fuzz(run))
            gc.collect()
            time.sleep(0.05)
            run.wrong["sockets left"] += max(0, sockets() - before - loop_sockets)
    late = sorted(run.late)
    print(
        f"\n{loop_name}: {cases} cases, {dict(run.outcomes)}, {run.seams} continued; "
        f"an end took {late[len(late) // 2] * 1000:.1f} ms (median)"
    )
    assert not +run.wrong
    assert late[len(late) // 2] < LATE
    if slack > 1:
        assert run.seams > run.cases / 5
    else:
        assert set(run.outcomes) >= {"complete", "failed", "deadline", "cancelled", "abandoned", "client_closed"}
