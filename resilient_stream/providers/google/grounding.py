"""Reads what Gemini says beside an answer's text: what it rests on, what was searched for, which pages were read.

Passages and the pages that support them come as sources at once. Pages that no passage names, and searches that came
as no part of their own, are told at the end, since any event may name more of them. Nothing of it is sent back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ...chunks import ServerToolCall, ServerToolResult, Source
from ...contract import Batch
from ...wire.limits import few
from ..shared.holdings import Holdings
from ..shared.values import list_of, object_of, text_of
from .places import NOWHERE, Place, Places

__all__ = ["Grounding", "token_objects"]

_SEARCHES: Mapping[str, str] = {
    "webSearchQueries": "google_search",
    "imageSearchQueries": "image_search",
    "retrievalQueries": "retrieval",
}
"""The fields with what was searched for, and a name for who did it."""

_MENTION = 16
"""Bytes that a mention of a source is counted as, since each takes time."""

_READ = "URL_RETRIEVAL_STATUS_SUCCESS"


class Grounding:
    """Reads the evidence of one answer."""

    __slots__ = ("_chunks", "_given", "_holdings", "_named", "_pages", "_places", "_queries", "_told")

    def __init__(self, holdings: Holdings, places: Places) -> None:
        self._holdings = holdings
        self._places = places
        self._given: set[Source] = set()
        self._chunks: list[Any] = []
        self._named: set[int] = set()
        self._queries: dict[str, list[Any]] = {}
        self._told: dict[str, Any] = {}
        self._pages: list[Any] = []

    def metadata(self, value: dict[str, Any]) -> Batch:
        """Read `groundingMetadata`: passages with their sources, and queries."""
        self._told |= {name: each for name, each in value.items() if each and name != "groundingSupports"}
        self._queries |= {name: queries for name in _SEARCHES if (queries := list_of(value.get(name)))}
        self._chunks = few(list_of(value.get("groundingChunks"))) or self._chunks
        return [*self._new(self._supported(few(list_of(value.get("groundingSupports")))))]

    def citations(self, value: dict[str, Any]) -> Batch:
        """Read `citationMetadata`: passages that are quoted from elsewhere. Older models spell its field otherwise."""
        cited = map(object_of, list_of(value.get("citations")) or list_of(value.get("citationSources")))
        return [*self._new(_source(each, self._places.find(each)) for each in cited)]

    def pages(self, value: dict[str, Any]) -> Batch:
        """Read `urlContextMetadata`: the pages that were fetched, which are told at the end."""
        self._pages = list_of(value.get("urlMetadata")) or self._pages
        return []

    def rest(self, *, tools: bool) -> Batch:
        """Return what is told at the end. tools: with the searches and pages, since they were no parts."""
        unnamed = (chunk for number, chunk in enumerate(self._chunks) if number not in self._named)
        sources = self._new(_source(_only_field(chunk), NOWHERE) for chunk in unnamed)
        return [*(self._tools() if tools else ()), *sources]

    def _supported(self, supports: list[Any]) -> Iterator[Source]:
        for support in map(object_of, supports):
            place = self._places.find(object_of(support.get("segment")))
            numbers = (each for each in list_of(support.get("groundingChunkIndices")) if isinstance(each, int))
            for number in dict.fromkeys(numbers):
                if 0 <= number < len(self._chunks):
                    self._named.add(number)
                    yield _source(_only_field(self._chunks[number]), place)

    def _new(self, sources: Iterator[Source]) -> Iterator[Source]:
        """Return each source once, since events may repeat what the ones before them said."""
        for source in sources:
            self._holdings.take(_MENTION)  # counted each time, since many supports may name one page
            if source not in self._given and (source.url or source.title or source.quote or source.id):
                self._holdings.item(source.url, source.title, source.quote, source.id)
                self._given.add(source)
                yield source

    def _tools(self) -> Iterator[ServerToolCall | ServerToolResult]:
        for field, queries in self._queries.items():
            yield from _finished_tool(_SEARCHES[field], {"queries": [each for each in queries if each]}, self._told)
        if self._pages:
            pages = list(map(object_of, self._pages))
            failed = not any(page.get("urlRetrievalStatus") in (_READ, None) for page in pages)
            yield from _finished_tool(
                "url_context", {"urls": [page.get("retrievedUrl") for page in pages]}, self._pages, failed
            )


def _finished_tool(name: str, arguments: dict[str, Any], result: Any, failed: bool = False) -> tuple[Any, Any]:
    """Return a tool that is known only by what it left behind: its name is its id, and there is nothing to send
    back."""
    text = msgspec.json.encode(arguments).decode()
    return ServerToolCall(name, name, text, arguments), ServerToolResult(name, name, result, failed)


def _only_field(chunk: Any) -> dict[str, Any]:
    """Return what is in a chunk's only field, which says what it is: `web`, `retrievedContext`, `maps`, `image`."""
    return next((each for each in object_of(chunk).values() if isinstance(each, dict)), {})


def _source(said: dict[str, Any], place: Place) -> Source:
    def first(*names: str) -> str:
        return next((text for name in names if (text := text_of(said.get(name)))), "")

    return Source(
        url=first("uri", "sourceUri"),
        title=first("title", "domain"),
        quote=first("text") or text_of(object_of(said.get("ragChunk")).get("text")),
        start=place[0],
        end=place[1],
        id=first("documentName", "placeId", "fileSearchStore"),
    )


def token_objects(result: Any) -> tuple[Any, ...]:
    """Return the tokens of `logprobsResult`, each with what else was likely in its place."""
    said = object_of(result)
    others = [object_of(each).get("candidates") for each in list_of(said.get("topCandidates"))]
    chosen = list(map(object_of, list_of(said.get("chosenCandidates"))))
    others += [None] * (len(chosen) - len(others))
    return tuple({**token, "topCandidates": also or []} for token, also in zip(chosen, others, strict=False))
