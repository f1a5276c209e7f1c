"""Holds what the adapters for frameworks have in common: a stream as a framework wants it, and what it is told of an
answer.

A framework checks the model's objects itself and asks again in its own words, so the stream hands them on unread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ..chunks import Chunk, Logprobs, Seam
from ..client import Client
from ..messages import FunctionCall, Message, Part, TextPart
from ..outcome.archive import pack, plain_chunk
from ..outcome.transcript import Transcript
from ..stream import Stream

__all__ = ["TARGET", "assistant", "details", "for_framework", "in_words", "simple", "valid_chunks"]

TARGET = "target"
"""The name under which a framework keeps who gave an answer, as "provider:model"."""


def for_framework(stream: Stream, client: Client, *, live: bool) -> Stream:
    """Return a stream that has not begun, so that an object which is asked for is handed on without being checked.

    live: what the stream gives is shown at once and cannot be taken back, so the answer is never begun anew.
    """
    call = stream._call
    settings = call.settings
    if settings.form is not None:
        settings = dataclasses.replace(settings, form=None)
        stream._chain = client._chain
    if live and "restart" in settings.recovery.methods:
        settings = dataclasses.replace(settings, recovery=settings.recovery.without("restart"))
    call.settings = settings
    return stream


def valid_chunks(transcript: Transcript) -> list[Chunk]:
    """Return the chunks of the whole answer, without what a restart took back, and with neighbouring texts joined."""
    chunks = transcript.chunks
    restarts = (place for place, chunk in enumerate(chunks) if type(chunk) is Seam and chunk.restart)
    return pack(chunks[1 + max(restarts, default=-1) :], ())[0]


def details(transcript: Transcript) -> dict[str, Any]:
    """Return what is known of an answer and has no place in a framework's message, as JSON values; nothing empty."""
    said = {
        TARGET: transcript.target,
        "request_id": transcript.request_id,
        "requests": transcript.requests if transcript.requests > 1 else None,
        "sources": [plain_chunk(source) for source in transcript.sources],
        "continued": [plain_chunk(seam) for seam in transcript.seams],
        "files": [plain_chunk(file) for file in transcript.files if file.data is None],
        "logprobs": [token for chunk in transcript.chunks if type(chunk) is Logprobs for token in chunk.tokens],
        "unmodelled": dict(transcript.unmodelled),
    }
    return {name: value for name, value in said.items() if value}


def assistant(blocks: Sequence[Any]) -> list[Message]:
    """Return an earlier answer, of these parts and calls in their order, as a message; none where there are none.

    A part is one of ours, or a dict that a message reads.
    """
    parts = [block for block in blocks if not isinstance(block, FunctionCall)]
    calls: list[FunctionCall] = []
    before = 0
    for block in blocks:
        if not isinstance(block, FunctionCall):
            before += 1
        else:
            calls.append(block if before == len(parts) else block.model_copy(update={"place": before}))
    return [Message(role="assistant", content=simple(parts), tool_calls=calls)] if blocks else []


def simple(parts: Sequence[Any]) -> str | Sequence[Part]:
    """Return a text that stands alone as a string, which every server reads."""
    only = parts[0] if len(parts) == 1 else None
    return only.text if isinstance(only, TextPart) and only.cache is None else parts


def in_words(media_type: str) -> str:
    """Return what stands for a file of an earlier answer where the file itself cannot be sent."""
    return f"[{media_type.partition('/')[0]}: {media_type}]"
