"""Keeps the frames of one answer, numbered from 1, for readers that come late, come back, or are several.

A log has a size that others may bound: the oldest frames are forgotten then. A reader that asks for a frame which is
gone gets an error, since an answer with a hole in it would look like a whole one.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence

from ..outcome.errors import StreamError
from .losses import Loss

__all__ = ["FRAME_BYTES", "LOG_BYTES", "Log", "NoLongerKept", "NoSuchStream", "OutOfReach"]

FRAME_BYTES = 96
"""What a frame costs in memory beside its bytes."""

LOG_BYTES = 2048
"""What a log costs in memory beside its frames, together with what is around it."""


class NoSuchStream(LookupError):
    """The hub has no stream of this id for this owner. `status` is what a server answers."""

    status = 404
    words = "There is no such stream here: it never was, it ended some time ago, or it is somebody else's."

    def __init__(self) -> None:
        super().__init__(self.words)


class NoLongerKept(NoSuchStream):
    """The stream is here, but the frames behind the one that the reader has last are no longer kept."""

    status = 410
    words = "What follows the part that was read is no longer kept, so the answer cannot be continued from there."


class OutOfReach(NoSuchStream):
    """Another process may have the stream, and what connects the two is out of order."""

    status = 503
    words = "Other servers cannot be asked for this stream at the moment. Try again soon."


class Log:
    """Keeps frames in order. Readers take those behind a number, and wait where there are none yet.

    first, last: the numbers of the oldest and of the newest frame that are kept; first is last + 1 when there is none.
    done: nothing will be appended any more. refused: set where the answer failed before its first frame; the frames
    then say the same, for readers whose response has begun. error: what ended the answer too early, if something did.
    lost: why nothing more comes, where that is not the answer's own end. changed: is told how many bytes the log grew
    or shrank. numbered: each frame gets its number in front, as an event's id. start: number before the first frame.
    """

    def __init__(self, *, numbered: bool, changed: Callable[[int], object] = int, start: int = 0) -> None:
        self.first = start + 1
        self.done = False
        self.refused: StreamError | None = None
        self.error: Exception | None = None
        self.lost: Loss | None = None
        self.size = 0
        self._numbered = numbered
        self._changed = changed
        self._frames: list[bytes] = []
        self._ends: list[int] = []  # for each frame, how many bytes were ever appended up to its end
        self._total = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._resize(LOG_BYTES)

    @property
    def last(self) -> int:
        """Return the number of the newest frame."""
        return self.first + len(self._frames) - 1

    def append(self, frames: Sequence[bytes]) -> None:
        """Add frames, and wake whoever waits for them."""
        total = before = self._total
        for number, frame in enumerate(frames, self.last + 1):
            line = b"id: %d\n%b" % (number, frame) if self._numbered else frame
            self._frames.append(line)
            total += len(line) + FRAME_BYTES
            self._ends.append(total)
        self._total = total
        self._resize(total - before)
        self.wake()

    def end(self) -> None:
        """Note that nothing is appended any more."""
        self.done = True
        self.wake()

    def after(self, number: int, limit: int) -> list[bytes]:
        """Return the frames behind this number that fit into `limit` bytes, and one in any case; none where there is
        none yet. Raises NoLongerKept."""
        self.check(number)
        start = number + 1 - self.first
        if start >= len(self._frames):
            return []
        end = bisect_right(self._ends, self._end_before(start) + limit, start)
        return self._frames[start : max(end, start + 1)]

    def check(self, number: int) -> None:
        """Raise NoLongerKept if one of the frames behind this number was forgotten."""
        if number + 1 < self.first:
            raise NoLongerKept

    def behind(self, number: int) -> int:
        """Return the bytes behind the frame of this number."""
        return self._total - self._end_before(max(0, number + 1 - self.first))

    def forget(self, size: int, until: int) -> None:
        """Forget the oldest frames, at least so many bytes of them, but none behind the frame of number `until`."""
        enough = self.first + bisect_right(self._ends, self._end_before(0) + size - 1)
        self.forget_until(min(enough, until))

    def forget_until(self, number: int) -> None:
        """Forget all frames up to this number."""
        count = min(number + 1 - self.first, len(self._frames))
        if count > 0:
            freed = self._end_before(count) - self._end_before(0)
            del self._frames[:count], self._ends[:count]
            self.first += count
            self._resize(-freed)

    def drop(self) -> None:
        """Forget everything, also that there was a log."""
        self.forget_until(self.last)
        self._resize(-self.size)

    async def more(self) -> None:
        """Wait until something is appended or the log ends."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def wake(self) -> None:
        """Let all that wait look again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def _end_before(self, place: int) -> int:
        if place:
            return self._ends[place - 1]
        return self._total if not self._ends else self._ends[0] - len(self._frames[0]) - FRAME_BYTES

    def _resize(self, size: int) -> None:
        self.size += size
        self._changed(size)
