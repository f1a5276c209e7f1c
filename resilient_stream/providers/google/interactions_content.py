"""Reads what the steps of an interaction have inside: texts, files, and the annotations of a text.

Where a passage stands is found only in an answer that may have citations; no other answer's text is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...chunks import ReasoningDelta, Source
from ...contract import Batch
from ..shared.holdings import Holdings
from ..shared.parts import parts_of
from ..shared.said import Said
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import items_in, object_of, text_of
from .interactions_events import OWN_STEPS
from .interactions_steps import CITATIONS, FILES, file_of, source_of
from .places import Places

__all__ = ["Content", "named"]


def named(kind: Any) -> str:
    """Return the kind of a step as it is remembered: tools that Google runs count as one."""
    return kind if kind in OWN_STEPS else "other"


class Content:
    """Reads the content of one answer. said: its text. kinds: of the steps that were read."""

    __slots__ = ("_annotations", "_holdings", "_places", "_unmodelled", "kinds", "said")

    def __init__(self, unmodelled: Unmodelled, holdings: Holdings, *, located: bool) -> None:
        self._unmodelled = unmodelled
        self._holdings = holdings
        self._places = Places(holdings.limit, located=located)
        self._annotations: list[dict[str, Any]] = []
        self.said = Said()
        self.kinds: set[str] = set()

    def begin(self, kind: str) -> None:
        """Begin a step."""
        self.kinds.add(named(kind))
        self._places.part(kind)

    def given(self, texts: list[str]) -> Batch:
        """Return the pieces of a read of text as chunks."""
        if self._places.located:
            self._places.add(texts)
        return self.said.given(texts)

    def read(self, content: Any, *, thought: bool = False) -> Batch:
        """Return the chunks of content parts; a part of an unknown type is passed on."""
        return [chunk for part in parts_of(content) for chunk in self._part(part, thought)]

    def _part(self, part: dict[str, Any], thought: bool) -> Iterator[Any]:
        annotations = items_in(part.get("annotations"))
        if annotations:
            self._places.part("content")
        if text := text_of(part.get("text")):
            self.kinds.add("thought" if thought else "model_output")
            yield from [ReasoningDelta(text)] if thought else self.given([text])
        elif text_of(part.get("type")) in FILES and not thought and (file := file_of(part, _output(part))) is not None:
            self.kinds.add("model_output")
            yield file
        elif says({**part, "type": None, "annotations": None}):
            yield self._unmodelled.content(text_of(part.get("type")) or "part", part)
        if annotations:
            yield from self.annotated(annotations)
            yield from self.end()

    def annotated(self, annotations: Any) -> Batch:
        """Take annotations of the text that is being read. Its citations wait for its end; others are passed on."""
        said = [each for each in (object_of(item) or {"value": item} for item in items_in(annotations)) if says(each)]
        cited = [each for each in said if text_of(each.get("type")) in CITATIONS]
        self._holdings.take(len(msgspec.json.encode(cited)))
        self._annotations += cited
        others = [
            self._unmodelled.content("annotations", each) for each in said if text_of(each.get("type")) not in CITATIONS
        ]
        return [*others, *(() if self._places.located else self.end())]

    def end(self) -> list[Source]:
        """Return what the text that ends here rests on."""
        cited, self._annotations = self._annotations, []
        return [source_of(each, self._places.find(self._segment(each))) for each in cited]

    def _segment(self, annotation: dict[str, Any]) -> dict[str, Any]:
        start, end = annotation.get("start_index"), annotation.get("end_index")
        return {"startIndex": start, "endIndex": end, "partIndex": self._places.latest}


def _output(part: dict[str, Any]) -> dict[str, Any]:
    """Return a piece of content as the step that it goes back in."""
    return {"type": "model_output", "content": [part]}
