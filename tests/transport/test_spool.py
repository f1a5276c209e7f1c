"""Bytes in memory while they are few, in a file without a name beyond that; gone with their last user."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from resilient_stream.engine import spool as module
from resilient_stream.engine.spool import Spool, SpoolFailed

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beyond a hundred bytes it goes to disk, into a folder that we can look into."""
    monkeypatch.setattr(module, "IN_MEMORY", 100)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def open_files() -> int:
    """This process's open files."""
    return len(os.listdir("/proc/self/fd"))


async def whole(spool: Spool, size: int, piece: int = 7) -> bytes:
    """All of it, read in small pieces."""
    found = b""
    while len(found) < size:
        found += await spool.read(len(found), min(piece, size - len(found)))
    return found


async def test_few_bytes_never_touch_a_disk() -> None:
    """A few bytes stay in memory and can be read without waiting."""
    spool, before = Spool(), open_files()
    await spool.write(b"a" * 50)
    await spool.write(b"b" * 50)
    assert (spool.in_memory, open_files()) == (True, before)
    assert spool.peek(49, 2) == await spool.read(49, 2) == b"ab"
    spool.close()


async def test_many_bytes_are_read_back_from_anywhere(tmp_path: Path) -> None:
    """Across the border between file and memory, in any pieces; the file has no name."""
    spool, sent = Spool(), b"".join(b"%04d" % number for number in range(130))
    for start in range(0, len(sent), 60):
        await spool.write(sent[start : start + 60])
    assert not spool.in_memory
    assert list(tmp_path.iterdir()) == []
    for piece in (1, 7, 1000):
        assert await whole(spool, len(sent), piece) == sent
    assert await spool.read(len(sent), 5) == b""
    spool.close()


async def test_closing_leaves_no_file() -> None:
    """At once, and as often as one likes."""
    before = open_files()
    spool = Spool()
    await spool.write(b"x" * 500)
    assert open_files() == before + 1
    spool.close()
    spool.close()
    assert open_files() == before


async def test_closing_while_a_thread_is_at_work_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread closes the file when it is done with it; a number of a file is never used after it was closed."""
    began, go = threading.Event(), threading.Event()
    fetch = Spool._fetch

    def slowly(self: Spool, start: int, size: int) -> bytes:
        began.set()
        go.wait(5)
        return fetch(self, start, size)

    monkeypatch.setattr(Spool, "_fetch", slowly)
    before = open_files()
    spool = Spool()
    await spool.write(b"x" * 500)
    reading = asyncio.create_task(spool.read(0, 5))
    await asyncio.to_thread(began.wait, 5)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    spool.close()
    assert open_files() == before + 1
    go.set()
    for _ in range(200):
        if open_files() == before:
            break
        await asyncio.sleep(0.005)
    assert open_files() == before


async def test_the_loop_is_not_blocked_by_a_slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that takes its time is somebody else's."""
    flush = Spool._flush

    def slowly(self: Spool) -> None:
        threading.Event().wait(0.05)
        flush(self)

    monkeypatch.setattr(Spool, "_flush", slowly)
    spool, turns = Spool(), 0
    writing = asyncio.create_task(spool.write(b"x" * 500))
    while not writing.done():
        await asyncio.sleep(0.002)
        turns += 1
    spool.close()
    assert turns > 5


async def test_without_a_thread_it_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is short of everything may get no thread."""

    async def none(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module.to_thread, "run_sync", none)
    spool = Spool()
    await spool.write(b"x" * 500)
    assert await whole(spool, 500) == b"x" * 500
    spool.close()


@pytest.mark.parametrize(
    ("number", "raised"), [(errno.ENOSPC, SpoolFailed), (errno.EACCES, SpoolFailed), (errno.EMFILE, OSError)]
)
async def test_no_room_is_an_error_of_its_own(
    number: int, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But too many open files are what they are everywhere."""

    def fails(**_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", fails)
    spool = Spool()
    with pytest.raises(raised) as caught:
        await spool.write(b"x" * 500)
    assert os.strerror(number) in str(caught.value)
    spool.close()
