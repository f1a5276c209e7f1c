"""Reads an answer's head: its headers as safe text, and whether its body is compressed.

A header that leaves here can be printed, logged and written as JSON, whatever bytes it came as. Bodies are not looked
at.
"""

from __future__ import annotations

from ..failures import ErrorKind, Failure
from ..outcome.making import error_for
from ..text.readable import one_line

__all__ = ["as_text", "refuse_encoding"]

READ = frozenset({"", "identity", "gzip", "deflate", "br", "zstd"})
"""Encodings that are inflated piece by piece; the last two where a package for them is installed, which is not asked
for. None is wanted: a request says so, and some proxies compress all the same."""


def as_text(value: str) -> str:
    """Return a header's value as valid text. aiohttp represents bytes that are no UTF-8 as halves of surrogate
    pairs."""
    if value.isascii() and value.isprintable():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    return one_line(value)


def refuse_encoding(encoding: str) -> None:
    """Raise StreamError for an answer that is compressed in a way that was not asked for and cannot be undone."""
    if encoding.strip().lower() in READ:
        return
    reason = f"The answer is compressed ({encoding[:40]}), although it was asked for uncompressed"
    raise error_for(Failure(kind=ErrorKind.PROTOCOL_ERROR, code="compressed", retry=False, facts={"reason": reason}))
