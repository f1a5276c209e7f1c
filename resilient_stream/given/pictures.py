"""Brings the address of a picture into one form: a link, or a data URL with a media type that providers know.

What is clearly meant is corrected (`jpg`, capitals, parameters, base64 without its prefix, a wrong media type).
Anything else is refused by name, before anything is sent. A picture is not fetched or decoded; its first bytes tell its
type.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes, urlsplit

from ..text.harmless import safe_name

__all__ = ["canonical", "standard"]

_LINK = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_PDF = "a PDF is no picture: give it as FilePart(url=…), FilePart(data=…) or FilePart.from_file(…)"
_OTHERS = ("audio/", "video/", "text/")
_PDF_DATA = "JVBERi0"
"""The base64 text that every PDF begins with."""
_LOOKED_AT = 32
"""Characters of base64 that are enough to know a picture by."""

_ALIASES: Mapping[str, str] = {
    "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/jfif": "image/jpeg", "image/x-jpeg": "image/jpeg",
    "image/x-png": "image/png", "image/apng": "image/png", "image/x-webp": "image/webp", "image/x-gif": "image/gif",
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp",
}  # fmt: skip
_MAGIC = re.compile(rb"(?s)(?P<png>\x89PNG)|(?P<jpeg>\xff\xd8\xff)|(?P<gif>GIF8)|(?P<webp>RIFF....WEBP)")


def canonical(url: str) -> str:
    """Return the same picture in the one form. Raises ValueError for what is neither a link nor a picture's data."""
    given = url.strip()
    if given[:5].lower() == "data:":
        return _data_url(given[5:])
    if _LINK.match(given):
        if urlsplit(given).path.lower().endswith(".pdf"):
            raise ValueError(_PDF)
        return given
    body = standard(given)
    kind = _known_by(body) if body else None
    if body is not None and body.startswith(_PDF_DATA):
        raise ValueError(_PDF)
    if body is None or kind is None:
        raise ValueError(
            "give an https URL, a data URL (data:image/png;base64,…), or the base64 text of a PNG, JPEG, GIF or WebP"
        )
    return f"data:{kind};base64,{body}"


def _data_url(rest: str) -> str:
    head, comma, data = rest.partition(",")
    declared, *parameters = (part.strip().lower() for part in head.split(";"))
    if not comma:
        raise ValueError("a data URL has a comma in front of its data: data:image/png;base64,…")
    if "base64" in parameters:
        body = standard(unquote_to_bytes(data).decode("ascii", "replace") if "%" in data else data)
    else:
        body = base64.b64encode(unquote_to_bytes(data)).decode()
    if body is None:
        raise ValueError("the data of this data URL is not base64 text")
    kind = _ALIASES.get(declared, declared)
    if kind == "application/pdf" or body.startswith(_PDF_DATA):
        raise ValueError(_PDF)
    kind = _known_by(body) or kind or "image/png"  # providers refuse a picture of another type than its bytes show
    if kind.startswith(_OTHERS):
        raise ValueError(f"this is no picture, but {safe_name(kind)}: give it as a FilePart")
    return f"data:{kind};base64,{body}"


def standard(text: str) -> str | None:
    """Return base64 text with its usual letters, its padding and no white space; None for other text."""
    body = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    if len(body) % 4 == 1 or not _BASE64.fullmatch(body):
        return None
    return body + "=" * (-len(body) % 4)


def _known_by(body: str) -> str | None:
    """Return the media type that the first bytes show; None for any but the four that all providers know."""
    try:
        found = _MAGIC.match(base64.b64decode(body[:_LOOKED_AT]))
    except binascii.Error:
        return None
    return f"image/{found.lastgroup}" if found else None
