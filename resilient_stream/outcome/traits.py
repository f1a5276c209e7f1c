"""Lists the traits of each chunk class that the rest of the library depends on: one row for each class.

A new chunk class needs a row here, or mypy reports it and nothing can be imported. Where what is done differs by class
and not by a trait (`size_of`, the history, `Mender`), a `match` ends in `assert_never`, so mypy names the place.

Whether a chunk is content, and its text, stand on the class itself (`chunk.content`, `chunk.text`): they are asked for
each chunk of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, assert_never, get_args

import msgspec

from ..chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)

__all__ = [
    "SERVER_NAMES",
    "SKIP_LINKS",
    "SPOKEN",
    "TOOL_NAMES",
    "TRAITS",
    "Traits",
    "fixes",
    "is_sealed",
    "piece_of",
    "with_piece",
]

Piece: TypeAlias = Literal["text", "reasoning", "arguments"]
Fixing: TypeAlias = Literal["always", "sealed", "never"]
Continuing: TypeAlias = Literal["compared", "added", "once", "beside", "dropped", "ends"]


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """Describes one chunk class: its row of the table. No trait has a default: whoever adds a class decides each.

    piece: the field with a piece of a running text, or None. Neighbours of one text are joined where an answer is
    stored, and divided where it is kept small. Pieces of text and of reasoning are what a second answer is compared
    with (see `continuing`), and a token each.
    fixes: whether no other request can go on once it was delivered. sealed: if it is signed or encrypted.
    continuing: what happens to it in an answer that continues another one. compared: what was delivered already is
    recognised and dropped. added: it is new, and stands behind all that was delivered; content of such a class must fix
    the answer, or a replay would deliver it twice. beside: it is no content and waits until the continuation is
    accepted. once: the same, and it is dropped if an equal one was delivered. dropped: before the continuation is
    accepted it belongs to text that may be dropped, so it is dropped as well. ends: no content follows it.
    answers: an answer with nothing else of content is one; a model that only thought has not answered.
    calls: it may be the call that an answer speaks of which ended in order to have a tool called.
    latest: of one request only the last is stored, since each replaces those before it.
    outlives: it stays where the middle of a long answer is dropped from the transcript.
    skips_links: a good answer that goes on with it needs no link of the chain to see it.
    tool_name: the field with a tool's name, which is given back as the caller spelled it; or None.
    server_name: the field with a name that the server made, which may quote a secret; or None.
    """

    piece: Piece | None
    fixes: Fixing
    continuing: Continuing
    answers: bool
    calls: bool
    latest: bool
    outlives: bool
    skips_links: bool
    tool_name: str | None
    server_name: str | None


def _row(kind: type[Chunk]) -> Traits:
    """Return the row of a class. The table is a function, since a type checker can see only of such a one that it is
    total."""
    # fmt: off
    if issubclass(kind, TextDelta):
        return Traits(piece="text", fixes="never", continuing="compared", answers=True, calls=False, latest=False,
                      outlives=False, skips_links=True, tool_name=None, server_name=None)
    if issubclass(kind, ReasoningDelta):
        return Traits(piece="reasoning", fixes="sealed", continuing="compared", answers=False, calls=False,
                      latest=False, outlives=False, skips_links=True, tool_name=None, server_name=None)
    if issubclass(kind, ToolCallDelta):
        return Traits(piece="arguments", fixes="always", continuing="added", answers=True, calls=False, latest=False,
                      outlives=False, skips_links=False, tool_name="name", server_name=None)
    if issubclass(kind, ToolCall):
        return Traits(piece=None, fixes="always", continuing="added", answers=True, calls=True, latest=False,
                      outlives=True, skips_links=False, tool_name="name", server_name=None)
    if issubclass(kind, Source):
        return Traits(piece=None, fixes="never", continuing="once", answers=False, calls=False, latest=False,
                      outlives=True, skips_links=False, tool_name=None, server_name=None)
    if issubclass(kind, File):
        return Traits(piece=None, fixes="always", continuing="added", answers=True, calls=False, latest=False,
                      outlives=False, skips_links=False, tool_name=None, server_name=None)
    if issubclass(kind, ServerToolCall):
        return Traits(piece=None, fixes="always", continuing="added", answers=True, calls=True, latest=False,
                      outlives=False, skips_links=False, tool_name=None, server_name="name")
    if issubclass(kind, ServerToolResult):
        return Traits(piece=None, fixes="always", continuing="added", answers=True, calls=True, latest=False,
                      outlives=False, skips_links=False, tool_name=None, server_name="name")
    if issubclass(kind, Logprobs):
        return Traits(piece=None, fixes="never", continuing="dropped", answers=False, calls=False, latest=False,
                      outlives=False, skips_links=True, tool_name=None, server_name=None)
    if issubclass(kind, Usage):
        return Traits(piece=None, fixes="never", continuing="beside", answers=False, calls=False, latest=True,
                      outlives=False, skips_links=False, tool_name=None, server_name=None)
    if issubclass(kind, Finished):
        return Traits(piece=None, fixes="never", continuing="ends", answers=False, calls=False, latest=False,
                      outlives=False, skips_links=False, tool_name=None, server_name="raw_reason")
    if issubclass(kind, Seam):
        return Traits(piece=None, fixes="never", continuing="beside", answers=False, calls=False, latest=False,
                      outlives=True, skips_links=False, tool_name=None, server_name=None)
    if issubclass(kind, Raw):
        return Traits(piece=None, fixes="always", continuing="added", answers=True, calls=True, latest=False,
                      outlives=False, skips_links=False, tool_name=None, server_name="event")
    # fmt: on
    assert_never(kind)


TRAITS: Mapping[type[Chunk], Traits] = {kind: _row(kind) for kind in get_args(Chunk)}

SKIP_LINKS = frozenset(kind for kind, row in TRAITS.items() if row.skips_links)
TOOL_NAMES: Mapping[type[Chunk], str] = {kind: row.tool_name for kind, row in TRAITS.items() if row.tool_name}
SERVER_NAMES: Mapping[type[Chunk], str] = {kind: row.server_name for kind, row in TRAITS.items() if row.server_name}
SPOKEN: Mapping[type[Chunk], Piece] = {
    kind: row.piece for kind, row in TRAITS.items() if row.piece and row.continuing == "compared"
}
"""The classes whose pieces a second answer is compared with, and of which text each is a piece."""


def piece_of(chunk: Chunk) -> str:
    """Return the piece of a running text that a chunk of such a class carries."""
    field = TRAITS[type(chunk)].piece
    text: str = "" if field is None else getattr(chunk, field)
    return text


def with_piece(chunk: Chunk, text: str) -> Chunk:
    """Return a chunk of such a class with another piece in place of its own."""
    field = TRAITS[type(chunk)].piece
    return chunk if field is None else msgspec.structs.replace(chunk, **{field: text})


def is_sealed(chunk: Chunk) -> bool:
    """Return whether a chunk is signed or encrypted: only its provider can use it, and only as a whole."""
    return bool(getattr(chunk, "signature", None) or getattr(chunk, "redacted", None))


def fixes(chunk: Chunk) -> bool:
    """Return whether an answer of which this chunk was delivered can no longer be continued by another request."""
    row = TRAITS[type(chunk)]
    return row.fixes == "always" or (row.fixes == "sealed" and is_sealed(chunk))
