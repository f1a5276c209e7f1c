"""The formats of responses by name. A format's module is imported when the first response asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Literal, TypeAlias

from ..failures import StreamMisused
from ..formats.writer import Writer
from ..given.nearest import did_you_mean

__all__ = ["FORMATS", "Format", "writer_for"]

Format: TypeAlias = Literal["events", "text", "ndjson"]

FORMATS: Mapping[str, tuple[str, str]] = {
    "events": ("resilient_stream.formats.events", "EventsWriter"),
    "text": ("resilient_stream.formats.text", "TextWriter"),
    "ndjson": ("resilient_stream.formats.ndjson", "NdjsonWriter"),
}
"""The module and the class of each; without arguments it makes the writer of one answer."""


def writer_for(format: str | Writer) -> Writer:
    """Return the writer of one answer; a writer is returned as it is. Raises StreamMisused for an unknown name."""
    if not isinstance(format, str):
        return format
    if format not in FORMATS:
        raise StreamMisused(f"format={format!r} is none of {', '.join(FORMATS)}{did_you_mean(format, FORMATS)}")
    module, name = FORMATS[format]
    writer: Writer = getattr(import_module(module), name)()
    return writer
