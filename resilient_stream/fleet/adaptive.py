"""Finds out by trying how many streams a target can carry: AIMD, the algorithm of TCP's congestion control.

Three published algorithms were looked at, all in Netflix's concurrency-limits. Vegas and gradient2 steer by latency
alone, a little at each answer, and so need a latency that says how loaded the server is. The time to a model's first
content depends on the prompt more than on the load: they would follow the mix of prompts. AIMD (RFC 5681) is steered by
what a provider says plainly, 429 and overload errors, and clients that share a limit come to fair shares of it.
Latency is looked at, too, for servers that queue and never refuse (vLLM, llama.cpp, Ollama), but only by the median of
a whole round, and only if it has doubled.

A round is as many answers as there are places, 30 at least, all to requests that were sent in it. A good round adds a
place, and doubles them before the first trouble (slow start). A refusal takes three tenths of them away (CUBIC's
figure, RFC 9438), a slow round half (Reno's); what was sent before the last cut says nothing new. Places that nobody
uses are not added to.
"""

from __future__ import annotations

import statistics

__all__ = ["Adaptive"]

FIRST = 10
"""Places to begin with."""

MOST = 1000
"""Places at most, without `Limits.max_concurrency`."""

REFUSED = 0.7
"""The share of the places that is left after a refusal."""

SLOW = 0.5
"""The share of the places that is left after a slow round."""

TOLERANCE = 2.0
"""A round is slow if its median is so many times the best. SLOW times this is 1: after a cut the server's queue is
empty for a while, so the best time is seen again, and cannot creep up."""

HELPED = 0.8
"""A cut for latency has helped if the next round's median is below this share of the one before. If it has not, our
streams are not what makes the target slow (prompts are longer, or others ask it), and the new time is the best."""

SMALLEST_ROUND = 30
"""Answers of a round at least: the median of fewer is an accident."""

WEIGHT = 0.3
"""What a round's median counts for in the running mean whose lowest value is the best time. One that was low by chance
is no measure."""


class Adaptive:
    """Limits the places at one target. `limit` is between 1 and `most`."""

    __slots__ = (
        "_before", "_best", "_cut_in", "_full", "_mean", "_most", "_round", "_slow_start", "_times", "_value",
    )  # fmt: skip

    def __init__(self, most: int | None = None) -> None:
        self._most = most or MOST
        self._value = min(FIRST, self._most)
        self._slow_start = True
        self._round = 0
        self._cut_in = 0
        self._times: list[float] = []
        self._full = False
        self._mean: float | None = None
        self._best = float("inf")
        self._before: float | None = None

    @property
    def limit(self) -> int:
        """Return how many streams may run at the same time."""
        return self._value

    @property
    def round(self) -> int:
        """Return the number of the round in which a request is sent; it is handed back with what became of it."""
        return self._round

    def began(self, sent_in: int, seconds: float, running: int) -> None:
        """Note that an answer's first content came after `seconds`, while so many streams ran."""
        if sent_in != self._round:
            return
        self._times.append(seconds)
        self._full = self._full or 2 * running >= self._value
        if len(self._times) >= max(self._value, SMALLEST_ROUND):
            self._judge(statistics.median(self._times))

    def refused(self, sent_in: int) -> None:
        """Note that the target refused a request: it is over its rate limit, or overloaded."""
        if sent_in >= self._cut_in:
            self._before = None
            self._cut_places(REFUSED)

    def _judge(self, median: float) -> None:
        self._learn_time(median)
        if median > TOLERANCE * self._best:
            self._cut_places(SLOW)
            self._before = median
            return
        if self._full:
            self._value = min(self._most, self._value * 2 if self._slow_start else self._value + 1)
        self._next_round()

    def _learn_time(self, median: float) -> None:
        """Take a round's time into the mean, and the mean into the best."""
        if self._before is not None and median > HELPED * self._before:
            self._mean, self._best = None, float("inf")
        self._before = None
        self._mean = median if self._mean is None else self._mean + WEIGHT * (median - self._mean)
        self._best = min(self._best, self._mean)

    def _cut_places(self, share: float) -> None:
        self._value = max(1, int(self._value * share))
        self._slow_start = False
        self._next_round()
        self._cut_in = self._round

    def _next_round(self) -> None:
        self._round += 1
        self._times.clear()
        self._full = False
