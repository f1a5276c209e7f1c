"""Converts chunks, errors and attempts to plain values, for a database or a file, and back.

What comes back says the same: text, calls, usage, seams, what was delivered, the error with its words. Runs of deltas
are joined, so an answer of a thousand tokens becomes a handful of values. Values that are read are not trusted:
whatever is missing or of a wrong type is a StreamMisused that names its place.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar, get_args

import msgspec
from msgspec.structs import replace

from ..chunks import Chunk, Seam
from ..failures import ErrorCategory, ErrorKind, Failure, GaveUp, Phase, StreamMisused
from ..failures.kinds import Text
from .errors import AllTargetsFailed, StreamError
from .making import error_for
from .traits import TRAITS, is_sealed, piece_of, with_piece

__all__ = ["MAX_LEVELS", "pack", "plain", "plain_chunk", "read", "read_chunk", "shallow"]

ValueT = TypeVar("ValueT")

CHUNKS: Mapping[str, type[Any]] = {cls.type: cls for cls in get_args(Chunk)}

MAX_LEVELS = 500
"""How many levels of objects and lists may be in one another: an event that we kept raw may have many, and Python bears
some 900."""

MOST_DECODED = MAX_LEVELS - 20
"""How many levels one value of a chunk may have. A few hundred more can be decoded, and none of that is an answer."""

TOO_DEEP = f"[more than {MOST_DECODED} objects and lists in one another]"
_DECODED = ("native", "result", "data", "tokens", "parsed")
"""The fields of chunks that have decoded JSON."""

_ERRORS_DEEP = 8
"""How many errors may name one another in a row."""


# -- fewer chunks -------------------------------------------------------------------------------


def pack(chunks: Sequence[Chunk], places: Sequence[int]) -> tuple[list[Chunk], list[int]]:
    """Return fewer chunks that say the same, and where `places` of the old chunks are among them; no run of joined
    chunks crosses such a place."""
    bounds = sorted(places)
    runs = groupby(_latest(chunks), lambda item: _run_key(item[0], item[1], bisect_right(bounds, item[0])))
    packed: list[Chunk] = []
    sides: list[int] = []
    for (side, *_), run in runs:
        packed.append(_joined([chunk for _, chunk in run]))
        sides.append(side)
    return packed, [bisect_right(sides, bisect_right(bounds, place) - 1) for place in places]


def _latest(chunks: Sequence[Chunk]) -> Iterator[tuple[int, Chunk]]:
    """Return all chunks with their places, but only the last of those that replace earlier ones of their request."""
    last: dict[tuple[int, type[Chunk]], int] = {}
    request = 0
    for place, chunk in enumerate(chunks):
        request += type(chunk) is Seam
        if TRAITS[type(chunk)].latest:
            last[request, type(chunk)] = place
    kept = set(last.values())
    return ((place, chunk) for place, chunk in enumerate(chunks) if not TRAITS[type(chunk)].latest or place in kept)


def _run_key(place: int, chunk: Chunk, side: int) -> tuple[Any, ...]:
    """Return a key that is equal for neighbours that may be joined; a chunk that stays alone has its own place as its
    key."""
    piece = TRAITS[type(chunk)].piece
    if piece is None or is_sealed(chunk):
        return side, place
    return side, piece, getattr(chunk, "index", None)


def _joined(run: list[Chunk]) -> Chunk:
    return run[-1] if len(run) == 1 else with_piece(run[-1], "".join(map(piece_of, run)))


# -- plain values and back ----------------------------------------------------------------------


class _Error(msgspec.Struct, kw_only=True):
    """Holds a StreamError's `to_dict`, with the fields from which an error is made again."""

    kind: ErrorKind
    category: ErrorCategory
    title: str
    message: str
    resolution: str
    phase: Phase = "request"
    provider: str = ""
    model: str = ""
    status: int | None = None
    code: str = ""
    request_id: str | None = None
    retry_after: float | None = None
    resets_at: str | None = None
    retryable: bool | None = None
    fallback: bool | None = None
    attempt: int = 0
    gave_up: GaveUp | None = None
    billed_maybe: bool = False
    host: str | None = None
    cause: str | None = None
    untried: int = 0
    errors: list[Any] | None = None


def plain(value: Any) -> Any:
    """Return a value of ours as JSON values."""
    return msgspec.to_builtins(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    return value.to_dict() if isinstance(value, StreamError) else str(value)


def plain_chunk(chunk: Chunk) -> dict[str, Any]:
    """Return a chunk with its type, without fields that have their default."""
    usual = _defaults_of(type(chunk))
    fields: dict[str, Any] = plain(shallow(chunk))
    return {"type": chunk.type} | {name: value for name, value in fields.items() if value != usual[name]}


@functools.cache
def _defaults_of(kind: type[Chunk]) -> dict[str, Any]:
    """Return the default of each field; looking them up takes twenty times as long as all the rest."""
    return {item.name: item.default for item in msgspec.structs.fields(kind)}


def shallow(chunk: Chunk) -> Chunk:
    """Return the chunk with a text in place of values that have more levels than `from_dict` reads."""
    deep = {name: TOO_DEEP for name in _DECODED if _is_deep(getattr(chunk, name, None))}
    if not deep:
        return chunk
    # What has a type of its own is stored as unread: a call that must not be run, tokens of which none is known.
    typed = {"parsed": None, "tokens": ()}
    return replace(chunk, **{name: typed.get(name, said) for name, said in deep.items()})


def _is_deep(value: Any) -> bool:
    level, depth = [value], 0
    while level and depth <= MOST_DECODED:
        level = [
            inner
            for each in level
            if isinstance(each, dict | list | tuple)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        depth += 1
    return depth > MOST_DECODED


def read(kind: type[ValueT], values: Any, name: str) -> ValueT:
    """Read plain values as this type; StreamMisused says which of them is wrong, as `name.field[3]`."""
    try:
        return msgspec.convert(values, kind, dec_hook=_decoded_error)
    except msgspec.ValidationError as error:
        place, said = _complaint(error)
        raise StreamMisused(f"{name}{place}: {said}") from error


def _complaint(error: Exception) -> tuple[str, str]:
    """Return msgspec's complaint as the place, like `.field[3]`, and what is wrong there."""
    said, _, place = str(error).rpartition(" - at `$")
    return (place.removesuffix("`"), said) if said else ("", place)


def read_chunk(values: Any, name: str) -> Chunk:
    """Return the chunk from the values that `plain_chunk` gave for it."""
    kind = values.get("type") if isinstance(values, dict) else None
    if not isinstance(kind, str) or kind not in CHUNKS:
        raise StreamMisused(f"{name}.type: Expected one of {', '.join(CHUNKS)}")
    chunk: Chunk = read(CHUNKS[kind], values, name)
    return chunk


def _decoded_error(kind: type[Any], values: Any) -> Any:
    """Decode our errors, which msgspec does not know."""
    if kind is not StreamError:
        raise NotImplementedError
    try:
        return _error(values)
    except msgspec.ValidationError as error:
        place, said = _complaint(error)
        raise ValueError(f"{place.removeprefix('.')}: {said}" if place else said) from None


def _error(values: Any, depth: int = 0) -> StreamError:
    if depth > _ERRORS_DEEP:
        raise ValueError(f"more than {_ERRORS_DEEP} errors in one another")
    stored = msgspec.convert(values, _Error)
    failure = Failure(
        kind=stored.kind, category=stored.category, code=stored.code, status=stored.status,
        request_id=stored.request_id, retry_after=stored.retry_after, resets_at=stored.resets_at,
        retry=stored.retryable, fallback=stored.fallback,
    )  # fmt: skip
    make: Callable[..., StreamError] = error_for
    context: dict[str, Any] = {
        name: getattr(stored, name)
        for name in ("phase", "provider", "model", "host", "attempt", "gave_up", "billed_maybe")
    }  # fmt: skip
    if stored.cause:
        context["_cause"] = stored.cause
    if stored.errors:
        make, context["errors"] = AllTargetsFailed, tuple(_error(each, depth + 1) for each in stored.errors)
        context["untried"] = stored.untried
    return make(failure, said=Text(stored.title, (stored.message,), (stored.resolution,)), **context)
