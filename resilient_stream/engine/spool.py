"""Keeps bytes until they are read: in memory while they are few, in a temporary file beyond that.

The event loop never waits for a disk: a thread reads and writes the file, and it is not closed while a thread works on
it. The file has no name, so it is gone with its last user, whatever happens to the process. No more than `IN_MEMORY`
bytes are held in memory.
"""

from __future__ import annotations

import errno
import tempfile
import threading
from collections.abc import Callable
from typing import IO, TypeVar

from anyio import to_thread

__all__ = ["IN_MEMORY", "Spool", "SpoolFailed"]

IN_MEMORY = 1024 * 1024
"""Bytes; more than nearly every answer has, so that a disk is seldom touched."""

_NAMED_ELSEWHERE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that are raised as they are, since they have kinds of their own, whatever met them."""

ResultT = TypeVar("ResultT")


class SpoolFailed(Exception):
    """The temporary file cannot be made, written or read; its cause says why."""


class Spool:
    """Keeps bytes that are written from front to back and read anywhere, for one user at a time.

    `close` may be called at any moment.
    """

    def __init__(self) -> None:
        self._memory = bytearray()
        self._written = 0  # bytes that are in the file; `_memory` has what comes after them
        self._file: IO[bytes] | None = None
        self._working = threading.Lock()
        self._closed = False

    @property
    def in_memory(self) -> bool:
        """Return whether nothing went to disk, so that `peek` has all of it."""
        return not self._written

    async def write(self, data: bytes) -> None:
        """Add bytes. Raises SpoolFailed when there is no room for them, and OSError for too many open files."""
        self._memory += data
        if len(self._memory) > IN_MEMORY:
            await self._in_thread(self._flush)

    async def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes from `start` on; at least one, if there is one."""
        if start >= self._written:
            return self.peek(start, size)
        return await self._in_thread(lambda: self._fetch(start, min(size, self._written - start)))

    def peek(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes from `start` on that are in memory."""
        start -= self._written
        return bytes(self._memory[start : start + size])

    def close(self) -> None:
        """Let go of everything now; a thread that is still at work closes the file when it is done. Idempotent."""
        self._closed = True
        self._memory = bytearray()
        if self._working.acquire(blocking=False):
            try:
                self._close_file()
            finally:
                self._working.release()

    # -- in the thread ------------------------------------------------------------------------

    def _flush(self) -> None:
        """Move what is in memory to the end of the file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0, prefix="resilient-stream-")  # noqa: SIM115
        self._file.seek(self._written)
        done = 0
        with memoryview(self._memory) as data:
            while done < len(data):
                done += self._file.write(data[done:])
        self._written += done
        self._memory = bytearray()

    def _fetch(self, start: int, size: int) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(start)
        return self._file.read(size)

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()

    def _work(self, work: Callable[[], ResultT]) -> ResultT:
        try:
            with self._working:
                if self._closed:
                    raise SpoolFailed("closed")
                return work()
        finally:
            if self._closed:
                self._close_file()

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        """Run a function in a thread. A wait that is cancelled ends at once, and leaves the thread to itself."""
        try:
            try:
                return await to_thread.run_sync(self._work, work, abandon_on_cancel=True)
            except RuntimeError:  # no thread can be started: a short wait is better than no answer
                return self._work(work)
        except OSError as error:
            if error.errno in _NAMED_ELSEWHERE:
                raise
            raise SpoolFailed(error.strerror or type(error).__name__) from error
