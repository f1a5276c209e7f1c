"""Reads requests of Anthropic's Messages API: messages for `client.stream`, and options.

`FIELDS` says for each field of the API what becomes of it, `BLOCKS` for the content of messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from ...failures import StreamMisused
from ...fitting.pairing import check_results
from ...given.checks import check_depth
from ...messages import Message
from ...options import StreamOptions
from ..body import MAX_BODY, body_of
from ..refused import Refused, misused
from .fields import read_fields

__all__ = ["PASSED_HEADERS", "Asked", "read_message_request", "read_request", "with_headers"]

PASSED_HEADERS = ("anthropic-beta", "anthropic-user-profile-id", "anthropic-workspace-id")
"""Headers of a request that ask for something, and go to the targets."""

MOST_LEVELS = 200


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a request that was read.

    messages, options: for `client.stream(messages, **options)`. model: the name that was asked for; which targets that
    means is for whoever serves it. stream: whether the answer is wanted piece by piece. request_id: what it is called.
    """

    messages: tuple[Message, ...]
    options: StreamOptions
    model: str
    stream: bool = False
    request_id: str | None = None


def read_request(body: bytes, headers: Mapping[str, str] | None = None) -> tuple[tuple[Message, ...], StreamOptions]:
    """Read the body of a request to `/v1/messages`: `client.stream(messages, **options)` asks the same.

    Pure. headers: those of the request, of which `PASSED_HEADERS` are read. Raises Refused.
    """
    asked = with_headers(read_message_request(body), headers or {})
    return asked.messages, asked.options


def read_message_request(data: bytes, limit: int = MAX_BODY) -> Asked:
    """Read the body of a request, with what the answer's form depends on. Raises Refused."""
    body = body_of(data, limit)
    for name, kind, said in (("model", str, "text"), ("messages", list, "list"), ("max_tokens", int, "number")):
        if not isinstance(body.get(name), kind):
            raise Refused(f"{name}: a request needs this field, and it is a {said}", name)
    try:
        check_depth("the request", body, MOST_LEVELS)
        reading = read_fields(body)
        check_results(reading.messages)
    except StreamMisused as error:
        raise misused(error) from None
    options = {**reading.options, "extra": reading.extra} if reading.extra else reading.options
    return Asked(
        messages=tuple(reading.messages), options=cast(StreamOptions, options), model=body["model"],
        stream=body.get("stream") is True,
    )  # fmt: skip


def with_headers(asked: Asked, headers: Mapping[str, str]) -> Asked:
    """Return the request with those of its headers that ask for something."""
    given = {name.lower(): value for name, value in headers.items()}
    passed = {name: given[name] for name in PASSED_HEADERS if given.get(name)}
    options: StreamOptions = {**asked.options, "headers": passed}
    return msgspec.structs.replace(asked, options=options) if passed else asked
