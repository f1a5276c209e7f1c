"""Serves OpenAI's API over a `Client`: for its SDK, for what stands on it, and for whatever speaks its chat
completions.

`read_request` reads the body of a request, `Writer` writes the answer as its stream, `write_whole` as one object;
`read_responses`, `ResponsesWriter` and `write_response` do the same for the Responses API. All of that is pure.
 `ResilientTransport` serves it under the SDK, without a server.
"""

from __future__ import annotations

from ..body import MAX_BODY
from ..refused import Refused
from .api import OPENAI
from .chat_reader import CHAT_FIELDS, read_chat, read_request
from .chat_whole import write_whole
from .chat_writer import ChatWriter
from .errors import refusal, refusal_of
from .fields import Asked, for_targets
from .responses_reader import RESPONSES_FIELDS, read_responses
from .responses_whole import write_response
from .responses_writer import ResponsesWriter
from .transport import ResilientTransport

__all__ = [
    "CHAT_FIELDS",
    "MAX_BODY",
    "OPENAI",
    "RESPONSES_FIELDS",
    "Asked",
    "ChatWriter",
    "Refused",
    "ResilientTransport",
    "ResponsesWriter",
    "Writer",
    "for_targets",
    "read_chat",
    "read_request",
    "read_responses",
    "refusal",
    "refusal_of",
    "write_response",
    "write_whole",
]

Writer = ChatWriter
"""The writer of a web response with `format="openai"`."""
