"""Answers many rows: read from a file as they are needed, asked several at a time, and kept so that a run can go on.

    async for result in run_rows(client, rows, concurrency=8):
        ...

`rows` reads a row of a file, `lines` the file, `run` asks, `progress` counts, and `book` keeps what is finished. Where
many workers write results, `written` reads what they have left.
"""

from .book import Book, Survey
from .lines import Line, lines
from .progress import Counts, ended_line, found_line, progress_line
from .rows import Row, read_row, row_of
from .run import Result, ask_row, run_rows

__all__ = [
    "Book", "Counts", "Line", "Result", "Row", "Survey", "ask_row", "ended_line", "found_line", "lines",
    "progress_line", "read_row", "row_of", "run_rows",
]  # fmt: skip
