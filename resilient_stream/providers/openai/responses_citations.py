"""Reads the annotations of a Responses answer: as sources with their places in the whole text, and as files.

An annotation comes as an event, in its part, in its message and in the whole answer; it leaves once. Its places are
characters of its part, so where each part begins is noted once for it: nothing is counted for each piece of text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...chunks import File, Source
from ...contract import Batch
from ...given.files import type_of
from ..shared.counts import count
from ..shared.encoded import UNKNOWN_TYPE
from ..shared.holdings import Holdings
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import items_in, list_of, object_of, text_of

__all__ = ["Citations"]

MAX_PARTS = 4096
"""How many beginnings of parts are remembered; the sources of further parts have no places."""

_OF_A_FILE = frozenset({"container_file_citation", "file_path"})
"""Annotations of a file that the model made."""


class Citations:
    """Reads the annotations of one answer, and notes where its parts begin. before: characters of an answer that is
    resumed."""

    __slots__ = ("_ahead", "_all", "_begins", "_files", "_holdings", "before")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self.before = 0
        self._holdings = holdings or Holdings()
        self._begins: dict[str, int] = {}
        self._ahead: dict[Any, int] = {}
        self._all: dict[Any, int] = {}
        self._files: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._begins or self._all)

    def begins(self, part: str, at: int) -> None:
        """Note where a part of the answer begins."""
        if len(self._begins) < MAX_PARTS and part not in self._begins:
            self._holdings.item(part)
            self._begins[part] = self.before + at

    def added(self, part: str, annotation: Any, unmodelled: Unmodelled) -> Batch:
        """Return an annotation that came as an event of its own."""
        _count(self._ahead, _identity(annotation))
        return self._new(annotation, self._begins.get(part), unmodelled)

    def message(self, key: str, message: Mapping[str, Any], at: int | None, unmodelled: Unmodelled) -> Batch:
        """Return the annotations of a whole message that did not come before. at: where it begins, if that is known."""
        found: Batch = []
        for place, part in enumerate(list_of(message.get("content"))):
            said = object_of(part)
            if notes := items_in(said.get("annotations")):
                begin = self._begins.get(f"{key} {place}", None if at is None else self.before + at)
                fresh = (note for note in notes if not _matched(self._ahead, _identity(note)))
                found += [chunk for note in fresh for chunk in self._new(note, begin, unmodelled)]
            at = None if at is None else at + len(text_of(said.get("text")))
        return found

    def rest(self, messages: Iterable[Mapping[str, Any]], unmodelled: Unmodelled) -> Batch:
        """Return the annotations of the whole answer that did not come before."""
        left = dict(self._all)
        found: Batch = []
        at = 0
        for said in (object_of(part) for message in messages for part in list_of(message.get("content"))):
            fresh = (note for note in items_in(said.get("annotations")) if not _matched(left, _identity(note)))
            found += [chunk for note in fresh for chunk in self._new(note, at, unmodelled)]
            at += len(text_of(said.get("text")))
        return found

    def _new(self, annotation: Any, begin: int | None, unmodelled: Unmodelled) -> Batch:
        """Return an annotation's chunks. begin: of its part."""
        self._holdings.take(len(msgspec.json.encode(annotation)))
        _count(self._all, _identity(annotation))
        said = object_of(annotation)
        kind, source = text_of(said.get("type")), _source(said, begin)
        if not (source.url or source.title or source.id):
            return [unmodelled.content(kind or "annotation", annotation)] if says(annotation) else []
        if kind not in _OF_A_FILE or not source.id or source.id in self._files:
            return [source]
        self._files.add(source.id)
        name = text_of(said.get("filename"))
        return [source, File(type_of(name, None, None) or UNKNOWN_TYPE, id=source.id)]


def _count(counts: dict[Any, int], identity: Any) -> None:
    counts[identity] = counts.get(identity, 0) + 1


def _matched(counts: dict[Any, int], identity: Any) -> bool:
    """Return whether one of these was counted, and count it off."""
    known = counts.get(identity, 0)
    if known:
        counts[identity] = known - 1
    return known > 0


def _identity(annotation: Any) -> Any:
    """Return what two forms of the same annotation have in common."""
    said = object_of(annotation)
    if not said:
        return str(annotation)
    return tuple(str(said.get(name)) for name in ("type", "url", "file_id", "start_index", "end_index", "index"))


def _source(said: Mapping[str, Any], begin: int | None) -> Source:
    """Return an annotation as a source. An annotation with an `index` stands at that one place of the text."""
    start, end = count(said.get("start_index", said.get("index"))), count(said.get("end_index", said.get("index")))
    placed = begin is not None and start is not None and end is not None
    return Source(
        url=text_of(said.get("url")),
        title=text_of(said.get("title")) or text_of(said.get("filename")),
        start=begin + start if placed else None,  # type: ignore[operator]
        end=begin + end if placed else None,  # type: ignore[operator]
        id=text_of(said.get("file_id")),
        native=dict(said),
    )
