"""Reads whole blocks of Converse that are neither text nor the caller's: tools that Bedrock ran, pictures, citations.

    {"toolUse": {…, "type": "server_tool_use"}}   {"toolResult": {…}}   {"image": {"format": "png", "source": {…}}}

Each keeps its own form beside what is read of it, a block with a single field, since that is how it goes back.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any, TypeAlias

import msgspec

from ...chunks import File, ServerToolCall, ServerToolResult, Source
from ...contract import Batch
from ..shared.encoded import bytes_of
from ..shared.paired import Role
from ..shared.unmodelled import Unmodelled
from ..shared.values import list_of, object_of, text_of

__all__ = ["SOURCES", "OwnBlocks", "role_of", "source_of"]

SOURCES = "sources"
"""The field in which the pieces of a file's content are collected while it is streamed."""


def role_of(block: dict[str, Any]) -> Role | None:
    """Return what a block of the model's turn is to a tool that Bedrock runs. A call whose arguments are no object is
    refused like one without an id."""
    if "toolResult" in block:
        return Role(False, text_of(object_of(block["toolResult"]).get("toolUseId")))
    if "toolUse" not in block or "type" not in (use := object_of(block["toolUse"])):
        return None
    return Role(True, text_of(use.get("toolUseId")) if isinstance(use.get("input"), dict) else "")


class OwnBlocks:
    """Reads the blocks of one answer that are neither text nor the caller's. A result has no name of its own, so those
    of the calls are kept."""

    __slots__ = ("_names", "_unmodelled")

    def __init__(self, unmodelled: Unmodelled) -> None:
        self._unmodelled = unmodelled
        self._names: dict[str, str] = {}

    def chunks(self, field: str, block: dict[str, Any]) -> Batch:
        """Return the chunks of a block, given by its only field and what is in it."""
        read = _READERS.get(field)
        return (read and read(self, block)) or [self._unmodelled.block(field, {field: block})]

    def _call(self, use: dict[str, Any]) -> Batch:
        id, name, given = text_of(use.get("toolUseId")), text_of(use.get("name")), use.setdefault("input", {})
        self._names[id] = name
        arguments = given if isinstance(given, str) else msgspec.json.encode(given).decode()
        return [ServerToolCall(id, name, arguments, given if isinstance(given, dict) else None, {"toolUse": use})]

    def _result(self, result: dict[str, Any]) -> Batch:
        id = text_of(result.get("toolUseId"))
        result["content"] = _joined(list_of(result.get("content")))
        name = self._names.get(id) or text_of(result.get("type")).removesuffix("_result")
        failed = result.get("status") == "error"
        return [ServerToolResult(id, name, result["content"], failed, {"toolResult": result})]

    def _image(self, image: dict[str, Any]) -> Batch:
        return _file("image", image)

    def _audio(self, audio: dict[str, Any]) -> Batch:
        return _file("audio", audio)


_Reader: TypeAlias = Callable[[OwnBlocks, dict[str, Any]], Batch]

_READERS: Mapping[str, _Reader] = {
    "toolUse": OwnBlocks._call,
    "toolResult": OwnBlocks._result,
    "image": OwnBlocks._image,
    "audio": OwnBlocks._audio,
}


def _file(field: str, block: dict[str, Any]) -> Batch:
    """Return a file with its bytes or its place; no chunk for a block that has neither, such as one that failed."""
    pieces = block.pop(SOURCES, None)
    sources = list(map(object_of, list_of(pieces) if pieces else [block.get("source")]))
    data = [found for source in sources if (found := bytes_of(source.get("bytes"))) is not None]
    url = next((text_of(object_of(source.get("s3Location")).get("uri")) for source in sources), "")
    if len(data) > 1:
        block["source"] = {"bytes": base64.b64encode(b"".join(data)).decode()}
    elif sources[0]:
        block["source"] = sources[0]
    kind = f"{field}/{text_of(block.get('format')) or 'unknown'}"
    return [File(kind, b"".join(data) if data else None, url, native={field: block})] if data or url else []


def _joined(content: list[Any]) -> list[Any]:
    """Return a result's pieces with neighbouring texts joined, as the result would have come in one piece."""
    made: list[Any] = []
    for texts, group in groupby(content, _is_text):
        run = list(group)
        made += [{"text": "".join(piece["text"] for piece in run)}] if texts else run
    return made


def _is_text(piece: Any) -> bool:
    return isinstance(piece, dict) and piece.keys() == {"text"} and isinstance(piece["text"], str)


def source_of(citation: Any, start: int | None, end: int | None) -> Source:
    """Return a citation as a source: a web page, a place in a document, a search result that the caller gave."""
    said = object_of(citation)
    place = next((each for each in object_of(said.get("location")).values() if isinstance(each, dict)), {})
    quoted = (text_of(object_of(each).get("text")) for each in list_of(said.get("sourceContent")))
    return Source(
        url=text_of(place.get("url")) or text_of(said.get("source")),
        title=text_of(said.get("title")) or text_of(place.get("domain")),
        quote="".join(quoted),
        start=start,
        end=end,
        native=citation,
    )
