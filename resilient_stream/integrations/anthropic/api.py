"""Describes Anthropic's API for `Service`: which path is read by what, and what writes its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from ...delivery import new_id
from ...formats.writer import About, Refusal, Writer
from ...options import StreamOptions
from ...outcome.errors import StreamError
from ...outcome.transcript import Transcript
from ...target import Target
from ..refused import Refused
from ..service import Api, Endpoint
from .errors import refusal, refusal_of, request_headers
from .reader import Asked, read_message_request, with_headers
from .writer import MessagesWriter, write_whole

__all__ = ["ANTHROPIC", "for_targets", "model_list"]

NOT_COUNTED = (
    "Tokens are not counted here: each target counts in its own way. What an answer cost is in its usage, and a "
    "conversation that is too long for a target is answered with an error in these words."
)


def _read(body: bytes) -> Asked:
    return msgspec.structs.replace(read_message_request(body), request_id=_new_id())


def _new_id() -> str:
    return f"req_{new_id()}"


def for_targets(asked: Asked, targets: Sequence[Target]) -> Asked:
    """Return the request for those of the targets that can be sent all of it, in `to=`. Raises Refused for none."""
    passed = (asked.options.get("extra") or {}).get("anthropic!")
    able = [target for target in targets if passed is None or target.provider == "anthropic"]
    if targets and not able:
        name = next(iter(passed or ()), "messages")
        raise Refused(f"{name}: only Anthropic can be asked for this, and none of the targets is Anthropic's.", name)
    options: StreamOptions = {**asked.options, "to": able} if able else asked.options
    return msgspec.structs.replace(asked, options=_for_anthropic_alone(options))


def _for_anthropic_alone(options: StreamOptions) -> StreamOptions:
    """Return the options with the headers at Anthropic's targets, since some of them say who asks there."""
    to, headers = options.get("to"), options.get("headers")
    if not headers or not isinstance(to, list):
        return options
    targets = [
        _with_headers(target, headers) if target.provider == "anthropic" else target for target in map(Target.of, to)
    ]
    others: dict[str, Any] = {name: value for name, value in options.items() if name != "headers"}
    return cast(StreamOptions, {**others, "to": targets})


def _with_headers(target: Target, headers: Mapping[str, str]) -> Target:
    own = {name: value for name, value in (target.headers or {}).items() if name.lower() not in headers}
    return target.model_copy(update={"headers": {**own, **headers}})


def _writer(asked: Asked, advice: bool) -> Writer:
    return MessagesWriter(request_id=asked.request_id, advice=advice)


def _whole(asked: Asked, transcript: Transcript, about: About) -> bytes:
    return write_whole(transcript, about)


def _headers(asked: Asked) -> Mapping[str, str]:
    return request_headers(asked.request_id)


def _count(body: bytes) -> Any:
    raise Refused(NOT_COUNTED, status=404, code="not_served")


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
    if name.strip("/"):
        if name[1:] not in names:
            raise Refused(f"There is no model {name[1:101]!r}.", "model", status=404, code="model_not_found")
        return msgspec.json.encode(_model(name[1:]))
    ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
    return msgspec.json.encode({"data": [_model(each) for each in names], "has_more": False, **ends})


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}


ANTHROPIC = Api(
    endpoints={
        "/messages": Endpoint(_read, for_targets, _writer, _whole, _headers, with_headers),
        "/messages/count_tokens": Endpoint(_count, for_targets, _writer, _whole),
    },
    models=model_list, refusal=_refusal, refusal_of=_refusal_of,
)  # fmt: skip
