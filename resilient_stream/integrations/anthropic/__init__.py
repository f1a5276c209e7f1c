"""Serves Anthropic's Messages API over a `Client`: for its SDK, for what stands on it, and for whatever speaks
`/v1/messages`.

`ResilientTransport` puts a client under the SDK. `read_request` reads the body of a request, `Writer` writes the answer
as its stream, `write_whole` as one object; these are pure.
"""

from __future__ import annotations

from ..refused import Refused
from .api import ANTHROPIC
from .blocks import BLOCKS
from .errors import refusal, refusal_of
from .fields import FIELDS
from .reader import Asked, read_message_request, read_request
from .transport import ResilientTransport
from .writer import MessagesWriter, write_whole

__all__ = [
    "ANTHROPIC",
    "BLOCKS",
    "FIELDS",
    "Asked",
    "MessagesWriter",
    "Refused",
    "ResilientTransport",
    "Writer",
    "read_message_request",
    "read_request",
    "refusal",
    "refusal_of",
    "write_whole",
]

Writer = MessagesWriter
"""The writer of a web response with the format of Anthropic's API."""
