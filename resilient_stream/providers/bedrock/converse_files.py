"""Encodes files for Bedrock's Converse API: documents, videos and audio, each in one of some named formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...fitting.files import KINDS
from ...fitting.told import refusal
from ...messages import FilePart

__all__ = ["encode_file"]


def encode_file(part: FilePart) -> dict[str, Any]:
    """Return a document, a video or audio, by its data or its s3:// address. Only some formats have a name."""
    form = _FORMATS.get(part.media_type or "")
    if form is None:
        raise refusal(f"{KINDS[part.kind]} of this format")
    place, name = form
    source = {"bytes": part.data} if part.data is not None else {"s3Location": {"uri": part.url}}
    made: dict[str, Any] = {"format": name, "source": source}
    if place != "document":
        return {place: made}
    cited = {"citations": {"enabled": True}} if part.citations else {}
    return {place: {**made, "name": _document_name(part.name), **cited}}


def _document_name(name: str | None) -> str:
    """Return a name as the API takes it: letters, digits, single spaces, hyphens, brackets."""
    plain = re.sub(r"[^A-Za-z0-9()\[\]-]+", " ", (name or "").rpartition(".")[0] or name or "").strip()
    return plain[:200] or "document"


_FORMATS: Mapping[str, tuple[str, str]] = {
    "application/pdf": ("document", "pdf"), "text/csv": ("document", "csv"), "text/html": ("document", "html"),
    "text/plain": ("document", "txt"), "text/markdown": ("document", "md"), "application/msword": ("document", "doc"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("document", "docx"),
    "application/vnd.ms-excel": ("document", "xls"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("document", "xlsx"),
    "application/json": ("document", "txt"), "application/jsonl": ("document", "txt"), "text/xml": ("document", "txt"),
    "text/yaml": ("document", "txt"), "text/x-python": ("document", "txt"), "text/javascript": ("document", "txt"),
    "text/css": ("document", "txt"), "text/tab-separated-values": ("document", "txt"),
    "video/mp4": ("video", "mp4"), "video/quicktime": ("video", "mov"), "video/x-matroska": ("video", "mkv"),
    "video/webm": ("video", "webm"), "video/x-flv": ("video", "flv"), "video/mpeg": ("video", "mpeg"),
    "video/x-ms-wmv": ("video", "wmv"), "video/3gpp": ("video", "three_gp"),
    "audio/mpeg": ("audio", "mp3"), "audio/wav": ("audio", "wav"), "audio/opus": ("audio", "opus"),
    "audio/aac": ("audio", "aac"), "audio/flac": ("audio", "flac"), "audio/mp4": ("audio", "m4a"),
    "audio/ogg": ("audio", "ogg"), "audio/webm": ("audio", "webm"),
}  # fmt: skip
"""For each media type its block and its format's name."""
