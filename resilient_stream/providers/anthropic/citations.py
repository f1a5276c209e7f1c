"""Reads the citations of a text block as sources, each with the passage that it supports: the text of its block.

The citations of a block come before its text or after it, so they wait for the end of the block. Where a passage stands
in the answer is counted only for a request that may be answered with citations: others pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from ...chunks import Source
from ...contract import Batch
from ..shared.holdings import Holdings
from ..shared.values import object_of, text_of

__all__ = ["Passage", "source_of"]


ReadCitation: TypeAlias = Callable[[Any, int | None, int | None], Source]


def source_of(citation: Any, start: int | None, end: int | None) -> Source:
    """Return a citation as a source: of a web page, a search result, or a place in a document."""
    said = object_of(citation)
    return Source(
        url=text_of(said.get("url")) or text_of(said.get("source")),
        title=text_of(said.get("title")) or text_of(said.get("document_title")),
        quote=text_of(said.get("cited_text")),
        start=start,
        end=end,
        id=text_of(said.get("file_id")),
        native=citation,
    )


class Passage:
    """Follows the text block that is being read: where it began, how far it goes, what it rests on.

    located: all text of the answer is counted, so that places can be told. read: makes a citation a source. A block of
    citations alone, as Amazon's models send it, is about the text before it.
    """

    __slots__ = ("_before", "_begin", "_citations", "_end", "_holdings", "_read", "located")

    def __init__(
        self, holdings: Holdings | None = None, *, located: bool = False, read: ReadCitation = source_of
    ) -> None:
        self.located = located
        self._read = read
        self._before = (0, 0)
        self._holdings = holdings or Holdings()
        self._begin = self._end = 0
        self._citations: list[Any] = []

    def follow(self, batch: Batch) -> None:
        """Count the text of some chunks."""
        self._end += sum(len(chunk.text) for chunk in batch)

    def cite(self, citation: Any) -> list[Source]:
        """Return a citation of this block, or keep it until the block ends, when its passage is known."""
        if not self.located:
            return [self._read(citation, None, None)]
        self._holdings.take(len(msgspec.json.encode(citation)))
        self._citations.append(citation)
        return []

    def end(self) -> list[Source]:
        """Return the sources of the block that ends here."""
        if self._end > self._begin:
            self._before = (self._begin, self._end)
        found = [self._read(citation, *self._before) for citation in self._citations]
        self._citations.clear()
        self._begin = self._end
        return found
