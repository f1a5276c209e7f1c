"""Finds out by its first bytes in which form an answer comes, since servers label it wrongly or do not stream.

    {"choices": …        one JSON object: the whole answer, or an error
    data: …  event: …    a stream of events; so are frames, and lines of JSON where those are the dialect's
    <!doctype html>      a page

Nothing beyond the first line is looked at.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from .json_events import UNREADABLE

__all__ = ["BLANK", "Form", "Taken", "form_of", "taken_as"]

Form: TypeAlias = Literal["unknown", "object", "array", "page", "stream"]
Taken: TypeAlias = Literal["stream", "whole", "refused"]

MOST = 64 * 1024
"""Bytes of a first line that are waited for."""
BLANK = b"\xef\xbb\xbf \t\r\n"
"""What may stand in front; some servers send it to keep a connection alive until they have the answer."""
_FORMS: dict[bytes, Form] = {b"{": "object", b"[": "array", b"<": "page"}


def form_of(data: bytes, *, lines: bool) -> Form:
    """Return the form of a body with this beginning; unknown: more bytes are needed.

    lines: the dialect's stream has one object on each line.
    """
    text = data.lstrip(BLANK)
    form = _FORMS.get(text[:1], "stream") if text else "unknown"
    return _of_lines(text) if form == "object" and lines else form


def taken_as(form: Form, *, asked: bool, says: bool, arrays: bool, whole: bool) -> Taken:
    """Return how to read an answer with a successful status.

    asked: a stream was asked for. says: its content type says that it is one. arrays: a JSON array is one, too. whole:
    an answer in one piece can be read.
    """
    if form == "object" and whole:
        return "whole"
    if says:
        return "stream"
    if form == "page" or (asked and (form == "object" or (form == "array" and not arrays))):
        return "refused"
    return "stream" if asked else "whole"


def _of_lines(text: bytes) -> Form:
    """Return whether the first line is an object of its own; one that goes on after the line is not one of many."""
    line, ended, _ = text.partition(b"\n")
    if not ended:
        return "unknown" if len(text) < MOST else "stream"
    try:
        msgspec.json.decode(line)
    except UNREADABLE:
        return "object" if line.rstrip().endswith((b"{", b"[", b",")) else "stream"
    return "stream"
