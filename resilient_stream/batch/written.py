"""Knows rows by their ids, where many workers write results side by side and rows have no order. Pure.

A row without an id is known by its content. Each is a key of 64 bits, so a hundred million rows are 800 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from pydantic_core import to_jsonable_python

from .lines import Line, digest_of
from .rows import Row, read_row, row_of
from .run import Result

__all__ = ["Entry", "Written", "key_of", "line_of", "name_of", "read_written", "row_of_record"]


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None


class _Error(msgspec.Struct):
    kind: str | None = None


class Entry(msgspec.Struct):
    """Holds what is read of a result."""

    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    id: str | int | None = None
    usage: _Usage = msgspec.field(default_factory=_Usage)
    error: _Error | None = None

    @property
    def why(self) -> str:
        """Return why the row failed, as `Result.why` does; empty where it is answered."""
        return "" if self.error is None else self.error.kind or "unusable"

    @property
    def key(self) -> int:
        """Return the key that the row is known by."""
        return _key(self.id, int(self.digest, 16))


class Written(NamedTuple):
    """Holds what a file of results has. entries: its results. whole: its bytes without a result that was cut."""

    entries: list[Entry]
    whole: bytes


_DECODER = msgspec.json.Decoder(Entry)


def row_of_record(record: Mapping[str, Any]) -> Row:
    """Return the row that a record of a table means. One that is nothing but `text` is a line of a file of rows.

    A table has each field in every row, so null and NaN stand for a field that the row does not have, and whole numbers
    beside them may have become 7.0.
    """
    if record.keys() == {"text"}:
        data = str(record["text"]).removeprefix("\ufeff").strip().encode()
        return read_row(Line(0, digest_of(data), data))
    value = _without_nulls(to_jsonable_python(record, bytes_mode="base64", fallback=repr))
    for name in ("id", "custom_id"):
        if isinstance(found := value.get(name), float) and found.is_integer():
            value[name] = int(found)
    return row_of(value, line=0, digest=digest_of(msgspec.json.encode(value, order="sorted")))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None and each == each}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def key_of(row: Row) -> int:
    """Return the key that a row is known by, the same as the `Entry` of its result."""
    return _key(row.id, row.digest)


def _key(identity: str | int | None, digest: int) -> int:
    return digest if identity is None else digest_of(msgspec.json.encode(identity))


def line_of(result: Result) -> bytes:
    """Return the line of a result, with its end."""
    return msgspec.json.encode(result.to_dict()) + b"\n"


def read_written(data: bytes) -> Written:
    """Read a file of results; what stands behind its last whole line is a result that was cut.

    Raises ValueError for a line that is no result.
    """
    whole = data[: data.rfind(b"\n") + 1]
    return Written([_DECODER.decode(line) for line in whole.split(b"\n")[:-1]], whole)


def name_of(keys: Iterable[int]) -> str:
    """Return the name of the file for these rows, whatever their order."""
    return f"{digest_of(b''.join(key.to_bytes(8, 'big') for key in sorted(keys))):016x}"
