"""Serves an API over a `Client`, for a transport under its SDK and for a gateway alike.

An `Api` says how its requests are read and its answers written. `Service` finds the targets that a model's name means,
and answers: with a whole response, or with a stream. Whoever has the connection sends it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from ..client import Client
from ..delivery import new_id
from ..failures import StreamMisused
from ..formats.writer import About, Refusal, Writer
from ..options import StreamOptions
from ..outcome.errors import StreamError
from ..outcome.transcript import Transcript
from ..stream import Stream
from ..target import Target
from .refused import Refused, misused

__all__ = ["Api", "Begun", "Endpoint", "Models", "Question", "Service", "refusal_for"]

Models: TypeAlias = Mapping[str, str | Target | Sequence[str | Target]]
"""The targets of each model's name that a request may ask for."""


class Question(Protocol):
    """Holds a request that was read."""

    @property
    def messages(self) -> Any:
        """Return what the model is asked."""
        ...

    @property
    def options(self) -> StreamOptions:
        """Return the options of `Client.stream`."""
        ...

    @property
    def model(self) -> str:
        """Return the name of the model that was asked for."""
        ...

    @property
    def stream(self) -> bool:
        """Return whether the answer is wanted piece by piece."""
        ...


def _no_headers(_: Any) -> Mapping[str, str]:
    return {}


class Endpoint(NamedTuple):
    """Describes one path of an API.

    read: reads the body of a request. fitted: returns it for those of the targets that can be sent all of it; both
    raise Refused. writer: writes the answer piece by piece. The bool is whether errors say what to do about them.
    whole: writes it as one JSON object. headers: those of the response with that object. with_headers: returns the
    request with what its own headers ask for; their names are in lower case.
    """

    read: Callable[[bytes], Any]
    fitted: Callable[[Any, Sequence[Target]], Any]
    writer: Callable[[Any, bool], Writer]
    whole: Callable[[Any, Transcript, About], bytes]
    headers: Callable[[Any], Mapping[str, str]] = _no_headers
    with_headers: Callable[[Any, Mapping[str, str]], Any] | None = None


class Api(NamedTuple):
    """Describes one API. endpoints: by the end of their path. models: by the path of its list, what writes it.

    refusal, refusal_of: write an error, and a request that cannot be served, as the API does.
    """

    endpoints: Mapping[str, Endpoint]
    models: Callable[[Sequence[str], str], bytes | None]
    refusal: Callable[[StreamError, bool], Refusal]
    refusal_of: Callable[[Refused], Refusal]


class Begun(NamedTuple):
    """Holds an answer that is sent piece by piece: the stream, from which nothing was pulled yet, and what writes
    it."""

    stream: Stream
    writer: Writer


class Service:
    """Serves an API by a client's targets.

    models: the targets of each name that may be asked for; any other name is refused. Without it, the name of one of
    the client's own targets asks that one first and then those behind it, and any other name asks all of them.
    advice: whether errors say what to do about them.
    """

    def __init__(self, client: Client, api: Api, models: Models | None = None, *, advice: bool = True) -> None:
        self.client = client
        self.api = api
        self._advice = advice
        self._models = None if models is None else {name: _targets(given) for name, given in models.items()}

    async def answer(
        self, method: str, path: str, body: Callable[[], Awaitable[bytes]], headers: Mapping[str, str]
    ) -> Refusal | Begun:
        """Answer a request. body: reads it, once it is known that something serves the path.

        Raises what `refusal_for` writes.
        """
        if method == "GET" and (models := self.api.models(self._names, path)) is not None:
            return _whole(models)
        endpoint = self.endpoint(method, path)
        asked = self.fitted(endpoint, await body(), headers)
        if asked.stream:
            stream = self.client.stream(asked.messages, **self._streaming_options(asked.options))
            return Begun(stream, endpoint.writer(asked, self._advice))
        transcript = await self.client.complete(asked.messages, **asked.options)
        about = About(new_id(), int(time.time()), transcript.model or "")
        return _whole(endpoint.whole(asked, transcript, about), endpoint.headers(asked))

    @property
    def _names(self) -> list[str]:
        return [target.name for target in self.client.targets] if self._models is None else list(self._models)

    def endpoint(self, method: str, path: str) -> Endpoint:
        """Return what serves a path. Raises Refused for one that nothing serves."""
        found = next((each for end, each in self.api.endpoints.items() if path.rstrip("/").endswith(end)), None)
        if found is None:
            served = ", ".join((*self.api.endpoints, "/models"))
            raise Refused(f"Nothing is served at {path[:100]}; there are {served}.", status=404, code="unknown_url")
        if method != "POST":
            raise Refused(f"{path[:100]} is asked by POST, not by {method[:10]}.", status=405)
        return found

    def fitted(self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str] | None = None) -> Any:
        """Read a request, for the targets that its model means. Raises Refused."""
        asked = endpoint.read(body)
        if headers and endpoint.with_headers is not None:
            asked = endpoint.with_headers(asked, {name.lower(): value for name, value in headers.items()})
        return endpoint.fitted(asked, self._targets_of(asked.model))

    def _streaming_options(self, options: StreamOptions) -> StreamOptions:
        """Return the options for an answer that is written piece by piece: it is never begun anew, since what was sent
        cannot be taken back."""
        recovery = self.client._recovery
        if "restart" not in recovery.methods:
            return options
        return {**options, "recovery": recovery.without("restart")}

    def _targets_of(self, model: str) -> tuple[Target, ...]:
        targets = self.client.targets
        if self._models is None:
            place = next((number for number, target in enumerate(targets) if target.name == model), 0)
            return targets[place:]
        if model not in self._models:
            known = ", ".join(self._models)
            raise Refused(
                f"There is no model {model[:100]!r}; there are {known}.", "model", status=404, code="model_not_found"
            )
        return self._models[model]


def refusal_for(api: Api, error: Refused | StreamMisused | StreamError, *, advice: bool = True) -> Refusal:
    """Return the response to a request that is not served, or whose answer failed before any of it was sent."""
    if isinstance(error, StreamError):
        return api.refusal(error, advice)
    return api.refusal_of(misused(error) if isinstance(error, StreamMisused) else error)


def _whole(body: bytes, headers: Mapping[str, str] | None = None) -> Refusal:
    return Refusal(200, {"content-type": "application/json", **(headers or {})}, body)


def _targets(given: str | Target | Sequence[str | Target]) -> tuple[Target, ...]:
    each = (given,) if isinstance(given, str | Target) else given
    return tuple(map(Target.of, each))
