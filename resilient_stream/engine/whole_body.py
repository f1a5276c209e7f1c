"""Receives the body of a whole answer to its end first, and then hands it out in pieces.

    network -> spool -> the decoder looks it through      no chunk leaves; whatever fails can be asked again
    spool -> long texts in pieces -> chunks               the answer is whole and good, and its connection is free

No more of a long text is in memory than one piece, and the loop has a turn between two pieces. A body knows no dialect
and no clock: the decoder says what stands where, the attempt how long it may take.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from ..chunks import Chunk, ReasoningDelta, TextDelta, Usage
from ..contract import Batch, WholeDecoder
from ..wire.json_string import JsonString
from .spool import Spool, SpoolFailed

__all__ = ["WholeBody"]

SLICE = 16 * 1024
"""Bytes that the decoder looks through at a time: 0.1 ms of work, 10 ms at the very worst (a thousand empty parts)."""

PIECE = 64 * 1024
"""Bytes of a long text in one chunk: what one network read of a stream may bring."""


class WholeBody:
    """Holds one body: `receive` it to its end, give `hand_out` what the decoder made of it, then take it by `next`."""

    def __init__(self, first: bytes, read: Callable[[], Awaitable[bytes]], decoder: WholeDecoder) -> None:
        self._read = read
        self._decoder = decoder
        self._spool = Spool()
        self._arrived = first
        self._looked_at = 0
        self._spooled = False
        self._chunks: deque[Chunk] = deque()
        self._place: int | None = None
        self._text = JsonString()

    async def receive(self) -> bytes:
        """Return the next slice of the body, which is kept by then; b"" at its end."""
        if self._looked_at >= len(self._arrived):
            self._looked_at, self._spooled = 0, False
            self._arrived = await self._read()
        return await self._slice()

    async def keep(self, rest: bytes) -> bytes:
        """Keep what had arrived when `receive` failed, and return it."""
        await self._spool.write(rest)
        return rest

    async def _slice(self) -> bytes:
        if not self._spooled:
            self._spooled = True
            await self._spool.write(self._arrived)
        else:
            await asyncio.sleep(0)
        start = self._looked_at
        self._looked_at = min(start + SLICE, len(self._arrived))
        return self._arrived[start : self._looked_at]

    # -- handing out --------------------------------------------------------------------------

    def hand_out(self, batch: Batch) -> None:
        """Take the decoder's chunks, in which marks stand for long texts, to be handed out."""
        self._chunks.extend(batch)

    @property
    def waiting(self) -> bool:
        """Return whether something has not been handed out yet."""
        return bool(self._chunks)

    async def next(self) -> Batch:
        """Return the chunks up to the next long text, or a piece of that; nothing at the end."""
        batch = self._short_chunks()
        while not batch and self._chunks:
            start, end = self._span()
            self._piece(await self._spool.read(start, min(PIECE, end - start)), end, batch)
        return batch

    def rest(self) -> Batch:
        """Return what has not been handed out. Of an answer that lies on a disk, which is not waited for, the usage
        only."""
        batch: Batch = []
        while self._chunks and self._spool.in_memory:
            batch += self._short_chunks()
            if self._chunks:
                start, end = self._span()
                self._piece(self._spool.peek(start, end - start), end, batch)
        batch += [chunk for chunk in self._chunks if type(chunk) is Usage]
        self._chunks.clear()
        return batch

    def close(self) -> None:
        """Forget the body. Idempotent."""
        self._arrived = b""
        self._spool.close()

    def _short_chunks(self) -> Batch:
        """Return the next chunks, up to one whose text is long."""
        batch: Batch = []
        while self._chunks and _text_of(self._chunks[0]) not in self._decoder.spans:
            batch.append(self._chunks.popleft())
        return batch

    def _span(self) -> tuple[int, int]:
        """Return what is left of the long text at hand: from where, up to where."""
        start, end = self._decoder.spans[_text_of(self._chunks[0])]
        return (start if self._place is None else self._place), end

    def _piece(self, data: bytes, end: int, batch: Batch) -> None:
        """Put a piece of the long text at hand into the batch; after its last one, go on to the next chunk."""
        if not data:
            raise SpoolFailed("it is shorter than what was written to it")
        chunk = self._chunks[0]
        self._place = self._span()[0] + len(data)
        text = self._text.feed(data)
        if self._place == end:
            text += self._text.finish()
        if text:
            batch.append(TextDelta(text) if type(chunk) is TextDelta else ReasoningDelta(text))
        if self._place == end:
            self._chunks.popleft()
            self._place = None
            if type(chunk) is ReasoningDelta and (chunk.signature or chunk.redacted):
                batch.append(ReasoningDelta("", chunk.signature, chunk.redacted))


def _text_of(chunk: Chunk) -> str:
    return chunk.reasoning if type(chunk) is ReasoningDelta else chunk.text
