"""The log of one answer: numbers, waiting, what is forgotten and what that means for a reader."""

from __future__ import annotations

import asyncio

import pytest

from resilient_stream.web.log import FRAME_BYTES, LOG_BYTES, Log, NoLongerKept

pytestmark = pytest.mark.usefixtures("nothing_left")


def log_of(*frames: bytes, numbered: bool = False) -> Log:
    """A log of these frames."""
    log = Log(numbered=numbered)
    log.append(frames)
    return log


async def test_frames_are_numbered_from_one() -> None:
    """Each event carries the number by which its reader can come back."""
    log = log_of(b"data: a\n\n", b"data: b\n\n", numbered=True)
    log.append([b"data: c\n\n"])
    assert log.after(1, 10_000) == [b"id: 2\ndata: b\n\n", b"id: 3\ndata: c\n\n"]
    assert (log.first, log.last) == (1, 3)


async def test_a_reader_takes_no_more_than_its_limit_and_one_frame_in_any_case() -> None:
    """A long replay goes out in pieces, and a frame above the limit goes out, too."""
    log = log_of(*[b"x" * 100] * 10, b"y" * 5000)
    assert len(log.after(0, 3 * (100 + FRAME_BYTES))) == 3
    assert log.after(10, 1) == [b"y" * 5000]
    assert log.after(11, 100) == []


async def test_what_was_forgotten_is_an_error_and_no_hole() -> None:
    """A reader behind the oldest frame is refused; one that has read it goes on."""
    log = log_of(b"a", b"b", b"c", b"d")
    log.forget_until(2)
    assert log.after(2, 1000) == [b"c", b"d"]
    with pytest.raises(NoLongerKept):
        log.after(1, 1000)


async def test_forgetting_frees_at_least_what_was_asked_for() -> None:
    """The oldest frames go until so many bytes are free, and the size is told."""
    changes: list[int] = []
    log = Log(numbered=False, changed=changes.append)
    log.append([b"x" * 100] * 10)
    log.forget(2 * (100 + FRAME_BYTES) + 1, 9)
    assert log.first == 4
    assert log.size == sum(changes) == LOG_BYTES + 7 * (100 + FRAME_BYTES)
    log.forget(10**9, 6)
    assert log.first == 7
    log.forget(10**9, 99)
    assert (log.first, log.last) == (11, 10)
    log.append([b"z"])
    assert log.after(10, 1) == [b"z"]
    log.drop()
    assert log.size == sum(changes) == 0


async def test_behind_counts_the_bytes_that_a_reader_has_not_taken() -> None:
    """The backpressure of a run is measured by it."""
    log = log_of(*[b"x" * 100] * 4)
    assert log.behind(0) == 4 * (100 + FRAME_BYTES)
    assert log.behind(3) == 100 + FRAME_BYTES
    log.forget_until(2)
    assert log.behind(3) == 100 + FRAME_BYTES
    assert log.behind(4) == 0


async def test_every_waiting_reader_is_woken_and_a_cancelled_one_is_forgotten() -> None:
    """Nobody polls: an append or the end wakes all, and who gave up leaves nothing behind."""
    log = log_of()
    readers = [asyncio.ensure_future(log.more()) for _ in range(3)]
    await asyncio.sleep(0)
    readers[0].cancel()
    await asyncio.sleep(0)
    log.append([b"a"])
    await asyncio.gather(*readers[1:])
    assert readers[0].cancelled()
    assert not log._waiting
