"""Asks the next target beside one that is slow to begin; the first content wins.

The link stands in the place of `fallback`: a target that fails while another one runs needs no further one. The race
begins and ends within one pull, so nothing runs while nobody reads. Each request beside a slow one is asked of the
retry budget first, and counted with the slow one's traffic. Where `Hedge.after` is a percentile, each race tells how
long its targets took to begin. Where tools run at the provider there is no race: they would run twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from ...contract import Batch, Handler, Request
from ...events import FellBack, Hedged
from ...outcome.errors import StreamError
from ...outcome.making import forget_frames
from ...policy import Hedge
from ...target import Target
from ..call import Call
from .fallback import fallback, give_up

__all__ = ["hedge"]


def hedge(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the answer of whichever target begins first; without a policy, try one after the other."""
    policy = call.settings.hedge
    if policy is None or len(request.targets) < 2 or request.hosted:
        return fallback(request, call, call_next)
    return _forward_winner(request, call, call_next, policy)


async def _forward_winner(
    request: Request, call: Call, call_next: Handler, policy: Hedge
) -> AsyncGenerator[Batch, None]:
    race = _Race(request, call, call_next, policy)
    winner, batch = await race.first()
    async with aclosing(winner.batches) as batches:
        if batch is not None:
            yield batch
            async for batch in batches:
                yield batch


def _seconds(policy: Hedge, call: Call, target: Target) -> float:
    """Return how long this target may go without content before the next one is asked too."""
    if isinstance(policy.after, str):
        assert call.settings.beginnings is not None
        return call.settings.beginnings.of(target).percentile(int(policy.after[1:]))
    return policy.after


class _Runner:
    """Runs one target's requests, as far as their first batch. None for a batch: they ended well without any."""

    def __init__(
        self, request: Request, batches: AsyncGenerator[Batch, None], began: list[_Runner], now: float
    ) -> None:
        self.target = request.target
        self.beside = request.hedge
        self.started = now
        self.batches = batches
        self._began = began
        self.task = asyncio.ensure_future(self._first())

    async def _first(self) -> Batch | None:
        batch = await anext(self.batches, None)
        self._began.append(self)
        return batch

    def leave(self) -> None:
        """Ask the task to end; its connection is closed as it does."""
        self.task.cancel()


class _Race:
    """Runs the targets of one call beside each other until one has content."""

    def __init__(self, request: Request, call: Call, call_next: Handler, policy: Hedge) -> None:
        self._request = request
        self._call = call
        self._call_next = call_next
        self._policy = policy
        self._waiting = deque(request.targets)
        self._running: list[_Runner] = []
        self._began: list[_Runner] = []
        self._errors: list[StreamError] = []
        self._hedges = 0
        self._after = _seconds(policy, call, self._waiting[0])

    async def first(self) -> tuple[_Runner, Batch | None]:
        """Return whoever begins first, with its first batch; all others are closed by then. Raises the only error there
        was, or AllTargetsFailed with each target's."""
        winner: _Runner | None = None
        try:
            self._start()
            while winner is None:
                winner = self._winner(await self._wait())
            self._learn()
            return winner, winner.task.result()
        finally:
            await self._close_all_but(winner)

    def _start(self, *, beside: bool = False) -> Target:
        target = self._waiting.popleft()
        request = replace(self._request, target=target, hedge=beside)
        batches = self._call_next(request, self._call)
        self._running.append(_Runner(request, batches, self._began, self._call.now()))
        return target

    async def _wait(self) -> set[asyncio.Task[Batch | None]]:
        """Wait for one of the tasks to end; for no longer than a hedge allows, if another target may be asked."""
        may_hedge = bool(self._waiting) and self._hedges < self._policy.extra
        timeout = self._after if may_hedge else None
        tasks = [runner.task for runner in self._running]
        done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if not done and may_hedge:
            self._hedge()
        return done

    def _hedge(self) -> None:
        self._hedges += 1  # also where the budget refuses: it is asked once, and not at each interval
        slow = self._running[-1].target
        if self._call.spend(slow):  # by its own requests: the next target may have none but hedges
            self._call.emit(Hedged, slow.name, self._start(beside=True).name, self._after)

    def _learn(self) -> None:
        """Note how long the winner took to begin, and of a first target that has lost, how long it was waited for."""
        beginnings, now = self._call.settings.beginnings, self._call.now()
        if beginnings is not None:
            for runner in self._running:
                if runner.beside and runner is not self._began[0]:
                    continue  # it was given less time than it may have needed
                beginnings.of(runner.target).saw(now - runner.started)

    def _winner(self, done: set[asyncio.Task[Batch | None]]) -> _Runner | None:
        """Return whoever began first, also of two that began in one turn of the loop. Those that failed are out."""
        if self._began:
            return self._began[0]
        for runner in [each for each in self._running if each.task in done]:
            error = runner.task.exception()
            self._running.remove(runner)
            if not isinstance(error, StreamError) or error is self._call.dead:
                raise error or asyncio.CancelledError
            self._failed(runner, error)
        return None

    def _failed(self, runner: _Runner, error: StreamError) -> None:
        """Go on with the next target, unless one is being asked already. Raises when there is none left to ask."""
        self._errors.append(error)
        forget_frames(error)
        if self._running:
            return
        if error.fallback and self._waiting:
            self._call.emit(FellBack, runner.target.name, self._start().name, error)
            return
        give_up(self._errors, untried=len(self._waiting))

    async def _close_all_but(self, winner: _Runner | None) -> None:
        losers = [runner for runner in self._running if runner is not winner]
        for runner in losers:
            runner.leave()
        if losers:
            await self._until_ended(losers, winner)
        for runner in losers:
            if not runner.task.cancelled():
                runner.task.exception()  # retrieved, or asyncio would log it
            await runner.batches.aclose()

    async def _until_ended(self, losers: list[_Runner], winner: _Runner | None) -> None:
        try:
            await asyncio.wait([runner.task for runner in losers])
        except asyncio.CancelledError:  # nobody takes the winner over any more
            if winner is not None:
                await winner.batches.aclose()
            raise
