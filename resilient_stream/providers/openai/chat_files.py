"""Reads the pictures and recordings of an answer as files: data URLs, links, base64 in many pieces.

A recording comes in pieces of its bytes and of its words, and is given whole at the answer's end, or with what has come
when it is cut. `native` is the field of the assistant's turn in which a host takes the file back; hosts that take none
get the file's words. No host's name stands in this module.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...chunks import File
from ...given.files import type_of
from ..shared.encoded import UNKNOWN_TYPE, Pieces, bytes_of, in_data_url, type_by_bytes
from ..shared.holdings import Holdings
from ..shared.values import object_of, text_of

__all__ = ["ANY_FILM", "ANY_PICTURE", "ANY_SOUND", "Recording", "file_of"]

ANY_PICTURE = "image/*"
ANY_SOUND = "audio/*"
ANY_FILM = "video/*"

_FORMATS: Mapping[str, str] = {
    "wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "opus": "audio/opus", "aac": "audio/aac",
    "pcm16": "audio/pcm",
}  # fmt: skip
"""The formats that a request asks for, as media types."""

_PLACES = ("image_url", "image", "input_image", "url", "data", "b64_json", "input_audio", "audio", "file_data")
"""Where a picture or another file may stand in an item."""


class Recording:
    """Collects the recording of one answer. format: the one that the request asked for."""

    __slots__ = ("_bytes", "_fields", "_format", "_given", "_holdings", "_words")

    def __init__(self, holdings: Holdings, format: str = "") -> None:
        self._holdings = holdings
        self._format = format
        self._bytes = Pieces()
        self._words: list[str] = []
        self._fields: dict[str, Any] = {}
        self._given = False

    def add(self, piece: dict[str, Any]) -> bool:
        """Take the next piece: bytes, words, or the recording's id. Return whether its bytes could be read."""
        self._fields.update({name: piece[name] for name in ("id", "expires_at") if piece.get(name) is not None})
        if words := text_of(piece.get("transcript")):
            self._holdings.piece(words)
            self._words.append(words)
        added = self._bytes.add(text_of(piece.get("data")))
        self._holdings.take(added or 0)
        return added is not None

    def file(self) -> list[File]:
        """Return the recording with what has come of it, once; nothing where there was none."""
        data, words, id = self._bytes.end(), "".join(self._words), text_of(self._fields.get("id"))
        if self._given or not (data or words or id):
            return []
        self._given = True
        kind = _FORMATS.get(self._format) or type_by_bytes(data)
        kind = ANY_SOUND if kind == UNKNOWN_TYPE else kind
        return [File(kind, data or None, id=id, text=words, native={"audio": self._fields})]


def file_of(item: Any, returns: Collection[str] = (), kind: str = ANY_PICTURE) -> File | None:
    """Return a picture, or another file, by its address or its data; None for what is none.

    returns: the fields of a turn in which the host takes back what it gave. kind: the media type if nothing tells it.
    """
    said = object_of(item)
    if id := text_of(said.get("file_id")):
        return File(text_of(said.get("file_type")) or UNKNOWN_TYPE, id=id)
    where = item if isinstance(item, str) else _address(said)
    if not where:
        return None
    taken = "images" in returns
    native = {"images": [item] if taken else []}
    if (found := in_data_url(where)) is not None:
        return File(found[0], found[1], native=native)
    if "://" in where:
        declared = text_of(said.get("media_type")) or type_of(None, where, None)
        return File(declared or kind, url=where, native=native if taken else None)
    if not (data := bytes_of(where)):
        return None
    declared = text_of(said.get("media_type")) or text_of(said.get("mime_type")) or type_by_bytes(data)
    return File(kind if declared == UNKNOWN_TYPE else declared, data, native=native)


def _address(said: dict[str, Any]) -> str:
    """Return the address or data of a file, which may stand in an object of its own."""
    for name in _PLACES:
        value = said.get(name)
        if isinstance(value, dict):
            value = next((value[each] for each in ("url", "data") if text_of(value.get(each))), "")
        if found := text_of(value):
            return found
    return ""
