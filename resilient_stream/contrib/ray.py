"""Answers a data set of Ray Data on all machines of a cluster, and goes on where a run that was killed has ended.

    def client() -> Client:
        return Client("openai:gpt-5-mini", store=RedisStore(URL), limits=Limits(requests_per_minute=500))

    answer(ray.data.read_text("rows.jsonl"), client, "/shared/answers")

Rows and results have the fields of `resilient-stream batch`. A data set whose only column is `text` has lines of such a
file, so that each is read as it stands; with other columns, each record is a row. It needs Ray on each machine:
`pip install 'resilient-stream[ray]'`. Why Ray's own checkpoints are not used is in docs/decisions/0031-ray.md.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from time import monotonic
from typing import Any, Unpack

try:
    import numpy as np
    import pyarrow as pa
    import ray
    import ray.data
except ModuleNotFoundError as _error:
    raise ImportError("this needs Ray Data: pip install 'resilient-stream[ray]'") from _error

from ..batch import Counts, Row, Survey, ask_row, ended_line, found_line, progress_line
from ..batch.written import key_of, name_of, row_of_record
from ..client import Client
from ..failures import StreamMisused
from ..given.checks import number
from ..options import StreamOptions, checks_options
from .parts import Part, Parts

__all__ = ["answer"]

EVERY = 10.0
"""Seconds between two lines of progress."""


@checks_options(StreamOptions)
def answer(
    dataset: ray.data.Dataset,
    /,
    client: Callable[[], Client],
    folder: str,
    *,
    actors: int = 2,
    streams: int = 32,
    rows_per_file: int = 100,
    cpus: float = 0,
    retry_failed: bool = False,
    say: Callable[[str], None] | None = None,
    **options: Unpack[StreamOptions],
) -> Counts:
    """Ask the rows that have no result in the folder yet, and return what became of them.

    client: makes the client of an actor, there. folder: a path that all machines share, or a URL such as `s3://…`, for
    files of JSON lines. actors: of Ray, each with `streams` answers at a time. rows_per_file: at most. cpus: what Ray
    is to reserve for each actor, which mostly waits. retry_failed: ask rows that have failed before, too. say: is given
    lines of progress; by default they go to standard error. options: of all rows; a row's own come before them.
    The data set is read once more than usual, to count the rows that are left. A row that fails has a result with its
    error, and ends nothing.
    """
    if not callable(client):
        raise StreamMisused(
            "answer(): client is a function that makes one, such as lambda: Client('openai:gpt-5-mini')"
        )
    for name, value in {"actors": actors, "streams": streams, "rows_per_file": rows_per_file}.items():
        _check(name, value, 1, whole=True)
    _check("cpus", cpus, 0)
    say = say or _to_standard_error
    parts = Parts.of_new_run(folder)
    found = parts.survey(retry_failed)
    due = dataset.map_batches(_Due(ray.put(found.known)), batch_size=None, batch_format="pyarrow")
    counts = Counts(due.count())
    survey = Survey(new=counts.total, finished=found.answered, failed=found.failed)
    if line := found_line(survey, "" if retry_failed else "retry_failed=True asks them again"):
        say(line)
    if counts.total:
        asked = due.repartition(target_num_rows_per_block=rows_per_file).map_batches(
            _Actor,
            fn_constructor_args=(client, parts.folder, parts.mark, streams, options),
            batch_size=rows_per_file,
            batch_format="pyarrow",
            num_cpus=cpus,
            # More than needed to fill it, since each call ends with its slowest row.
            **_actor_pool(actors, 2 + streams // rows_per_file),
        )
        _count_results(asked, counts, say)
    left = counts.total - counts.ended
    say(ended_line(counts, monotonic()) + (f" · {left:,} left" if left else ""))
    return counts


def _check(name: str, value: Any, least: int, *, whole: bool = False) -> None:
    """Raise StreamMisused for what is no number that is large enough."""
    if value is None:
        raise StreamMisused(f"answer(): {name} must be a number, not None; without it there is a default")
    number(f"answer(): {name}", value, least, whole=whole)


def _to_standard_error(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _count_results(asked: ray.data.Dataset, counts: Counts, say: Callable[[str], None]) -> None:
    """Count what Ray has done while it works, and say how far it is."""
    said = monotonic()
    for block in asked.iter_batches(batch_size=None, batch_format="pyarrow"):
        for each in block.to_pylist():
            counts.add(**each)
        if monotonic() - said > EVERY:
            say(progress_line(counts, monotonic()))
            said = monotonic()


def _actor_pool(actors: int, calls: int) -> dict[str, Any]:
    """Return what Ray is told about the actors, each of which has so many calls at a time, and none that wait while
    another actor is idle. The number of calls has a new name since Ray 2.59."""
    strategy = ray.data.ActorPoolStrategy
    size = {"size": actors, "max_tasks_in_flight_per_actor": calls}
    if "max_concurrent_calls_per_actor" in inspect.signature(strategy).parameters:
        return {"compute": strategy(**size, max_concurrent_calls_per_actor=calls)}
    return {"compute": strategy(**size), "max_concurrency": calls}


class _Due:
    """Leaves out the rows that are known. known: where Ray has their keys."""

    def __init__(self, known: Any) -> None:
        self._known = known

    def __call__(self, table: pa.Table) -> pa.Table:
        keys = np.array([key_of(row_of_record(record)) for record in table.to_pylist()], dtype=np.uint64)
        return table.filter(pa.array(~np.isin(keys, ray.get(self._known))))


class _Actor:
    """Asks rows with a client of its own, and writes each result when it is there."""

    def __init__(
        self, client: Callable[[], Client], folder: str, mark: str, streams: int, options: StreamOptions
    ) -> None:
        self._client = client()
        self._parts = Parts(folder, mark)
        self._room = asyncio.Semaphore(streams)
        self._options = options

    async def __call__(self, table: pa.Table) -> AsyncIterator[Mapping[str, list[Any]]]:
        """Return what became of each row. When an actor has died, another is given its rows: what the first one has
        written of them is kept."""
        rows = [row_of_record(record) for record in table.to_pylist()]
        due = {key_of(row): row for row in rows}
        part = await asyncio.to_thread(self._parts.begin, name_of(due))
        whole = False
        try:
            async with asyncio.TaskGroup() as group:
                for key, row in due.items():
                    if key not in part.entries:
                        group.create_task(self._ask(row, part))
            whole = True
        finally:
            await asyncio.to_thread(part.close, whole)
        done = [part.entries[key] for key in map(key_of, rows) if key in part.entries]
        yield {
            "why": [entry.why for entry in done],
            "tokens_in": [entry.usage.input_tokens or 0 for entry in done],
            "tokens_out": [entry.usage.output_tokens or 0 for entry in done],
        }

    async def _ask(self, row: Row, part: Part) -> None:
        async with self._room:
            result = await ask_row(self._client, row, self._options)
        if not result.stopped:
            part.write(result)
