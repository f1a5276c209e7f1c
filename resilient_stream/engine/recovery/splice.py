"""`Splice`: one continuation on its way into the answer: matched, announced by its `Seam`, then left alone.

The one rule: the seam leaves once, in front of the first content that the continuation adds, or of its proper end
if it adds none. Before that nothing leaves; after it every batch passes untouched, at no cost.
Must never: let anything of a refused continuation through. Its last count is kept in `usage`.
"""

from __future__ import annotations

from ...chunks import Chunk, Seam, Usage
from ...contract import Batch
from ...outcome.traits import TRAITS
from .matchers import Matcher, Refusal

__all__ = ["Splice"]


class Splice:
    """source, target: names of the target that died, and of the one that goes on."""

    def __init__(self, matcher: Matcher, source: str, target: str, method: str) -> None:
        self.begun = False
        self.usage: Usage | None = None
        self._matcher = matcher
        self._seam = (source, target, method)
        self._held: Batch = []

    @property
    def refusal(self) -> Refusal | None:
        """Set when the continuation does not fit."""
        return self._matcher.refusal

    def feed(self, batch: Batch) -> Batch:
        """What of this batch may go on to the caller."""
        if self.begun or self.refusal is not None:
            return batch if self.begun else []
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
        """The answer ended without saying why, which some do: what was held, announced."""
        if self.begun or self.refusal is not None:
            return []
        ready = self._matcher.end()
        return [] if self.refusal is not None else self._begin(ready)

    def _hold(self, chunk: Chunk) -> None:
        if isinstance(chunk, Usage):
            self.usage = chunk
        else:
            self._held.append(chunk)

    def _begin(self, ready: Batch) -> Batch:
        self.begun = True
        source, target, method = self._seam
        seam = Seam(source, target, method, self._matcher.overlap, restart=self._matcher.restarts)
        counted = [self.usage] if self.usage is not None else []
        return [seam, *self._held, *counted, *ready]
