"""Finds the writer of a response by the name of its format, or takes one of the application's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Literal, TypeAlias

from ..failures import StreamMisused
from ..formats.writer import Writer
from ..given.nearest import did_you_mean
from ..text.harmless import safe_name

__all__ = ["FORMATS", "Format", "Name", "writer_for"]

Name: TypeAlias = Literal["events", "text", "ndjson", "openai", "ai-sdk"]
Format: TypeAlias = Name | Writer | Callable[[], Writer]
"""The name of a format, a writer for one answer, or what makes one: a class, or a function without arguments."""

FORMATS: Mapping[str, tuple[str, str]] = {
    "events": ("formats.events", "EventsWriter"),
    "text": ("formats.text", "TextWriter"),
    "ndjson": ("formats.ndjson", "NdjsonWriter"),
    "openai": ("integrations.openai.chat_writer", "ChatWriter"),
    "ai-sdk": ("formats.ai_sdk", "AiSdkWriter"),
}
"""Where the writer of each format is; it is imported when the format is first asked for."""

_PACKAGE = __name__.split(".")[0]


def writer_for(format: Format) -> Writer:
    """Return a new writer of this format, or the one that was given. Raises StreamMisused for anything else.

    A writer has the state of its answer, so one that is given serves a single response.
    """
    if isinstance(format, str):
        format = _writer_class(format)
    writer: Any = format() if callable(format) else format
    if not all(callable(getattr(writer, name, None)) for name in ("begin", "write", "end", "refusal")):
        raise StreamMisused(f"format: give a name ({', '.join(FORMATS)}) or a writer, not {type(writer).__name__}")
    made: Writer = writer
    return made


def _writer_class(name: str) -> Callable[[], Writer]:
    if name not in FORMATS:
        meant = did_you_mean(name, FORMATS) or f". There are {', '.join(FORMATS)}"
        raise StreamMisused(f"no format is called {safe_name(name)!r}{meant}")
    module, cls = FORMATS[name]
    made: Callable[[], Writer] = getattr(import_module(f"{_PACKAGE}.{module}"), cls)
    return made
