"""Reads what an answer rests on as sources: annotations, citations, search results, in many shapes.

    {"type": "url_citation", "url_citation": {"url": …, "start_index": …}}      nested under its type, or flat
    "https://…"   {"title": …, "link": …, "content": …, "refer": …}             a list, repeated with each event

An item is read by its fields, never by who sent it. Each source is given once. Places are believed only if they hold
some text. No provider is known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...chunks import Source
from .holdings import Holdings
from .values import list_of, object_of, text_of

__all__ = ["Sources", "items_of", "source_of"]

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "link", "uri", "source_url", "document_url"),
    "title": ("title", "name", "document_title", "document_name", "filename", "file_name", "filepath", "site_name"),
    "quote": ("content", "snippet", "cited_text", "quote", "text", "description"),
    "id": ("id", "refer", "chunk_id", "document_id", "file_id", "tool_call_id", "index"),
}
"""Where a source says what; the first field that has it counts."""

_LISTS = ("citations", "search_results", "results", "sources", "documents")
"""Where sources stand in an object that holds them."""


class Sources:
    """Remembers the sources of one answer, so that each is given once. holdings: counts what is remembered of them."""

    __slots__ = ("_given", "_holdings")

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._given: dict[tuple[str, str, int | None], bool] = {}

    def new(self, source: Source) -> list[Source]:
        """Return a source that was not given before; one that says more than the one before is given again."""
        key = (source.url, source.id if not source.url else "", source.start)
        told = bool(source.title or source.quote)
        if key in self._given and (self._given[key] or not told):
            return []
        if key not in self._given:
            self._holdings.item(source.url, source.id)
        self._given[key] = told
        return [source]


def items_of(value: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the items of a list of sources; it may stand in an object, whose other fields are returned as well."""
    if not isinstance(value, dict):
        return list_of(value) or [value], {}
    name = next((name for name in _LISTS if isinstance(value.get(name), list)), None)
    if name is None:
        return [value], {}
    return value[name], {field: said for field, said in value.items() if field != name}


def source_of(item: Any, number: int | None = None) -> Source | None:
    """Return an item as a source; None for what is no source. number: its place in the list, if that is its name."""
    id = "" if number is None else str(number)
    if isinstance(item, str):
        return Source(url=item, id=id) if "://" in item else Source(title=item, id=id) if item else None
    said = object_of(item)
    said = {**said, **object_of(said.get(text_of(said.get("type"))))}
    found = {field: next(filter(None, (_word(said.get(name)) for name in _FIELDS[field])), "") for field in _FIELDS}
    if not any(found.values()):
        return None
    start, end = _place(said, "start_index", "start"), _place(said, "end_index", "end")
    placed = start is not None and end is not None and start < end
    return Source(**{**found, "id": found["id"] or id}, start=start if placed else None, end=end if placed else None)


def _word(value: Any) -> str:
    """Return a text or a number as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value)


def _place(said: dict[str, Any], *names: str) -> int | None:
    found = (said.get(name) for name in names)
    return next((each for each in found if isinstance(each, int) and not isinstance(each, bool) and each >= 0), None)
