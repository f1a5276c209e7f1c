"""Keeps files of results in a folder that many processes write to, each to files of its own. It needs pyarrow.

A file that is being written ends in .part, a whole one in .jsonl. What a dead process has left is copied, so one that
only seemed dead writes to a file that nobody reads. And processes of a killed run may go on for some seconds: each run
has a mark, the last one's is in a file of the folder, and nobody with another mark makes a file whole.
"""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.fs as pafs

from ..batch import Result
from ..batch.written import Entry, key_of, line_of, read_written
from ..failures import StreamMisused

__all__ = ["Found", "Part", "Parts"]

READERS = 16
"""Files that are read at a time."""

OURS = re.compile(r"(?P<name>[0-9a-f]{16}-\d+)\.((?P<mark>[0-9a-f]{16})\.part|jsonl)")
"""Names of our files; others are left alone."""

MARK = "_run"
"""The name of the file with the mark of the last run. Readers of data sets pass over names that begin like this."""


class Found(NamedTuple):
    """Says what earlier runs have done. known: the keys of the rows that are not to be asked again, sorted."""

    answered: int
    failed: int
    known: Any


class Parts:
    """Keeps the files in a folder. folder: a path, or a URL that pyarrow can write to, such as `s3://…`. mark: of the
    run.

    A folder of this machine that is not there is made, for nobody else to read.
    """

    def __init__(self, folder: str, mark: str) -> None:
        if "://" not in folder:
            folder = str(Path(folder).absolute())
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.mark = mark
        self._system, self._path = pafs.FileSystem.from_uri(folder)

    @classmethod
    def of_new_run(cls, folder: str) -> Parts:
        """Return the files for a run that begins."""
        return cls(folder, secrets.token_hex(8))

    def survey(self, retry_failed: bool) -> Found:
        """Take the folder over and clear up after earlier runs; return what they have done.

        retry_failed: forget the rows that failed.
        """
        before = (self._load(self._named(MARK)) or b"").decode()
        self._replace(self._named(MARK), self.mark.encode())
        listed = self._system.get_file_info(pafs.FileSelector(self._path, allow_not_found=True))
        ours = [found for each in listed if (found := OURS.fullmatch(each.base_name))]
        for found in ours:
            # Of an earlier run than the last one, which has asked these rows again.
            if found["mark"] not in (None, before):
                self._system.delete_file(self._named(found[0]))
        names = {found["name"] for found in ours if found["mark"] in (None, before)}
        with ThreadPoolExecutor(READERS) as pool:
            counts = list(pool.map(lambda name: _count(self.read(name, before, retry_failed), retry_failed), names))
        known = np.concatenate([np.zeros(0, np.uint64), *(each.known for each in counts)])
        return Found(sum(each.answered for each in counts), sum(each.failed for each in counts), np.unique(known))

    def begin(self, name: str) -> Part:
        """Begin a file for some rows. What there is of their results already is in its entries."""
        self.check()
        entries: list[Entry] = []
        number = 0
        while found := self.read(f"{name}-{number}", self.mark):
            entries += found
            number += 1
        return Part(self, self._system, self._named(f"{name}-{number}"), entries)

    def check(self) -> None:
        """Raise StreamMisused if another run has taken the folder over."""
        if self._load(self._named(MARK)) != self.mark.encode():
            raise StreamMisused(f"another run has begun in {self._path}; this one ends")

    def read(self, name: str, mark: str, retry_failed: bool = False) -> list[Entry]:
        """Return the results of a file; none if it is not there. One that a dead process of the run with this mark has
        left is made a whole one.

        retry_failed: remove the results of rows that failed.
        """
        whole, part = self._named(f"{name}.jsonl"), self._named(f"{name}.{mark}.part")
        left = self._load(part)
        data = self._load(whole) if left is None else left
        try:
            entries, usable = read_written(data or b"")
        except ValueError as error:
            raise StreamMisused(f"{whole}: a line is no result of a row: {error}") from None
        kept = _answered(entries, usable) if retry_failed else usable
        if left is not None or kept != usable:
            self._replace(whole, kept)
        if left is not None:
            self._system.delete_file(part)
        return entries

    def _named(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _load(self, path: str) -> bytes | None:
        try:
            with self._system.open_input_stream(path, compression=None) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def _replace(self, path: str, data: bytes) -> None:
        """Write a file whole or not at all; one without content is removed."""
        if not data:
            if self._system.get_file_info(path).is_file:
                self._system.delete_file(path)
            return
        with self._system.open_output_stream(f"{path}.new", compression=None) as file:
            file.write(data)
        self._system.move(f"{path}.new", path)


class Part:
    """Writes one file. entries: its results and those that were there before, by their rows' keys."""

    def __init__(self, parts: Parts, system: Any, path: str, entries: list[Entry]) -> None:
        self.entries = {entry.key: entry for entry in entries}
        self._parts = parts
        self._system = system
        self._whole, self._part = f"{path}.jsonl", f"{path}.{parts.mark}.part"
        self._file = system.open_output_stream(self._part, compression=None)
        self._empty = True

    def write(self, result: Result) -> None:
        """Append a result. On a disk it is there when this returns, in a store such as S3 when the file is closed."""
        line = line_of(result)
        self._file.write(line)
        self._empty = False
        self.entries[key_of(result.row)] = read_written(line).entries[0]

    def close(self, whole: bool) -> None:
        """Close the file. whole: it has all that it will have; otherwise the next reader sees what can be used of it.

        Raises StreamMisused if another run has taken the folder over.
        """
        self._file.close()
        if not whole:
            return
        self._parts.check()
        if self._empty:
            self._system.delete_file(self._part)
        else:
            self._system.move(self._part, self._whole)


def _count(entries: list[Entry], retry_failed: bool) -> Found:
    answered = sum(not entry.why for entry in entries)
    known = [entry.key for entry in entries if not (retry_failed and entry.why)]
    return Found(answered, len(entries) - answered, np.array(known, dtype=np.uint64))


def _answered(entries: list[Entry], whole: bytes) -> bytes:
    """Return the lines of rows that have an answer."""
    lines = whole.splitlines(keepends=True)
    return b"".join(line for entry, line in zip(entries, lines, strict=True) if not entry.why)
