"""Reads steps of an interaction that are neither text nor the caller's: tools that Google ran, files, annotations.

A tool's call is a step whose type ends in `_call`, its result one that ends in `_result`. Each keeps its own form
beside what is read of it, with its signature, since the steps of a conversation go back as they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...chunks import File, ServerToolCall, ServerToolResult, Source
from ...contract import Batch
from ..shared.encoded import UNKNOWN_TYPE, bytes_of
from ..shared.paired import Role
from ..shared.values import list_of, object_of, text_of
from .places import Place

__all__ = ["CITATIONS", "FILES", "OwnSteps", "file_of", "role_of", "source_of"]

FILES = frozenset({"image", "audio", "video", "document"})
"""The types of content that are files."""

CITATIONS = frozenset({"url_citation", "file_citation", "place_citation"})
"""The types of annotations that say what a passage rests on."""

_CALL, _RESULT = "_call", "_result"


def role_of(step: dict[str, Any]) -> Role | None:
    """Return what a step is to a tool that Google runs."""
    if (kind := step["type"]) == "function_call":
        return None
    if kind.endswith(_CALL):
        return Role(True, text_of(step.get("id")))
    return Role(False, text_of(step.get("call_id"))) if kind.endswith(_RESULT) else None


class OwnSteps:
    """Reads the steps of one answer that are neither text nor the caller's. Few results have a name of their own, so
    those of the calls are kept."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def chunks(self, kind: str, step: dict[str, Any]) -> Batch:
        """Return the chunks of a whole step; none for one of another kind."""
        if kind.endswith(_CALL):
            return [self._call(kind, step)]
        return [self._result(kind, step), *_files(step.get("result"))] if kind.endswith(_RESULT) else []

    def _call(self, kind: str, step: dict[str, Any]) -> ServerToolCall:
        """Return a call. A program's arguments are the program."""
        id, given = text_of(step.get("id")), step.get("arguments")
        name = self._names[id] = text_of(step.get("name")) or kind.removesuffix(_CALL)
        arguments = given if isinstance(given, str) else msgspec.json.encode(given or {}).decode()
        parsed = given if isinstance(given, dict) else None
        return ServerToolCall(id, name, text_of(object_of(given).get("code")) or arguments, parsed, step)

    def _result(self, kind: str, step: dict[str, Any]) -> ServerToolResult:
        id = text_of(step.get("call_id"))
        name = text_of(step.get("name")) or self._names.get(id) or kind.removesuffix(_RESULT)
        return ServerToolResult(id, name, step.get("result"), step.get("is_error") is True, step)


def _files(result: Any) -> Iterator[File]:
    """Yield the files that a tool made; the step of its result has them when it goes back."""
    for content in map(object_of, list_of(result)):
        if text_of(content.get("type")) in FILES and (file := file_of(content, None)) is not None:
            yield file


def file_of(content: dict[str, Any], native: Any) -> File | None:
    """Return a file with its bytes or a link to it; None for one that has neither."""
    data, url = bytes_of(content.get("data")), text_of(content.get("uri"))
    if data is None and not url:
        return None
    return File(text_of(content.get("mime_type")) or UNKNOWN_TYPE, data, url, native=native)


def source_of(annotation: dict[str, Any], place: Place) -> Source:
    """Return a citation as a source: a web page, a file of the caller's, a place on the map."""

    def first(*names: str) -> str:
        return next((text for name in names if (text := text_of(annotation.get(name)))), "")

    return Source(
        url=first("url", "document_uri"),
        title=first("title", "file_name", "name"),
        quote=first("source"),
        start=place[0],
        end=place[1],
        id=first("place_id", "media_id"),
    )
