"""Reads what a caller gives as a file: its bytes, its media type, and its kind, which models tell apart.

A file is read when its part is made, so that nothing is opened while an answer is awaited. Only a regular file of a
bounded size is read; a pipe or a device could block, or never end. No content is ever in a message.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Mapping
from pathlib import PurePath
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from ..failures import StreamMisused
from .pictures import standard

__all__ = [
    "MOST_BYTES",
    "FileKind",
    "as_base64",
    "data_of_url",
    "ending_of",
    "kind_of",
    "known_type",
    "name_of",
    "read",
    "type_of",
]

FileKind: TypeAlias = Literal["pdf", "text", "office", "audio", "video", "image", "other"]

MOST_BYTES = 100 * 1024 * 1024
"""Bytes of one file at most: as much as the most generous provider takes inside a request."""

_TYPES: Mapping[str, str] = {
    "pdf": "application/pdf",
    "txt": "text/plain", "text": "text/plain", "log": "text/plain", "md": "text/markdown", "markdown": "text/markdown",
    "csv": "text/csv", "tsv": "text/tab-separated-values", "html": "text/html", "htm": "text/html", "css": "text/css",
    "xml": "text/xml", "json": "application/json", "jsonl": "application/jsonl", "yaml": "text/yaml",
    "yml": "text/yaml", "toml": "text/plain", "ini": "text/plain", "py": "text/x-python", "js": "text/javascript",
    "ts": "text/plain", "sql": "text/plain", "sh": "text/plain", "c": "text/plain", "h": "text/plain",
    "cpp": "text/plain", "java": "text/plain", "go": "text/plain", "rs": "text/plain", "rb": "text/plain",
    "tex": "text/plain", "rtf": "application/rtf",
    "doc": "application/msword", "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text", "epub": "application/epub+zip",
    "mp3": "audio/mpeg", "wav": "audio/wav", "m4a": "audio/mp4", "ogg": "audio/ogg", "oga": "audio/ogg",
    "opus": "audio/opus", "flac": "audio/flac", "aac": "audio/aac", "aiff": "audio/aiff",
    "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime", "mpeg": "video/mpeg", "mpg": "video/mpeg",
    "webm": "video/webm", "mkv": "video/x-matroska", "avi": "video/x-msvideo", "wmv": "video/x-ms-wmv",
    "flv": "video/x-flv", "3gp": "video/3gpp",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "heic": "image/heic", "heif": "image/heif", "bmp": "image/bmp", "tiff": "image/tiff",
}  # fmt: skip
"""Media types by the ending of a file's name. Python's own table depends on the machine, and costs its loading."""

_ALIASES: Mapping[str, str] = {
    "application/x-pdf": "application/pdf", "audio/mp3": "audio/mpeg", "audio/x-mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "audio/vnd.wave": "audio/wav", "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4", "audio/x-flac": "audio/flac", "audio/x-aac": "audio/aac", "image/jpg": "image/jpeg",
    "video/mov": "video/quicktime", "application/xml": "text/xml", "application/x-yaml": "text/yaml",
    "application/yaml": "text/yaml", "application/x-ndjson": "application/jsonl", "text/x-markdown": "text/markdown",
    "application/javascript": "text/javascript", "text/rtf": "application/rtf",
}  # fmt: skip

_MAGIC: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"%PDF-"), "application/pdf"),
    (re.compile(rb"(?s)RIFF....WAVE"), "audio/wav"),
    (re.compile(rb"ID3|\xff[\xfb\xf3\xf2]"), "audio/mpeg"),
    (re.compile(rb"OggS"), "audio/ogg"),
    (re.compile(rb"fLaC"), "audio/flac"),
    (re.compile(rb"(?s)....ftypM4A"), "audio/mp4"),
    (re.compile(rb"(?s)....ftyp(isom|mp4|avc1|M4V)"), "video/mp4"),
    (re.compile(rb"\x89PNG"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8"), "image/gif"),
    (re.compile(rb"(?s)RIFF....WEBP"), "image/webp"),
)
_LOOKED_AT = 24
"""Characters of base64 that are enough to know a file by."""

_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+*_-]+")
_TEXTS = frozenset({"application/json", "application/jsonl"})
_OFFICE = re.compile(r"application/(msword|rtf|epub|vnd\.(ms-|openxmlformats|oasis))")


def kind_of(media_type: str | None) -> FileKind:
    """Return the kind of a file, as models tell them apart. An uploaded file of no known type is a document."""
    if media_type in (None, "application/pdf"):
        return "pdf"
    general = media_type.partition("/")[0]
    if general in ("audio", "video", "image"):
        return general  # type: ignore[return-value]  # these words are kinds
    if general == "text" or media_type in _TEXTS:
        return "text"
    return "office" if _OFFICE.match(media_type) else "other"


def known_type(declared: str) -> str:
    """Return a media type in its usual spelling. Raises ValueError for a text that is no media type."""
    plain = declared.partition(";")[0].strip().lower()
    made = _ALIASES.get(plain, _TYPES.get(plain.lstrip("."), plain))
    if not _MEDIA_TYPE.fullmatch(made):
        raise ValueError("media_type: give one like application/pdf, audio/wav or text/plain")
    return made


def type_of(name: str | None, url: str | None, data: str | None) -> str | None:
    """Return the media type that a file's first bytes, its name or its address show; None where nothing does."""
    seen = _known_by(data) if data else None
    return seen or _TYPES.get(ending_of(name or "")) or _TYPES.get(ending_of(urlsplit(url or "").path))


def ending_of(name: str) -> str:
    """Return the ending of a name in small letters, without the dot."""
    return name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name else ""


def as_base64(data: str | bytes | bytearray | memoryview) -> str:
    """Return a file's bytes, or the base64 text of them, as base64 text. Raises ValueError for data that is too large,
    empty or not base64."""
    size = len(data) * 3 // 4 if isinstance(data, str) else len(data)
    if size > MOST_BYTES:
        raise ValueError(f"data: {_too_large(size)}")
    made = standard(data) if isinstance(data, str) else base64.b64encode(data).decode()
    if made is None:
        raise ValueError("data: give bytes, or their base64 text; for a path, use from_file()")
    if not made:
        raise ValueError("data: the file is empty")
    return made


def data_of_url(url: str) -> tuple[str, str | None] | None:
    """Return the base64 text and the media type of a data URL; None for another address."""
    head, comma, body = url.partition(",")
    if not comma or head[:5].lower() != "data:":
        return None
    declared = head[5:].partition(";")[0].strip() or None
    whole = ";base64" in head.lower()
    return as_base64(body if whole else unquote(body).encode()), declared


def read(path: str | os.PathLike[str], maker: str) -> bytes:
    """Return a file's bytes. Raises StreamMisused, which names the file, if it is missing, too large, empty, or no
    file."""
    shown = f"{maker}({str(path)!r})"
    try:
        # Without O_NONBLOCK, opening a pipe would wait for whoever writes to it.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError, TypeError) as error:  # a name with a NUL in it is a ValueError
        raise StreamMisused(f"{shown}: {getattr(error, 'strerror', None) or error}") from None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise StreamMisused(f"{shown}: {_kind_of_mode(status.st_mode)}, not a file")
        with open(file, "rb", closefd=False) as opened:
            # A file of the system's that has nothing to be read now gives None.
            data = (opened.read(MOST_BYTES + 1) or b"") if status.st_size <= MOST_BYTES else b""
    except OSError as error:
        raise StreamMisused(f"{shown}: {error.strerror or error}") from None
    finally:
        os.close(file)
    if (size := max(status.st_size, len(data))) > MOST_BYTES:
        raise StreamMisused(f"{shown}: {_too_large(size)}")
    if not data:
        raise StreamMisused(f"{shown}: the file is empty")
    return data


def name_of(path: str | os.PathLike[str]) -> str:
    """Return the name that a provider is told, without directories."""
    return PurePath(path).name


def _known_by(data: str) -> str | None:
    head = base64.b64decode(data[:_LOOKED_AT])
    return next((media_type for pattern, media_type in _MAGIC if pattern.match(head)), None)


def _kind_of_mode(mode: int) -> str:
    names = ((stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for test, name in names if test(mode)), "a device")


def _too_large(size: int) -> str:
    most = MOST_BYTES // (1024 * 1024)
    return f"{size:,} bytes are more than the {most} MiB that a request can have; give a url, or the id of an upload"
