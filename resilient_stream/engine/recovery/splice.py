"""Puts one continuation into the answer: it is matched, announced by its `Seam`, and from then on passed unchanged.

The seam is given out once, in front of the first content that the continuation adds, or of its proper end if it adds
none. Before that nothing is given out; after it every batch passes, and only the positions in sources are moved, since
they count from the continuation's own start. Nothing of a refused continuation passes, because it is no part of the
answer; its last count is kept in `usage`.
"""

from __future__ import annotations

from msgspec.structs import replace

from ...chunks import Chunk, Seam, Source, Usage
from ...contract import Batch
from ...outcome.traits import TRAITS
from .matchers import Matcher, Refusal
from .partial import Partial

__all__ = ["Splice"]


class Splice:
    """Puts one continuation into the answer.

    source, target: names of the target that died, and of the one that goes on. partial: what was delivered.
    """

    def __init__(self, matcher: Matcher, source: str, target: str, method: str, partial: Partial) -> None:
        self.begun = False
        self.usage: Usage | None = None
        self._matcher = matcher
        self._seam = (source, target, method)
        self._partial = partial
        self._behind = 0
        self._held: Batch = []

    @property
    def refusal(self) -> Refusal | None:
        """Return why the continuation does not fit; None while nothing is wrong with it."""
        return self._matcher.refusal

    def feed(self, batch: Batch) -> Batch:
        """Return what of this batch may go on to the caller."""
        if self.begun or self.refusal is not None:
            return self._moved(batch) if self.begun else []
        for place, chunk in enumerate(batch, 1):
            if TRAITS[type(chunk)].continuing == "ends":
                ready: Batch = [*self._matcher.end(), chunk]
            elif chunk.content:
                ready = self._matcher.take(chunk)
            else:
                self._hold(chunk)
                continue
            if self.refusal is not None:
                return []
            if ready:
                return self._begin([*ready, *batch[place:]])
        return []

    def finish(self) -> Batch:
        """Return what was held, with its seam in front, because the answer ended without a finish reason, as some
        do."""
        if self.begun or self.refusal is not None:
            return []
        ready = self._matcher.end()
        return [] if self.refusal is not None else self._begin(ready)

    def _hold(self, chunk: Chunk) -> None:
        row = TRAITS[type(chunk)]
        if isinstance(chunk, Usage):
            self.usage = chunk
        elif row.continuing == "beside" or (row.continuing == "once" and chunk not in self._partial.known):
            self._held.append(chunk)

    def _moved(self, batch: Batch) -> Batch:
        """Return the batch with its sources where they are in the whole text: this answer counts from its own start."""
        return [_moved_source(chunk, self._behind) for chunk in batch] if self._behind else batch

    def _begin(self, ready: Batch) -> Batch:
        self.begun = True
        source, target, method = self._seam
        seam = Seam(source, target, method, self._matcher.overlap, restart=self._matcher.restarts)
        if method != "native" and not seam.restart:
            self._behind = len(self._partial.text) - seam.overlap
        counted = [self.usage] if self.usage is not None else []
        return [seam, *self._moved([*self._held, *counted, *ready])]


def _moved_source(chunk: Chunk, characters: int) -> Chunk:
    if type(chunk) is not Source or chunk.start is None or chunk.end is None:
        return chunk
    return replace(chunk, start=chunk.start + characters, end=chunk.end + characters)
