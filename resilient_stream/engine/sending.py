"""Sends a request: it checks what the target lacks, finds the address, and has the dialect write the bytes."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from msgspec import structs

from ..contract import Adapter, Capabilities, Endpoint, HttpRequest, Outgoing, Request, Response
from ..credentials.endpoint import host_of, resolve
from ..events import AttemptStarted
from ..failures import ErrorKind, Failure
from ..fitting.features import unsupported
from ..fitting.files import with_texts
from ..fitting.signatures import for_its_target
from ..fitting.tool_names import renamed
from ..messages import Message
from ..outcome.errors import StreamError
from ..providers import families_of
from ..text.harmless import forget_variables
from .call import Call
from .origin import Origin

__all__ = ["NotSent", "send"]


class NotSent(Exception):
    """A request could not be made or opened, and `failure` says why. Never leaves the attempt."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


async def send(
    call: Call, origin: Origin, able: Capabilities, names: Mapping[str, str], connect: float | None
) -> Response:
    """Send an attempt's request, and return its answer's head. Raises NotSent, or what the transport raises.

    names: the tools' names that have to be changed. connect: seconds until there is a connection.
    """
    _load_what_a_failure_needs()
    asked, adapter, sending = origin.request, origin.adapter, origin.sending
    if (lacking := unsupported(asked, able)) is not None:
        raise NotSent(lacking)
    endpoint = sending.endpoint = await _endpoint(asked, adapter)
    request = _encoded(asked, adapter, able, names, endpoint)
    origin.host = host_of(request.url)
    record = sending.record
    assert record is not None
    call.transcript.attempts.append(record)
    call.emit(AttemptStarted, asked.target.name, asked.attempt, record, origin.host, asked.stream)
    if (more := call.observing.trace_headers) is not None and isinstance(request, HttpRequest):
        request = structs.replace(request, headers={**request.headers, **more(record)})
    # Without its body, which may be long and hides nothing: a prompt is no secret of the request that carries it.
    origin.sent = structs.replace(request, body=b"") if isinstance(request, HttpRequest) else request
    try:
        return await call.transport.open(request, connect, sending)
    except StreamError as error:  # the transport has named what happened
        raise NotSent(error.failure) from error.__cause__


async def _endpoint(asked: Request, adapter: Adapter) -> Endpoint:
    try:
        endpoint = await resolve(asked.target, adapter, asked.attempt)
    except StreamError as error:  # our own server did not start, or a key or an address is invalid
        forget_variables(error)
        raise NotSent(error.failure) from error
    except Exception as error:  # the user's own callable for the key
        reason = Failure(kind=ErrorKind.AUTHENTICATION, code="key_callable", detail=type(error).__name__)
        raise NotSent(reason) from error
    if isinstance(endpoint, Failure):
        raise NotSent(endpoint)
    return _with_headers(endpoint, asked.headers) if asked.headers else endpoint


def _with_headers(endpoint: Endpoint, headers: Mapping[str, str]) -> Endpoint:
    """Return the endpoint with a call's headers in place of the target's of the same names."""
    own = {name.lower() for name in headers}
    kept = {name: value for name, value in endpoint.headers.items() if name.lower() not in own}
    return structs.replace(endpoint, headers={**kept, **headers})


def _encoded(
    asked: Request, adapter: Adapter, able: Capabilities, names: Mapping[str, str], endpoint: Endpoint
) -> Outgoing:
    try:
        request = with_texts(asked, able.files)
        if _has_turns(request.messages):
            request = _with_fitting_turns(request, adapter, able, endpoint)
        return adapter.encode(renamed(request, names), endpoint)
    except StreamError as error:  # the dialect cannot express it
        raise NotSent(error.failure) from error


def _has_turns(messages: Sequence[Message]) -> bool:
    """Return whether the model has answered before. What people and programs say is sent as it was given."""
    return any(message.role in ("assistant", "tool") or message.tool_calls for message in messages)


def _with_fitting_turns(asked: Request, adapter: Adapter, able: Capabilities, endpoint: Endpoint) -> Request:
    from ..fitting.earlier_turns import with_fitting_turns  # `import resilient_stream` does not pay for it

    request = for_its_target(asked, families_of)
    if (may := able.earlier_turns) == "as_given":
        return request
    own = endpoint.base_url == adapter.base_url  # who answers elsewhere may take less
    return with_fitting_turns(request, own and may == "texts")


@functools.cache
def _load_what_a_failure_needs() -> None:
    """Import what a failure needs, once, before the first request: `import resilient_stream` does not pay for it, and a
    process that has run out of files cannot import anything any more."""
    from .. import classify  # noqa: F401
    from ..masking import values  # noqa: F401
    from ..outcome import estimate  # noqa: F401
    from ..providers.shared import own_hosts  # noqa: F401
