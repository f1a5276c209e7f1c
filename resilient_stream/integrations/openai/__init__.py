"""OpenAI's API over a `Client`: for its SDK, for what stands on it, and for whatever speaks its chat completions.

`read_request` reads the body of a request, `Writer` writes the answer as its stream, `write_whole` as one object.
All of that is pure. `ResilientTransport` serves it under the SDK, without a server.
"""

from __future__ import annotations

from ..refused import Refused
from .api import OPENAI
from .chat_reader import CHAT_FIELDS, read_chat, read_request
from .chat_whole import write_whole
from .chat_writer import ChatWriter
from .errors import refusal, refusal_of
from .fields import MAX_BODY, Asked, for_targets
from .transport import ResilientTransport

__all__ = [
    "CHAT_FIELDS",
    "MAX_BODY",
    "OPENAI",
    "Asked",
    "ChatWriter",
    "Refused",
    "ResilientTransport",
    "Writer",
    "for_targets",
    "read_chat",
    "read_request",
    "refusal",
    "refusal_of",
    "write_whole",
]

Writer = ChatWriter
"""What a web response with `format="openai"` writes."""
