"""Describes OpenAI's API for `Service`: which path is read by what, and what writes its answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ...delivery import new_id
from ...formats.writer import About, Refusal, Writer
from ...outcome.errors import StreamError
from ...outcome.transcript import Transcript
from ...target import Target
from ..refused import Refused
from ..service import Api, Endpoint
from .chat_reader import read_chat
from .chat_whole import write_whole
from .chat_writer import ChatWriter
from .errors import refusal, refusal_of, request_headers
from .fields import Asked, for_targets
from .responses_reader import read_responses
from .responses_whole import write_response
from .responses_writer import ResponsesWriter

__all__ = ["OPENAI", "model_list"]


def _named(read: Callable[[bytes], Asked]) -> Callable[[bytes], Asked]:
    """Return a reader that gives each request an id, too."""
    return lambda body: msgspec.structs.replace(read(body), request_id=_new_id())


def _new_id() -> str:
    return f"req_{new_id()}"


def _headers(asked: Asked) -> Mapping[str, str]:
    return request_headers(asked.request_id)


def _for_chat(asked: Asked, targets: Sequence[Target]) -> Asked:
    return for_targets(asked, targets, "chat")


def _chat_writer(asked: Asked, advice: bool) -> Writer:
    return ChatWriter(include_usage=asked.include_usage, request_id=asked.request_id, advice=advice)


def _chat_whole(asked: Asked, transcript: Transcript, about: About) -> bytes:
    return write_whole(transcript, about)


def _for_responses(asked: Asked, targets: Sequence[Target]) -> Asked:
    return for_targets(asked, targets, "responses")


def _responses_writer(asked: Asked, advice: bool) -> Writer:
    return ResponsesWriter(asked.body, request_id=asked.request_id, advice=advice)


def _responses_whole(asked: Asked, transcript: Transcript, about: About) -> bytes:
    return write_response(transcript, about, asked.body)


def _refusal(error: StreamError, advice: bool) -> Refusal:
    return refusal(error, _new_id(), advice=advice)


def _refusal_of(refused: Refused) -> Refusal:
    return refusal_of(refused, _new_id())


def model_list(names: Sequence[str], path: str) -> bytes | None:
    """Return the list of models, or one of them; None where the path is that of neither. Raises Refused for a model
    that there is not."""
    _, found, name = path.partition("/models")
    if not found or (name and not name.startswith("/")):
        return None
    if not name.strip("/"):
        return msgspec.json.encode({"object": "list", "data": [_model(each) for each in names]})
    if name[1:] not in names:
        raise Refused(f"There is no model {name[1:101]!r}.", "model", status=404, code="model_not_found")
    return msgspec.json.encode(_model(name[1:]))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": name.partition(":")[0]}


OPENAI = Api(
    endpoints={
        "/chat/completions": Endpoint(_named(read_chat), _for_chat, _chat_writer, _chat_whole, _headers),
        "/responses": Endpoint(_named(read_responses), _for_responses, _responses_writer, _responses_whole, _headers),
    },
    models=model_list, refusal=_refusal, refusal_of=_refusal_of,
)  # fmt: skip
