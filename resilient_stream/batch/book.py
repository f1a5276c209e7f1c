"""Keeps the results of a run in two files, and knows from them which rows are finished.

Each result is one line, written in one go before the next is taken, so a killed process loses only what was running. A
line that was cut by the kill is removed at the next start. The digest of each row is kept with its number, so that a
file that was edited meanwhile is noticed. Memory is 16 bytes a row.
"""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, BinaryIO, Literal, TypeAlias

import msgspec

from ..failures import StreamMisused
from ..masking.private_files import open_private
from .lines import Line, lines
from .rows import Row, read_row
from .run import Result

__all__ = ["Book", "State", "Survey"]

State: TypeAlias = Literal["new", "finished", "failed", "changed"]
"""The state of a row: never asked, answered, failed, or answered when its line was another one."""

LONGEST = 1024 * 1024 * 1024
"""Bytes of one result: more than a row and its answer can have."""
AT_ONCE = 200
"""Lines that are looked at before other tasks get their turn."""
BEGINS = b'{"line":'


class _Entry(msgspec.Struct):
    """Holds what is read of a result."""

    line: Annotated[int, msgspec.Meta(ge=1)]
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]


_DECODER = msgspec.json.Decoder(_Entry)


class Survey(msgspec.Struct):
    """Counts how many rows of a file are in which state. first_changed: the line of the first that has changed."""

    new: int = 0
    finished: int = 0
    failed: int = 0
    changed: int = 0
    first_changed: int = 0


class Book:
    """Keeps the results of one file of rows: `with Book(file, out) as book`.

    Only one process can have it open. Raises StreamMisused where `out` cannot be used: another kind of file, a
    folder that is not there, another run that writes to it.
    mended: how many results were cut, and removed. found: what `survey` counted.
    """

    def __init__(self, file: Path, out: Path) -> None:
        self.file = file
        self.out = out
        self.failed = out.with_name(f"{out.stem}.failed.jsonl")
        self.mended = 0
        self.found = Survey()
        self._size = file.stat().st_size
        self._finished, self._failing = array("Q"), array("Q")
        self._stale = False
        self._unsaved: set[int] = set()
        self._failures: int | None = None

    def __enter__(self) -> Book:
        if self.out.exists() and self.file.samefile(self.out):
            raise StreamMisused(f"--out: {self.out} is the file of the rows")
        self._results = _open(self.out)
        try:
            _lock(self._results, self.out)
            self._load(self._results, self.out, self._finished)
            if self.failed.exists():
                self._load(self._file_of_failures(), self.failed, self._failing)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.sync()
            if self._stale and self.failed.exists():
                self._tidy()
        finally:
            self._close()

    def state(self, line: Line) -> State:
        """Return the state of the row on a line."""
        answered = _state_at(self._finished, line.number)
        if answered == line.digest:
            return "finished"
        if _state_at(self._failing, line.number) == line.digest:
            return "failed"
        return "changed" if answered else "new"

    def survey(self) -> Survey:
        """Read the whole file and count its rows."""
        found = self.found = Survey()
        with self.file.open("rb") as file:
            for line in lines(file):
                state = self.state(line)
                setattr(found, state, getattr(found, state) + 1)
                if state == "changed" and not found.first_changed:
                    found.first_changed = line.number
                if state == "finished":
                    self._no_failure(line.number)
        return found

    async def due(self, states: tuple[State, ...]) -> AsyncIterator[Row]:
        """Return the rows in these states, each read when it is needed."""
        from asyncio import sleep

        with self.file.open("rb") as file:
            for place, line in enumerate(lines(file)):
                if place % AT_ONCE == 0:
                    await sleep(0)
                if self.state(line) in states:
                    yield read_row(line)

    def write(self, result: Result) -> None:
        """Append a result to the file that it belongs into. Raises OSError."""
        data = msgspec.json.encode(result.to_dict()) + b"\n"
        descriptor = self._results if result.finished else self._file_of_failures()
        _write_all(descriptor, data)
        self._unsaved.add(descriptor)
        number, digest = result.row.line, result.row.digest
        if result.finished:
            _set_state(self._finished, number, digest)
            self._no_failure(number)
        else:
            self._stale |= bool(_state_at(self._failing, number))
            _set_state(self._failing, number, digest)

    def sync(self) -> None:
        """Put what was written onto the disk, for the case that the machine stops."""
        for descriptor in tuple(self._unsaved):
            os.fsync(descriptor)
        self._unsaved.clear()

    def _file_of_failures(self) -> int:
        if self._failures is None:
            self._failures = _open(self.failed)
        return self._failures

    def _no_failure(self, number: int) -> None:
        if _state_at(self._failing, number):
            self._failing[number] = 0
            self._stale = True

    def _load(self, descriptor: int, path: Path, known: array[int]) -> None:
        """Read which rows are in a file of results, and remove a result that was cut."""
        ends = self._mend(descriptor, path)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            for entry in _entries(file, path):
                if entry.line <= self._size:  # a file has no more lines than bytes
                    self._stale |= known is self._failing and bool(_state_at(known, entry.line))
                    _set_state(known, entry.line, int(entry.digest, 16))
        if not ends:
            _write_all(descriptor, b"\n")

    def _mend(self, descriptor: int, path: Path) -> bool:
        """Remove what stands behind the last whole line, if it is a result that was cut. Return whether the file ends
        with a whole line; the end of a line may be all that is missing."""
        size = os.fstat(descriptor).st_size
        end = _after_last_newline(descriptor, size)
        rest = os.pread(descriptor, min(size - end, LONGEST), end)
        if not rest:
            return True
        if _decoded(rest) is not None:
            return False
        if not (rest.startswith(BEGINS) or BEGINS.startswith(rest) or not rest.strip(b"\0")):
            raise _not_ours(path)
        if end:  # the end of another kind of file must not be removed
            first = os.pread(descriptor, len(BEGINS), 0)
            if first != BEGINS:
                raise _not_ours(path)
        os.truncate(descriptor, end)
        self.mended += 1
        return True

    def _tidy(self) -> None:
        """Replace the file of failures by one with only the last failure of each row that has no answer."""
        last: dict[int, int] = {}
        with self.failed.open("rb") as file:
            for place, entry in enumerate(_entries(file, self.failed)):
                if _state_at(self._failing, entry.line) == int(entry.digest, 16):
                    last[entry.line] = place
        if not last:
            self.failed.unlink()
            return
        beside = self.failed.with_name(f"{self.failed.name}.new")
        with self.failed.open("rb") as file, os.fdopen(open_private(beside, os.O_WRONLY | os.O_CREAT), "wb") as kept:
            kept.truncate(0)
            places = set(last.values())
            kept.writelines(_raw(line) for place, line in enumerate(lines(file, LONGEST)) if place in places)
            kept.flush()
            os.fsync(kept.fileno())
        beside.replace(self.failed)

    def _close(self) -> None:
        os.close(self._results)
        if self._failures is not None:
            os.close(self._failures)


def _open(path: Path) -> int:
    """Open a file of results. Raises StreamMisused where that is not possible."""
    try:
        return open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    except OSError as error:
        raise StreamMisused(f"--out: {path} cannot be used: {error.strerror}") from None


def _entries(file: BinaryIO, path: Path) -> Iterator[_Entry]:
    for line in lines(file, LONGEST):
        entry = None if line.data is None else _decoded(line.data)
        if entry is None:
            raise _not_ours(path, line.number)
        yield entry


def _raw(line: Line) -> bytes:
    return (line.data or b"") + b"\n"


def _decoded(data: bytes) -> _Entry | None:
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _not_ours(path: Path, line: int | None = None) -> StreamMisused:
    where = "its last line" if line is None else f"line {line}"
    return StreamMisused(f"--out: {path} is no file of results: {where} is not a result; give another name")


def _after_last_newline(descriptor: int, size: int) -> int:
    """Return the place behind the last end of a line, read backwards."""
    place = size
    while place > 0:
        begin = max(place - 65536, 0)
        found = os.pread(descriptor, place - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        place = begin
    return 0


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _state_at(known: array[int], number: int) -> int:
    return known[number] if number < len(known) else 0


def _set_state(known: array[int], number: int, digest: int) -> None:
    if number >= len(known):
        known.frombytes(bytes(known.itemsize * (number + 1024 - len(known))))
    known[number] = digest


def _lock(descriptor: int, path: Path) -> None:
    """Keep other processes from the file, where the system can; the lock ends with this process."""
    try:
        import fcntl
    except ImportError:  # Windows has no fcntl
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            return  # some file systems have no locks
        raise StreamMisused(f"--out: {path} is in use by another run") from None
