"""Reads Cohere's citations as sources, and gives them back with the text of the next turn.

    {"start": 33, "end": 60, "text": "15°C …", "sources": [{"type": "tool", "id": …, "tool_output": {…}}, …]}

A citation has the place of a passage, as code points of one content block, and one source or several. Citations of the
model's thinking have no place in the answer's text.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ...chunks import Source
from ...messages import Message, TextPart
from ..shared.holdings import Holdings
from ..shared.said import Said
from ..shared.sources import source_of
from ..shared.values import list_of, object_of

__all__ = ["Citations", "given_back"]

_OF_TEXT = ("TEXT_CONTENT", None)


class Citations:
    """Reads the citations of one answer. placed: the text is counted, since no long text is taken out of it. given:
    some came."""

    __slots__ = ("_begins", "_holdings", "_placed", "given")

    def __init__(self, holdings: Holdings, *, placed: bool) -> None:
        self._holdings = holdings
        self._placed = placed
        self._begins: dict[int, int] = {}
        self.given = False

    def begin(self, block: int, said: Said) -> None:
        """Note where a content block begins in the answer's text, if text was said before it."""
        if said.length:
            self._holdings.item()
            self._begins[block] = said.length

    def sources(self, citation: Any) -> list[Source]:
        """Return the sources of a citation; the first has the citation itself, to be given back."""
        self.given = True
        cited = object_of(citation)
        start, end = self._place(cited)
        found = (_source(each) for each in list_of(cited.get("sources")))
        sources = [replace(source, start=start, end=end) for source in found if source is not None]
        return [replace(sources[0], native=citation), *sources[1:]] if sources else []

    def _place(self, cited: dict[str, Any]) -> tuple[int, int] | tuple[None, None]:
        start, end = cited.get("start"), cited.get("end")
        base = self._begins.get(cited.get("content_index") or 0, 0)
        known = cited.get("type") in _OF_TEXT and (self._placed or not base)
        if not known or type(start) is not int or type(end) is not int or not 0 <= start < end:
            return None, None
        return base + start, base + end


def _source(source: Any) -> Source | None:
    """Return a document, or what a tool gave, as a source; its name is that of the document or the tool's result."""
    said = object_of(source)
    held = object_of(said.get("document")) or object_of(said.get("tool_output"))
    return source_of({**held, "id": said.get("id") or held.get("id")})


def given_back(message: Message) -> list[dict[str, Any]]:
    """Return the citations of a message, each with the place of its passage in the message's text."""
    found: list[dict[str, Any]] = []
    at = 0
    for part in message.parts:
        if isinstance(part, TextPart):
            place = {"start": at, "end": at + len(part.text), "text": part.text, "content_index": 0}
            found += [{**citation, **place} for citation in part.citations if isinstance(citation, dict)]
            at += len(part.text)
    return found
