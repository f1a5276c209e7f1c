"""Responses of Starlette and FastAPI, on uvicorn, alone and behind a BaseHTTPMiddleware; and what no server shows."""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import starlette
from starlette.background import BackgroundTask
from starlette.middleware.gzip import GZipMiddleware

from benchmarks.servers import Reader, served
from resilient_stream import Client, StreamMisused
from resilient_stream.testing import FakeProvider, Stall, Text
from resilient_stream.web import Hub
from resilient_stream.web.formats import FORMATS
from resilient_stream.web.starlette import ResumeResponse, StreamResponse

from ..engine.scripted import END, Answer, client_over
from .hub_parts import Feeding, stream_of, turns
from .serving import Promises

KINDS = [(stack, "uvicorn", middleware) for stack in ("Starlette", "FastAPI") for middleware in (False, True)]


CALL = (
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"tool",'
    b'"arguments":"{}"}}]}}]}\n\ndata: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
)


class TestStarlette(Promises):
    """All of the promises, for each."""

    @pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}{'-middleware' if kind[2] else ''}")
    def kind(self, request: pytest.FixtureRequest) -> Any:
        return request.param


class Server:
    """An ASGI server in a few lines. It keeps what it is sent, and the reader leaves when `gone` is set."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.messages: list[Any] = []
        self.loses_writes = False

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.loses_writes:
            raise OSError("gone")  # what ASGI 2.4 asks for
        self.messages.append(message)

    async def serve(self, app: Any, method: str = "GET") -> None:
        """Answer one request."""
        await app({"type": "http", "method": method, "headers": [], "query_string": b""}, self.receive, self.send)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        headers: list[tuple[bytes, bytes]] = self.messages[0]["headers"]
        return headers


async def test_cookies_and_background_tasks_are_those_of_any_response() -> None:
    """`set_cookie` reaches the head, also twice, and the background task runs behind the answer."""
    ran: list[int] = []
    server, response = Server(), StreamResponse(stream_of("Hello"))
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    response.background = BackgroundTask(lambda: ran.append(len(server.messages)))
    await server.serve(response)
    assert [name for name, _ in server.headers].count(b"set-cookie") == 2
    assert ran == [len(server.messages)]
    assert server.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.usefixtures("nothing_left")
async def test_server_that_loses_a_write_ends_the_response() -> None:
    """A server of ASGI 2.4 says that the reader has left by an OSError; that is no error of the application."""
    feeding, server = Feeding(), Server()
    serving = asyncio.create_task(server.serve(StreamResponse(feeding.stream)))
    feeding.feed("Hello")
    await turns()
    server.loses_writes = True
    feeding.feed("more")
    await serving
    assert feeding.answer.closed


async def test_bug_in_a_tool_is_told_and_raised() -> None:
    """A tool that misuses this library ends the answer with an event in our words, and the server has the exception."""
    feeding = Feeding()

    async def tool() -> str:
        """Do something."""
        return (await feeding.stream.collect()).text  # read by the test, too

    client, _ = client_over(Answer(CALL, END))
    held = asyncio.create_task(feeding.stream.__anext__())
    await turns()
    server = Server()
    with pytest.raises(StreamMisused):
        await server.serve(StreamResponse(client.converse("Hi", tools=[tool])))
    feeding.feed("Hello")
    await held
    assert b"Error of the server" in server.body
    assert b"another task" not in server.body
    assert server.messages[-1]["more_body"] is False


@pytest.mark.parametrize("format", FORMATS)
async def test_compression_holds_nothing_back(format: Any, fake_provider: FakeProvider) -> None:
    """Starlette's GZipMiddleware leaves event streams alone, and flushes after each piece of other formats."""
    if format in ("text", "ndjson") and tuple(map(int, starlette.__version__.split(".")[:2])) < (1, 5):
        pytest.skip("Starlette before 1.5 holds compressed pieces back, as docs/servers.md says")
    fake_provider.play([Text("Hello"), Stall()])
    client = Client(fake_provider.target("openai"))
    app, server = GZipMiddleware(StreamResponse(client.stream("Hi"), format=format)), Server()
    scope = {"type": "http", "method": "GET", "headers": [(b"accept-encoding", b"gzip")]}
    serving = asyncio.create_task(app(scope, server.receive, server.send))
    async with asyncio.timeout(5):
        while not server.body:
            await asyncio.sleep(0.001)
    squeezed = (b"content-encoding", b"gzip") in server.headers
    read = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(server.body) if squeezed else server.body
    assert b"Hello" in read
    assert squeezed is (format in ("text", "ndjson"))
    server.gone.set()
    await serving
    await client.aclose()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"on_disconnect": "stop"}, "none of cancel, detach, drain"),
        ({"owner": "me"}, "needs a hub"),
        ({"hub": Hub(), "alias": "chat"}, "alias= .* needs owner="),
        ({"format": "html"}, "no format is called 'html'"),
        ({"headers": {"x-mine": "a\r\nb"}}, r"headers\['x-mine'\]"),
    ],
)
async def test_misuse_is_refused_where_the_response_is_made(given: Any, said: str) -> None:
    """The endpoint raises, and not the server later."""
    with pytest.raises(StreamMisused, match=said):
        StreamResponse(stream_of("Hello"), **given)


@pytest.mark.parametrize("on_disconnect", ["detach", "drain"])
@pytest.mark.usefixtures("nothing_left")
async def test_stream_may_go_on_without_its_reader(on_disconnect: Any) -> None:
    """Without a hub, too: the provider's answer is read to its end although the reader has left."""
    feeding, server = Feeding(), Server()
    serving = asyncio.create_task(server.serve(StreamResponse(feeding.stream, on_disconnect=on_disconnect)))
    feeding.feed("Hello")
    await turns()
    server.gone.set()
    await serving
    assert not feeding.answer.closed
    feeding.end()
    await turns()
    assert feeding.stream.transcript.outcome == "complete"


@pytest.mark.parametrize("asked", [{"headers": {"last-event-id": "1"}}, {"query_params": {"last_event_id": "1"}}])
async def test_reader_says_what_it_has(asked: Any) -> None:
    """By the header that browsers send, or in the address."""
    hub, server, again = Hub(), Server(), Server()
    await server.serve(StreamResponse(stream_of("Hel", "lo"), hub=hub))
    id = dict(server.headers)[b"x-stream-id"].decode()
    request: Any = SimpleNamespace(**{"headers": {}, "query_params": {}, **asked})
    await again.serve(ResumeResponse(hub, id, request))
    assert server.body.startswith(b"id: 1\n")
    assert again.body == server.body[server.body.index(b"id: 2\n") :]
    await hub.aclose()


@pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "²", "9" * 30])
async def test_reader_that_says_nonsense_gets_all(last: str) -> None:
    """A number that is none does not fail, and skips nothing."""
    hub, server, again = Hub(), Server(), Server()
    await server.serve(StreamResponse(stream_of("Hello"), hub=hub, owner="me"))
    id = dict(server.headers)[b"x-stream-id"].decode()
    request: Any = SimpleNamespace(headers={"last-event-id": last}, query_params={})
    await again.serve(ResumeResponse(hub, id, request, owner="me"))
    assert again.body == server.body
    await hub.aclose()


async def test_stream_of_another_owner_is_a_404() -> None:
    """The same answer as for a stream that never was, as JSON, under the caller's headers."""
    hub, server, other, never = Hub(), Server(), Server(), Server()
    await server.serve(StreamResponse(stream_of("Hello"), hub=hub, owner="me"))
    id = dict(server.headers)[b"x-stream-id"].decode()
    request: Any = SimpleNamespace(headers={}, query_params={})
    await other.serve(ResumeResponse(hub, id, request, owner="you", headers={"x-mine": "1"}))
    await never.serve(ResumeResponse(hub, "none", request, owner="you", headers={"x-mine": "1"}))
    assert other.messages == never.messages
    assert other.messages[0]["status"] == 404
    assert (b"x-mine", b"1") in other.headers
    assert json.loads(other.body)["error"]["title"] == "No such answer"
    await hub.aclose()


async def test_shutdown_closes_the_providers(fake_provider: FakeProvider) -> None:
    """uvicorn cancels what still runs after --timeout-graceful-shutdown; the provider's connections close with it."""
    fake_provider.play([Text("Hello"), Stall()])
    client = Client(fake_provider.target("openai"))
    async with served("Starlette", "uvicorn", False, lambda: client.stream("Hi")) as address:
        reader = await Reader.ask(address)
        await reader.hears(b"Hello")
    assert (await fake_provider.wait_closed(1))[0].closed_by_client
    assert not (await reader.hears_out()).endswith(b"0\r\n\r\n")
    reader.leave()
    await client.aclose()


def test_missing_starlette_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare installation has aiohttp only."""
    monkeypatch.setitem(sys.modules, "starlette.requests", None)
    monkeypatch.delitem(sys.modules, "resilient_stream.web.starlette")
    with pytest.raises(ImportError, match=r"pip install 'resilient-stream\[web\]'"):
        import_module("resilient_stream.web.starlette")
