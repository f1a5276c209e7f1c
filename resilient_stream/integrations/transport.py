"""Answers what an SDK asks by a `Client`, as a transport of httpx2 or httpx that sends nothing: `InProcess`.

    http = httpx2.AsyncClient(transport=ResilientTransport(client))

Both libraries are the same here, and neither is imported: whoever makes a transport has imported the one that it is
for. The response belongs to the SDK. Closing it closes the provider's connection.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from ..client import Client
from ..delivery import Direct
from ..failures import StreamMisused
from ..formats.writer import Refusal
from ..outcome.errors import StreamError
from ..sync import SyncClient
from ..sync.background import background
from .refused import Refused
from .service import Api, Begun, Models, Service, refusal_for

__all__ = ["InProcess"]

LIBRARIES = ("httpx2", "httpx")

if TYPE_CHECKING:
    _Base: TypeAlias = Any  # to a type checker it is a transport of either library; which one shows when it is made
else:
    _Base = object


class Streaming(NamedTuple):
    """Holds an answer that has begun: its first frames, and where the rest comes from."""

    headers: Mapping[str, str]
    first: list[bytes]
    rest: Direct


class InProcess(_Base):  # type: ignore[misc]
    """Serves one API to SDKs in this process. It is an async transport for a `Client`, a plain one for a `SyncClient`.

    models: the targets of each model's name; see `Service`. The client stays open when the transport is closed.
    """

    api: Api

    def __new__(cls, client: Client | SyncClient, *, models: Models | None = None) -> Self:
        """Return a transport that is also one of each of the libraries that were imported."""
        base = "BaseTransport" if isinstance(client, SyncClient) else "AsyncBaseTransport"
        loaded = tuple(library for library in LIBRARIES if library in sys.modules)
        made: Self = object.__new__(_class(cls, base, loaded))  # type: ignore[arg-type]
        return made

    def __init__(self, client: Client | SyncClient, *, models: Models | None = None) -> None:
        self._given = client
        self._models = models
        self._service: Service | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._given!r}>"

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request of an async client."""
        await request.aread()
        answer = await self._answer(request)
        library = _library_of(request)
        if isinstance(answer, Refusal):
            return library.Response(answer.status, headers=answer.headers, content=answer.body)
        return library.Response(200, headers=answer.headers, stream=_frames(library, "AsyncByteStream")(answer))

    def handle_request(self, request: Any) -> Any:
        """Answer a request of a plain client, whose stream runs on the background loop."""
        request.read()
        answer = background().run(lambda: self._answer(request))
        library = _library_of(request)
        if isinstance(answer, Refusal):
            return library.Response(answer.status, headers=answer.headers, content=answer.body)
        return library.Response(200, headers=answer.headers, stream=_frames(library, "SyncByteStream")(answer))

    async def _answer(self, request: Any) -> Refusal | Streaming:
        async def body() -> bytes:
            return request.content  # type: ignore[no-any-return]

        try:
            answer = await self._serving().answer(request.method, request.url.path, body, request.headers)
            return answer if isinstance(answer, Refusal) else await _first_frames(answer)
        except (Refused, StreamMisused, StreamError) as error:
            return refusal_for(self.api, error)

    def _serving(self) -> Service:
        """Return the service of this process's client."""
        client = self._given if isinstance(self._given, Client) else self._given._client
        if self._service is None or self._service.client is not client:
            self._service = Service(client, self.api, self._models)
        return self._service


async def _first_frames(begun: Begun) -> Streaming:
    rest = Direct(*begun)
    headers = {"content-type": rest.writer.media_type, **rest.writer.headers}
    return Streaming(headers, await rest.frames(), rest)


def _library_of(request: Any) -> Any:
    """Return httpx2 or httpx, by whose request it is; the response has to be of the same library."""
    return sys.modules[type(request).__module__.partition(".")[0]]


@functools.cache
def _class(kind: type[Any], base: str, libraries: tuple[str, ...]) -> type[Any]:
    bases = (kind, *(getattr(sys.modules[library], base) for library in libraries))
    return type(kind.__name__, bases, {"__doc__": kind.__doc__, "__module__": kind.__module__})


@functools.cache
def _frames(library: Any, base: str) -> type[Any]:
    kind = _AsyncFrames if base == "AsyncByteStream" else _SyncFrames
    return type("Frames", (kind, getattr(library, base)), {})


class _AsyncFrames:
    """Yields the body of a response, which owns the stream."""

    def __init__(self, answer: Streaming) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        frames = self._answer.first
        while frames:
            yield b"".join(frames)
            frames = await self._answer.rest.frames()

    async def aclose(self) -> None:
        """Close the stream, and with it the provider's connection."""
        self._answer.rest.leave()


class _SyncFrames:
    """Yields the body of a response for a plain client; it owns the stream, too."""

    def __init__(self, answer: Streaming) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        rest = self._answer.rest
        frames = self._answer.first
        while frames:
            yield b"".join(frames)
            frames = background().run(rest.frames, rest.leave)

    def close(self) -> None:
        """Close the stream, and with it the provider's connection."""
        background().call(self._answer.rest.leave)
