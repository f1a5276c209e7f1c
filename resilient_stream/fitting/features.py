"""Finds what a request asks for that its target cannot do, before anything is sent.

A feature is refused where the answer would be wrong without it: tools, pictures, a schema, an end at a stop sequence.
So is an option for which the whole dialect has no field, such as top_k: whoever gives it does not expect it to be
dropped. What almost every dialect has and only some models refuse (reasoning, temperature, seed) is left to the
adapter, which leaves it out; refusing it would remove targets from a chain that could answer. The adapter's
capabilities say what a provider can do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..contract import Capabilities, Request
from ..failures import ErrorKind, Failure
from ..messages import ImagePart
from . import hosted
from .files import files_of, refused

__all__ = ["FEATURES", "OPTIONS", "Feature", "unsupported"]


class Feature(NamedTuple):
    """Describes one feature: the column of `Capabilities`, a name for people, and whether a request asks for it."""

    capability: str
    name: str
    asked: Callable[[Request], bool]


def _has_picture(request: Request) -> bool:
    return any(isinstance(part, ImagePart) for message in request.messages for part in message.parts)


def _has_link(request: Request) -> bool:
    parts = (part for message in request.messages for part in message.parts)
    return any(isinstance(part, ImagePart) and part.data() is None for part in parts)


def _has_cited(request: Request) -> bool:
    return any(part.citations for part in files_of(request.messages))


def _forces_a_call(request: Request) -> bool:
    return request.tool_choice not in (None, "auto", "none")


def _is_given(name: str, request: Request) -> bool:
    return getattr(request, name) not in (None, {})


OPTIONS: Mapping[str, str] = {
    "top_k": "choosing among a number of likeliest words",
    "presence_penalty": "a penalty for words that were used",
    "frequency_penalty": "a penalty for words that were used often",
    "user": "the name of an end user",
    "headers": "headers of one call",
}
"""Options of a call that some dialects have no field for, in words."""

FEATURES: tuple[Feature, ...] = (
    Feature("tools", "tools", lambda request: bool(request.tools)),
    Feature("images", "images", _has_picture),
    Feature("image_links", "images by link (a data URL would do)", _has_link),
    Feature("citations", "citations of passages in a file (citations=True)", _has_cited),
    Feature("forced_tools", "demanding a tool call (tool_choice=)", _forces_a_call),
    Feature("stop", "stop sequences (stop=)", lambda request: bool(request.stop)),
    *(Feature(name, f"{words} ({name}=)", functools.partial(_is_given, name)) for name, words in OPTIONS.items()),
    Feature("output", "a JSON schema for the answer (output=)", lambda request: request.output is not None),
    Feature("whole", "an answer in one piece (stream=False)", lambda request: not request.stream),
)


def unsupported(request: Request, able: Capabilities) -> Failure | None:
    """Return the first feature that the request's model lacks, as a failure; None when it has them all."""
    lacking = next((row.name for row in FEATURES if not getattr(able, row.capability) and row.asked(request)), None)
    lacking = lacking or refused(request, able.files) or hosted.refused(request, able)
    if lacking is None and request.extra:
        from . import own_fields  # imported late, since most calls have no `extra`

        lacking = own_fields.refused(request)
    if lacking is None:
        return None
    facts = {"feature": lacking}
    return Failure(kind=ErrorKind.UNSUPPORTED_FEATURE, code="not_sent", facts=facts)
