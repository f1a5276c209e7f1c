"""Runs the command `batch`: asks each row of a file, and goes on where it was when it is started again.

Everything is said on standard error; the results are in two files, see `batch.book`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from ...batch import Book, Counts, Result, Row, ended_line, run_rows
from ...batch.book import State
from ...client import Client
from ...failures import ErrorCategory, ErrorKind, StreamMisused
from ...outcome.errors import AllTargetsFailed, StreamError
from ...policy import Breaker
from .. import exit_codes
from ..ask import default_target
from ..given import schema_of
from ..terminal import Notes
from .view import View, before_lines, changed_line, files_lines, stopping_line

__all__ = ["batch"]

DRAIN = 5.0
"""Seconds that running rows get after Ctrl-C."""
SYNC = 5.0
"""Seconds between two times at which results are put onto the disk."""
IN_VAIN = 10
"""Rows that fail one after the other for a reason that all others would fail for, before it stops."""

HOPELESS = frozenset({
    ErrorKind.AUTHENTICATION, ErrorKind.PERMISSION_DENIED, ErrorKind.INSUFFICIENT_FUNDS, ErrorKind.QUOTA_EXHAUSTED,
    ErrorKind.MODEL_NOT_FOUND, ErrorKind.CLIENT_CONFIG, ErrorKind.TLS_FAILURE, ErrorKind.PROXY_AUTH,
})  # fmt: skip
"""Kinds of failures that no row is to blame for, and that do not pass by themselves."""


def batch(
    file: Path,
    targets: Sequence[str],
    *,
    out: Path | None = None,
    concurrency: int = 8,
    schema: Path | None = None,
    limit: int | None = None,
    retry_failed: bool = False,
    changed: bool = False,
    every: float = 10.0,
    **options: Any,
) -> int:
    """Ask the rows that have no answer yet, and return the exit code.

    out: where answers go; failures go beside it. limit: rows of this run at most. retry_failed: ask those that failed
    before, too. changed: ask those whose line has changed since it was answered, too. every: seconds between two lines
    of progress. options: as for `Client.stream`, for all rows.
    """
    notes = Notes()
    try:
        if schema is not None:
            options["output"] = schema_of(schema)
        with _opened(file, out or file.with_name(f"{file.stem}.out.jsonl")) as book:
            states = _states(notes, book, retry_failed, changed)
            run = _Run(notes, book, states, limit, every)
            code = asyncio.run(run.run(targets, concurrency, options))
    except StreamMisused as error:
        notes.misuse(str(error))
        return exit_codes.MISUSED
    except OSError as error:
        notes.misuse(f"The results cannot be written: {error.strerror}. Start it again when that is mended.")
        return exit_codes.BY_CATEGORY[ErrorCategory.RESOURCE]
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    for line in files_lines(book.out, book.failed):
        notes.note(line)
    return exit_codes.ROWS_FAILED if code == exit_codes.COMPLETE and book.failed.exists() else code


def _opened(file: Path, out: Path) -> Book:
    """Return the results so far. Raises StreamMisused for files that cannot be used."""
    if not file.is_file():
        raise StreamMisused(f"{file} cannot be read a second time, which is needed to go on after a stop")
    try:
        file.open("rb").close()
        return Book(file, out)
    except OSError as error:
        raise StreamMisused(f"{error.filename or out}: {error.strerror}") from None


def _states(notes: Notes, book: Book, retry_failed: bool, changed: bool) -> tuple[State, ...]:
    """Return the states of the rows that are to be asked, and say what was found. Raises StreamMisused for a file that
    was edited after rows of it were answered."""
    book.survey()
    for line in before_lines(book, retry_failed):
        notes.note(line)
    if book.found.changed and not changed:
        raise StreamMisused(changed_line(book))
    asked: dict[State, bool] = {"new": True, "failed": retry_failed, "changed": changed}
    return tuple(state for state, wanted in asked.items() if wanted)


class _Run:
    """Asks the rows, keeps each result, and stops on a signal or when nothing can be answered."""

    def __init__(self, notes: Notes, book: Book, states: tuple[State, ...], limit: int | None, every: float) -> None:
        self._notes = notes
        self._book = book
        self._states = states
        due = sum(getattr(book.found, state) for state in states)
        self._limit = due if limit is None else min(limit, due)
        self._every = every
        self._counts = Counts(self._limit)
        self._signals = 0
        self._in_vain = 0
        self._hopeless: StreamError | None = None

    async def run(self, targets: Sequence[str], concurrency: int, options: dict[str, Any]) -> int:
        """Ask until no row is left, and return the exit code."""
        default, said = ("", "") if targets else default_target()
        async with Client(*(targets or (default,)), breaker=Breaker()) as client:
            if said:
                self._notes.note(said)
            if self._limit:
                async with View(self._counts, self._notes, self._every):
                    await self._ask(client, concurrency, options)
        return self._ended()

    async def _ask(self, client: Client, concurrency: int, options: dict[str, Any]) -> None:
        self._listen(client)
        saved = monotonic()
        try:
            async for result in run_rows(client, self._rows(), concurrency=concurrency, **options):
                self._keep_result(result)
                if monotonic() - saved > SYNC:
                    await asyncio.to_thread(self._book.sync)
                    saved = monotonic()
        finally:
            self._listen(None)

    async def _rows(self) -> AsyncIterator[Row]:
        async for row in self._book.due(self._states):
            if self._signals or self._hopeless is not None or self._counts.taken >= self._limit:
                return
            self._counts.taken += 1
            yield row

    def _keep_result(self, result: Result) -> None:
        self._counts.count(result)
        if result.stopped:
            return
        self._book.write(result)
        error = _of_all(result.error)
        self._in_vain = self._in_vain + 1 if error is not None else 0
        if self._in_vain >= IN_VAIN:
            self._hopeless = error

    def _listen(self, client: Client | None) -> None:
        """Take Ctrl-C and SIGTERM, or stop taking them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            if client is None:
                loop.remove_signal_handler(number)
            else:
                loop.add_signal_handler(number, self._stop, client)

    def _stop(self, client: Client) -> None:
        """Take no more rows; end those that run after some seconds, or at once when asked again."""
        self._signals += 1
        running = self._counts.taken - self._counts.ended
        if self._signals == 1:
            self._notes.note(stopping_line(running, DRAIN))
        loop = asyncio.get_running_loop()
        loop.call_later(DRAIN if self._signals == 1 else 0, self._close, client)

    def _close(self, client: Client) -> None:
        self._closing = asyncio.create_task(client.aclose())  # rows that still run end as client_closed

    def _ended(self) -> int:
        if not self._limit:
            return exit_codes.COMPLETE
        self._notes.note(ended_line(self._counts, monotonic()))
        if self._hopeless is not None:
            self._notes.note(f"Stopped: the last {IN_VAIN} rows all failed for this reason.")
            self._notes.error(self._hopeless)
            return exit_codes.BY_CATEGORY[self._hopeless.category]
        left = sum(getattr(self._book.found, state) for state in self._states) - self._counts.ended
        if left:
            self._notes.note(f"{left:,} left: the same command goes on with them.")
        return exit_codes.INTERRUPTED if self._signals else exit_codes.COMPLETE


def _of_all(error: StreamError | None) -> StreamError | None:
    """Return the error if each other row would fail as well."""
    if error is None or error.kind not in HOPELESS:
        return None
    if isinstance(error, AllTargetsFailed) and any(each.kind not in HOPELESS for each in error.errors):
        return None
    return error
