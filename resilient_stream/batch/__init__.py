"""Answers many rows: read from a file as they are needed, asked several at a time, and kept so that a run can go on.

    async for result in run_rows(client, rows, concurrency=8):
        ...

`rows` reads a row of a file, `lines` the file, `run` asks, and `book` keeps what is finished.
"""

from .book import Book, Survey
from .lines import Line, lines
from .rows import Row, read_row, row_of
from .run import Result, run_rows

__all__ = ["Book", "Line", "Result", "Row", "Survey", "lines", "read_row", "row_of", "run_rows"]
