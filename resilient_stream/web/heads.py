"""Makes the heads of responses: the format's headers, what every streamed response needs, and over both the caller's
own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from ..failures import StreamMisused
from ..formats.writer import Refusal, Writer
from ..given.checks import header_values
from ..text.harmless import safe_name

__all__ = ["Headers", "checked", "of_answer", "of_refusal"]

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Names in lower case, and values. A name may come more than once (`set-cookie`)."""

UNBUFFERED: Mapping[str, str] = {"x-accel-buffering": "no"}
"""The header that keeps nginx from collecting the frames."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def checked(given: Any) -> dict[str, str]:
    """Return the headers that a caller gives, names in lower case.

    Raises StreamMisused for one that would break out of its line, and for one that says where the body ends.
    """
    own = {name.lower(): value for name, value in header_values("headers", given or {}).items()}
    for name, value in own.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise StreamMisused(
                f"headers[{safe_name(name)!r}]: has a line break, or another character that is not allowed"
            )
    return own


def of_answer(writer: Writer, stream_id: str | None, own: Headers) -> Headers:
    """Return the headers of a response with an answer in this format."""
    named = {} if stream_id is None else {"x-stream-id": stream_id}
    said = {"content-type": writer.media_type, **UNBUFFERED, **writer.headers, **named}
    return [*_without(said.items(), own), *own]


def of_refusal(refusal: Refusal, own: Headers) -> Headers:
    """Return the headers of a response without an answer. What they say of its body is over the caller's own."""
    said = [*refusal.headers.items(), ("content-length", str(len(refusal.body)))]
    return [*_without(own, said), *said]


def _without(headers: Iterable[tuple[str, str]], others: Headers) -> Headers:
    """Return the headers that are not among the others."""
    named = {name for name, _ in others}
    return [(name, value) for name, value in headers if name not in named]
