"""OpenAI's API over a `Client`: for its SDK, for what stands on it, and for whatever speaks its chat completions.

`read_request` reads the body of a request, `Writer` writes the answer as its stream, `write_whole` as one object.
All of that is pure. Which targets answer, and how an answer travels, is for whoever serves it.
"""

from __future__ import annotations

from ..refused import Refused
from .chat_reader import CHAT_FIELDS, read_chat, read_request
from .chat_whole import write_whole
from .chat_writer import ChatWriter
from .errors import refusal, refusal_of
from .fields import MAX_BODY, Asked, for_targets

__all__ = [
    "CHAT_FIELDS",
    "MAX_BODY",
    "Asked",
    "ChatWriter",
    "Refused",
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
