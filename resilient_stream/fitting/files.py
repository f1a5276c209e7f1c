"""Knows which files a target takes, and sends text files as text where it takes them only so.

A text file can be read by every model, so where a dialect has no place for it, it is sent as text with its name around
it. Any other file that a target does not take is refused before anything is sent, with what it would take instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from ..contract import Request
from ..messages import FilePart, Message, Part, TextPart

__all__ = ["ALL_FILES", "KINDS", "WAYS", "files_of", "forms", "refused", "with_texts"]

KINDS: Mapping[str, str] = {
    "pdf": "PDF files",
    "text": "text files",
    "office": "office documents",
    "audio": "audio files",
    "video": "video files",
    "image": "pictures",
    "other": "files of this type",
}
"""The words for the kinds of files, in messages."""

WAYS: Mapping[str, str] = {"data": "their bytes, data=", "url": "a link, url=", "id": "the id of an upload, id="}
"""The words for the ways in which a file may be given."""


def forms(**ways: str) -> frozenset[str]:
    """Return a set for `Capabilities.files`, from the ways of each kind: `forms(pdf="data url")`."""
    return frozenset(f"{kind} {way}" for kind, given in ways.items() for way in given.split())


ALL_FILES = forms(**dict.fromkeys(KINDS, " ".join(WAYS)))


def files_of(messages: tuple[Message, ...]) -> Iterator[FilePart]:
    """Return the files in messages. A message of one text costs no more than a look."""
    for message in messages:
        if not isinstance(message.content, str):
            yield from (part for part in message.content if isinstance(part, FilePart))


def refused(request: Request, taken: frozenset[str]) -> str | None:
    """Return the first file that cannot be sent, in words, with what would do; None when all can."""
    for part in files_of(request.messages):
        if f"{part.kind} {part.way}" not in taken and part.plain_text is None:
            others = [WAYS[way] for way in WAYS if f"{part.kind} {way}" in taken]
            advice = f" (give {' or '.join(others)})" if others else ""
            return f"{KINDS[part.kind]}{_by_which_way(part) if others else ''}{advice}"
    return None


def with_texts(request: Request, taken: frozenset[str]) -> Request:
    """Return the request with text files as text, where the dialect has no place for them."""
    if "text data" in taken or not any(part.plain_text is not None for part in files_of(request.messages)):
        return request
    return dataclasses.replace(request, messages=tuple(map(_with_file_texts, request.messages)))


_QUOTE = '"'


def _with_file_texts(message: Message) -> Message:
    if isinstance(message.content, str) or not any(isinstance(part, FilePart) for part in message.content):
        return message
    return message.model_copy(update={"content": tuple(map(_as_text, message.content))})


def _as_text(part: Part) -> Part:
    if not isinstance(part, FilePart) or (text := part.plain_text) is None:
        return part
    name = f' name="{part.name.replace(_QUOTE, "")}"' if part.name else ""
    return TextPart(text=f"\n<document{name}>\n{text}\n</document>\n")


def _by_which_way(part: FilePart) -> str:
    return f" by {WAYS[part.way].rpartition(', ')[0]}"
