"""Asks rows, several at a time, and hands out each result as soon as it is there.

No more rows are read than are asked at the time, so a source of any length can be given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

import msgspec
from pydantic_core import to_jsonable_python

from ..failures import ErrorKind, StreamMisused
from ..integrations.openai.api import OPENAI
from ..integrations.refused import Refused
from ..integrations.service import Service
from ..options import StreamOptions
from ..outcome.errors import StreamError
from .rows import Row, row_of

if TYPE_CHECKING:
    from ..client import Client
    from ..outcome.transcript import Transcript

__all__ = ["Result", "Rows", "ask_row", "run_rows"]

Rows: TypeAlias = Iterable[Any] | AsyncIterable[Any]
"""Texts, dicts as in a file, or `Row` objects."""

_OURS = (ErrorKind.CLIENT_CLOSED, ErrorKind.CANCELLED)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Says what became of a row.

    transcript: of its call; None where nothing was asked. error: why it failed, else None. wrong: why it could not be
    asked, else empty.
    """

    row: Row
    transcript: Transcript | None = None
    error: StreamError | None = None
    wrong: str = ""

    @property
    def finished(self) -> bool:
        """Return whether the row has its whole answer."""
        return self.error is None and not self.wrong

    @property
    def stopped(self) -> bool:
        """Return whether the client was closed before the row ended, which is no failure of the row."""
        return self.error is not None and self.error.kind in _OURS

    @property
    def why(self) -> str:
        """Return the kind of the failure, or "unusable" for a row that could not be asked."""
        return "unusable" if self.error is None else self.error.kind.value

    def to_dict(self) -> dict[str, Any]:
        """Return the line of the result as plain values, ready for JSON."""
        made: dict[str, Any] = {"line": self.row.line} if self.row.line else {}
        made["digest"] = f"{self.row.digest:016x}"
        if self.row.id is not None:
            made["id"] = self.row.id
        if self.transcript is not None:
            made |= _answer(self.transcript)
        if not self.finished:
            made["error"] = self.error.to_dict() if self.error is not None else _unusable(self.row.line, self.wrong)
        return {**made, "row": self.row.row} if self.row.row else made


def _answer(transcript: Transcript) -> dict[str, Any]:
    """Return what a result keeps of a transcript. Fields without a value are left out, except for the text and the
    counts."""
    whole = {
        "text": transcript.text,
        "usage": _counts(transcript.usage),
        "target": transcript.target,
        "outcome": transcript.outcome,
        "finish_reason": transcript.finish_reason,
        "attempts": transcript.requests,
    }
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in transcript.tool_calls]
    beside = {
        "output": to_jsonable_python(transcript.output, fallback=repr),
        "tool_calls": calls,
        "finish_kind": transcript.finish_kind,
        "cost": None if (cost := transcript.cost) is None else float(cost),
    }
    return {**whole, **{name: value for name, value in beside.items() if value is not None and value != []}}


def _counts(usage: Any) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(usage).items() if value is not None and name != "type"}


def _unusable(line: int, wrong: str) -> Mapping[str, Any]:
    return {
        "category": "permanent", "kind": None, "retryable": False, "title": "Row not usable", "message": wrong,
        "resolution": f"Correct {f'line {line}' if line else 'the row'} and run it again.",
    }  # fmt: skip


async def run_rows(
    client: Client, rows: Rows, *, concurrency: int = 8, **options: Unpack[StreamOptions]
) -> AsyncIterator[Result]:
    """Ask the rows, `concurrency` of them at a time, and return each result as it ends, in that order.

    rows: texts, dicts as in a file, or `Row` objects, in any iterable; a row is taken when there is room for it.
    options: for all rows; a row's own come before them. A row that fails does not end the others: its result has the
    error.
    Leaving the loop early cancels what runs, if the generator is closed (`contextlib.aclosing`).
    """
    if concurrency < 1:
        raise StreamMisused(f"concurrency must be at least 1, not {concurrency}")
    source, ended = _numbered(rows), asyncio.Queue[asyncio.Task[Result]]()
    running: set[asyncio.Task[Result]] = set()
    more = True
    try:
        while more or running:
            while more and len(running) < concurrency:
                row = await anext(source, None)
                if row is None:
                    more = False
                    break
                task = asyncio.create_task(ask_row(client, row, options))
                task.add_done_callback(ended.put_nowait)
                running.add(task)
            if running:
                task = await ended.get()
                running.discard(task)
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _numbered(rows: Rows) -> AsyncIterator[Row]:
    number = 0
    async for each in _each_row(rows):
        number += 1
        yield each if isinstance(each, Row) else row_of(each, line=number)


async def _each_row(rows: Rows) -> AsyncIterator[Any]:
    if isinstance(rows, str | bytes | Mapping):
        raise StreamMisused("rows: give a list, or anything that can be iterated, not a single row")
    if isinstance(rows, AsyncIterable):
        async for each in rows:
            yield each
    else:
        for each in rows:
            yield each


async def ask_row(client: Client, row: Row, options: StreamOptions) -> Result:
    """Ask one row, and return what became of it. Only errors that no row can be blamed for are raised."""
    if row.wrong:
        return Result(row=row, wrong=row.wrong)
    try:
        prompt, own = _question(client, row)
        return Result(row=row, transcript=await client.complete(prompt, **{**options, **own}))
    except StreamError as error:
        return Result(row=row, transcript=error.transcript, error=error)
    except StreamMisused as error:
        return Result(row=row, wrong=str(error))
    except Refused as error:
        return Result(row=row, wrong=error.message)


def _question(client: Client, row: Row) -> tuple[Any, Mapping[str, Any]]:
    """Return the prompt and the options of a row. Raises Refused for what OpenAI's API does not have."""
    if row.body is None:
        return row.prompt, row.options
    service = Service(client, OPENAI)
    body = {"model": "", **row.body}
    asked = service.fitted(service.endpoint("POST", row.url), msgspec.json.encode(body))
    return asked.messages, asked.options
