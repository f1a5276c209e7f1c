"""Writes a whole answer as one response of the Responses API: what its stream ends with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...chunks import ToolCall
from ...formats.writer import About, Ending
from ...outcome.transcript import Transcript
from ..refused import Refused
from .pieces import UNTRUSTED, is_untrusted
from .responses_writer import ResponsesWriter

__all__ = ["write_response"]


def write_response(transcript: Transcript, about: About, body: Mapping[str, Any] | None = None) -> bytes:
    """Return the body of the response for a complete answer. Raises Refused for one that a client must not act on.

    body: the request, of which the response repeats some fields.
    """
    chunks = transcript._answer()
    for chunk in chunks:
        if isinstance(chunk, ToolCall) and is_untrusted(chunk):
            raise Refused(UNTRUSTED + (chunk.error or ""), status=502, code="model_output_invalid")
    target = transcript.target or ""
    writer = ResponsesWriter(body)
    writer.begin(msgspec.structs.replace(about, target=target))
    writer.write(chunks)
    ending = Ending("complete", None, transcript.finish_reason, transcript.usage, target=target)
    writer.end(ending)
    return msgspec.json.encode(writer.response(ending))
