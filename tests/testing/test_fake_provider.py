"""The fake provider does what its script says: a plain HTTP client sees each step and each fault."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import itertools
import json
import socket
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from resilient_stream import Client, Recovery, StreamInterrupted, Target, testing
from resilient_stream.chunks import Usage
from resilient_stream.testing import (
    DIALECTS,
    BadChunk,
    CallTool,
    CleanEnd,
    Comment,
    Cut,
    End,
    ErrorEvent,
    Event,
    FakeProvider,
    Head,
    Preamble,
    Raw,
    ReceivedRequest,
    Reply,
    Reset,
    Send,
    Sleep,
    Speak,
    Stall,
    Status,
    Text,
    answer,
    serve_bytes,
)
from resilient_stream.testing.connection import Connection
from tests.providers.recordings import converse_text

PATHS = {
    "openai": "/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "gemini-interactions": "/v1beta/interactions",
    "openai-responses": "/responses",
    "ollama": "/api/chat",
    "bedrock": "/model/m/converse-stream",
    "bedrock-invoke": "/model/m/invoke-with-response-stream",
    "cohere": "/v2/chat",
    "vertex": "/v1/projects/p/locations/global/publishers/google/models/m:streamGenerateContent?alt=sse",
}


TOOL_REASONS = {
    "openai": "tool_calls",
    "anthropic": "tool_use",
    "gemini": "STOP",
    "gemini-interactions": "requires_action",
    "openai-responses": "completed",
    "ollama": "stop",
    "bedrock": "tool_use",
    "bedrock-invoke": "tool_use",
    "cohere": "TOOL_CALL",
    "vertex": "STOP",
}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain client."""
    async with aiohttp.ClientSession() as session:
        yield session


def asking(http: aiohttp.ClientSession, provider: FakeProvider, dialect: str = "openai", **body: Any) -> Any:
    """A POST as that provider's client would make it."""
    return http.post(provider.base_url(dialect) + PATHS[dialect], json={"model": "m", "stream": True, **body})


def target_of(provider: FakeProvider, dialect: str) -> Target:
    """A target that is spoken to in this dialect."""
    if dialect == "bedrock-invoke":
        return provider.target("bedrock", model="anthropic.claude-x", api="invoke")
    return provider.target(dialect)


def address(provider: FakeProvider) -> tuple[str, int]:
    """Where a bare socket finds it."""
    host, _, port = provider.url.removeprefix("http://").partition(":")
    return host, int(port)


def events(body: bytes) -> list[Any]:
    """The JSON of each event, or of each line."""
    if body[:1] == b"\0":
        body = converse_text(body)
    datas = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith((b"data: ", b"{"))]
    return [each.decode() if each == b"[DONE]" else _unwrapped(json.loads(each)) for each in datas]


def _unwrapped(event: Any) -> Any:
    """What an invoked model said; Bedrock has it in base64."""
    return json.loads(base64.b64decode(event["chunk"]["bytes"])) if "chunk" in event else event


# -- answers ----------------------------------------------------------------------------------------


def test_every_dialect_has_a_path_here() -> None:
    """The tests below go over every dialect there is."""
    assert PATHS.keys() == DIALECTS.keys()


async def test_openai_has_a_role_first_and_usage_on_an_event_without_choices(http: aiohttp.ClientSession) -> None:
    """An OpenAI answer has the shape of a recorded one, with usage when it was asked for."""
    async with FakeProvider([Text("Hel", "lo"), End(usage=Usage(9, 2))]) as provider:
        async with asking(http, provider, stream_options={"include_usage": True}) as response:
            role, first, second, finish, usage, done = events(await response.read())
    assert response.content_type == "text/event-stream"
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [each["choices"][0]["delta"]["content"] for each in (first, second)] == ["Hel", "lo"]
    assert finish["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    assert (usage["choices"], usage["usage"]["completion_tokens"], first["usage"]) == ([], 2, None)
    assert (done, first["model"]) == ("[DONE]", "m")


async def test_openai_reports_no_usage_unless_it_is_asked_for(http: aiohttp.ClientSession) -> None:
    """Without include_usage there is neither the event nor the field."""
    async with FakeProvider() as provider, asking(http, provider) as response:
        assert not any("usage" in each for each in events(await response.read())[:-1])


async def test_anthropic_has_named_events_and_a_ping(http: aiohttp.ClientSession) -> None:
    """An Anthropic answer names its events, wraps the text in a block and pings once."""
    async with FakeProvider([Text("Hel", "lo"), End(usage=Usage(9, 2))]) as provider:
        async with asking(http, provider, "anthropic") as response:
            body = await response.read()
    kinds = [each["type"] for each in events(body)]
    assert kinds == [
        "message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta",
        "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert [line[7:].decode() for line in body.splitlines() if line.startswith(b"event: ")] == kinds
    assert events(body)[-2]["delta"]["stop_reason"] == "end_turn"
    assert events(body)[-2]["usage"]["output_tokens"] == 2


async def test_gemini_has_crlf_line_ends_and_a_reason_at_last(http: aiohttp.ClientSession) -> None:
    """A Gemini answer ends its lines with CRLF; the reason is its only end marker."""
    async with FakeProvider([Text("Hel", "lo"), End("length", Usage(9, 2))]) as provider:
        async with asking(http, provider, "gemini") as response:
            body = await response.read()
    assert body.count(b"\r\n\r\n") == 3
    assert body.count(b"\n") == body.count(b"\r\n")
    candidates = [each["candidates"][0] for each in events(body)]
    assert "".join(each["content"]["parts"][0]["text"] for each in candidates) == "Hello"
    assert [each.get("finishReason") for each in candidates] == [None, None, "MAX_TOKENS"]
    assert events(body)[-1]["usageMetadata"]["totalTokenCount"] == 11
    assert events(body)[-1]["modelVersion"] == "m"


async def test_bedrock_has_binary_messages_and_the_counts_at_last(http: aiohttp.ClientSession) -> None:
    """A Bedrock answer is AWS's event stream with right checksums, and botocore reads it."""
    async with FakeProvider([Text("Hel", "lo"), End("length", Usage(9, 2))]) as provider:
        async with asking(http, provider, "bedrock") as response:
            body = await response.read()
    assert [name for each in events(body) for name in each] == [
        "messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip
    assert events(body)[-2]["messageStop"]["stopReason"] == "max_tokens"
    assert events(body)[-1]["metadata"]["usage"]["totalTokens"] == 11
    eventstream = pytest.importorskip("botocore.eventstream")
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(body)
    assert [each.headers[":message-type"] for each in buffer] == ["event"] * 6


async def test_an_invoked_claude_has_anthropics_events_in_bedrocks_messages(http: aiohttp.ClientSession) -> None:
    """Each in base64, with Bedrock's own counts in the last."""
    async with FakeProvider([Text("Hel", "lo"), End("length", Usage(9, 2))]) as provider:
        async with asking(http, provider, "bedrock-invoke") as response:
            found = events(await response.read())
    assert [each["type"] for each in found][::7] == ["message_start", "message_stop"]
    assert found[0]["message"]["model"] == "m"
    counts = found[-1]["amazon-bedrock-invocationMetrics"]
    assert (counts["inputTokenCount"], counts["outputTokenCount"]) == (9, 2)


async def test_claude_on_vertex_is_written_in_anthropics_dialect(http: aiohttp.ClientSession) -> None:
    """The publisher in the path decides."""
    path = "/v1/projects/p/locations/global/publishers/anthropic/models/claude-x:streamRawPredict"
    async with FakeProvider() as provider, http.post(provider.url + path, json={"stream": True}) as response:
        first = events(await response.read())[0]
    assert (first["type"], first["message"]["model"]) == ("message_start", "claude-x")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_answer_of_a_dialect_can_be_served_on_any_path(http: aiohttp.ClientSession, dialect: str) -> None:
    """`answer(dialect, …)` pins the dialect: the same bytes, whatever was asked for."""
    async with FakeProvider(answer(dialect, ["Hel", "lo"])) as provider:
        async with asking(http, provider, dialect) as response:
            expected = await response.read()
        async with http.post(provider.url + "/elsewhere", json={"model": "m", "stream": True}) as response:
            assert (await response.read()).replace(b"fake-model", b"m") == expected


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_without_streaming_the_same_script_is_one_json_answer(http: aiohttp.ClientSession, dialect: str) -> None:
    """A request that asks for no stream gets the whole answer as a JSON object."""
    path = PATHS[dialect].replace(":streamGenerateContent?alt=sse", ":generateContent").removesuffix("-stream")
    path = path.removesuffix("-with-response")
    async with FakeProvider([Text("Hel", "lo"), CallTool("now", {"zone": "UTC"}), End()]) as provider:
        async with http.post(provider.base_url(dialect) + path, json={"model": "m", "stream": False}) as response:
            found = await response.json()
    assert "Hello" in json.dumps(found)
    assert "now" in json.dumps(found)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_tool_call_has_its_name_and_arguments(http: aiohttp.ClientSession, dialect: str) -> None:
    """The pieces of the arguments, put together, are what the script gave, and the reason says so."""
    async with FakeProvider([Text("Let me see."), CallTool("now", {"zone": "UTC"}), End()]) as provider:
        async with asking(http, provider, dialect) as response:
            found = events(await response.read())
    text = json.dumps(found)
    assert "now" in text
    pieces = list(_arguments(found))
    if dialect == "openai-responses":
        pieces = [each["delta"] for each in found if each["type"] == "response.function_call_arguments.delta"]
    if dialect == "gemini-interactions":
        deltas = [each["delta"] for each in found if "delta" in each]
        pieces = [delta["arguments"] for delta in deltas if "arguments" in delta]
    assert (pieces[0] if isinstance(pieces[0], dict) else json.loads("".join(pieces))) == {"zone": "UTC"}
    assert TOOL_REASONS[dialect] in text


def _arguments(value: Any) -> Any:
    """Whatever stands under a name for arguments, anywhere in the events."""
    if isinstance(value, list):
        for each in value:
            yield from _arguments(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in ("arguments", "partial_json", "args") or (name == "input" and isinstance(each, str)):
                yield each
            else:
                yield from _arguments(each)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
async def test_a_status_has_the_dialects_error_body(http: aiohttp.ClientSession, dialect: str, status: int) -> None:
    """An HTTP error has the status, its headers, and by default a body in the dialect's shape."""
    async with FakeProvider([Status(status, {"retry-after": "2"})]) as provider:
        async with asking(http, provider, dialect) as response:
            found = await response.json()
    assert (response.status, response.headers["retry-after"]) == (status, "2")
    assert _message(found) == f"fake error {status}"


def _message(said: Any) -> str:
    """An error's sentence: with Ollama it is the error, with Cohere it stands alone, with AWS under its class."""
    if isinstance(said, dict) and isinstance(said.get("message"), str):
        return said["message"]
    inner = said.get("error", next(iter(said.values())))
    return inner if isinstance(inner, str) else inner["message"]


@pytest.mark.parametrize(
    ("body", "expected"), [({"a": 1}, b'{"a":1}'), ("<html>", b"<html>"), (b"\xff\x00", b"\xff\x00")]
)
async def test_a_status_takes_any_body(http: aiohttp.ClientSession, body: Any, expected: bytes) -> None:
    """Values become JSON; text and bytes go as they are."""
    async with FakeProvider([Status(502, {"content-type": "text/html"}, body)]) as provider:
        async with asking(http, provider) as response:
            assert (response.content_type, await response.read()) == ("text/html", expected)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_error_event_comes_inside_a_200(http: aiohttp.ClientSession, dialect: str) -> None:
    """The error's shape is the dialect's, and the HTTP message is whole."""
    async with FakeProvider([Preamble(), ErrorEvent(503, "busy"), CleanEnd()]) as provider:
        async with asking(http, provider, dialect) as response:
            assert _message(events(await response.read())[-1]) == "busy"


async def test_comments_events_and_heads_are_sent_as_written(http: aiohttp.ClientSession) -> None:
    """A head of one's own, comments, and an event that is no JSON at all."""
    script = [Head(201, {"x-one": "1"}), Comment("wait", times=2), Event('{"half', "odd"), CleanEnd()]
    async with FakeProvider(script) as provider, asking(http, provider) as response:
        assert (response.status, response.headers["x-one"]) == (201, "1")
        assert await response.read() == b': wait\n\n: wait\n\nevent: odd\ndata: {"half\n\n'


async def test_comments_come_at_their_pace(http: aiohttp.ClientSession) -> None:
    """`Comment(every=…)` waits before each comment."""
    async with FakeProvider([Comment(every=0.01, times=3), CleanEnd()]) as provider:
        began = time.monotonic()
        async with asking(http, provider) as response:
            await response.read()
    assert time.monotonic() - began >= 0.03


async def test_a_step_of_ones_own(http: aiohttp.ClientSession) -> None:
    """Any object with `play` is a step."""

    class Twice:
        async def play(self, reply: Reply) -> None:
            await reply.send(b"a")
            await reply.send(b"a")

    async with FakeProvider([Twice()]) as provider, asking(http, provider) as response:
        assert await response.read() == b"aa"


async def test_speak_changes_the_dialect(http: aiohttp.ClientSession) -> None:
    """A wrong base URL: Anthropic's client is answered in OpenAI's dialect."""
    async with FakeProvider([Speak("openai"), Text("a"), End()]) as provider:
        async with asking(http, provider, "anthropic") as response:
            assert (await response.read()).endswith(b"data: [DONE]\n\n")


# -- bytes ------------------------------------------------------------------------------------------


async def test_each_send_arrives_by_itself(http: aiohttp.ClientSession) -> None:
    """What is split stays split, for a client in the same loop."""
    pieces = [b"da", b"ta: ", b"x\n", b"\n"]
    async with FakeProvider([Send(piece) for piece in pieces]) as provider, asking(http, provider) as response:
        assert [piece async for piece in response.content.iter_any()] == pieces


@pytest.mark.parametrize("splits", [None, 1, 7, [1, 5, 6], [0, 99]])
@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
async def test_a_recording_is_played_byte_for_byte(http: aiohttp.ClientSession, splits: Any, framing: Any) -> None:
    """However it is split and framed, the client reads the body."""
    body = b"data: one\n\ndata: two\n\n"
    async with FakeProvider(serve_bytes(body, splits=splits, framing=framing)) as provider:
        async with asking(http, provider) as response:
            assert await response.read() == body
        assert [request.closed_by_client for request in await provider.wait_closed()] == [False]


@pytest.mark.parametrize("cut_at", [0, 1, 10, 21])
async def test_a_recording_is_cut_at_a_byte(http: aiohttp.ClientSession, cut_at: int) -> None:
    """Exactly so many bytes arrive, then the connection is gone."""
    body = b"data: one\n\ndata: two\n\n"
    async with FakeProvider(serve_bytes(body, cut_at=cut_at)) as provider, asking(http, provider) as response:
        found = b""
        with pytest.raises(aiohttp.ClientPayloadError):
            async for piece in response.content.iter_any():
                found += piece
    assert found == body[:cut_at]


# -- faults -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Cut(), Reset()])
async def test_a_fault_in_the_body_breaks_it(http: aiohttp.ClientSession, fault: Any) -> None:
    """What was sent before is received, then the body is an error."""
    async with FakeProvider([Text("Hel"), fault]) as provider, asking(http, provider) as response:
        found = b""
        with pytest.raises(aiohttp.ClientError):
            async for piece in response.content.iter_any():
                found += piece
        assert events(found)[-1]["choices"][0]["delta"]["content"] == "Hel"
        assert [request.closed_by_client for request in await provider.wait_closed()] == [False]


@pytest.mark.parametrize(("fault", "reset"), [(Cut(), False), (Reset(), True)])
async def test_a_cut_is_a_fin_and_a_reset_is_a_rst(fault: Any, reset: bool) -> None:
    """On the bare socket the two are told apart."""
    async with FakeProvider([fault]) as provider:
        reader, writer = await asyncio.open_connection(*address(provider))
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        if reset:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        else:
            assert await reader.read() == b""
        writer.close()


async def test_a_bad_chunk_breaks_the_framing() -> None:
    """Where a chunk's length should stand is something else, and the connection ends.

    On the bare socket: aiohttp 3.14 closes such a connection, but its reader then waits for ever.
    """
    async with FakeProvider([Send(b"ok"), BadChunk()]) as provider:
        reader, writer = await asyncio.open_connection(*address(provider))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\n2\r\nok\r\nthis is no length\r\n")
        writer.close()


@pytest.mark.parametrize("fault", [Cut(), Reset()])
async def test_a_fault_before_any_answer(http: aiohttp.ClientSession, fault: Any) -> None:
    """The request is read, and no head comes back."""
    async with FakeProvider([fault]) as provider:
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await asking(http, provider)
        assert provider.requests[0].json["model"] == "m"


@pytest.mark.parametrize("script", [[Text("Hel"), CleanEnd()], [Text("Hel")]])
async def test_a_clean_end_is_whole_http_without_the_end_marker(http: aiohttp.ClientSession, script: Any) -> None:
    """The body ends properly, and so does a script that just runs out; no `[DONE]` was sent."""
    async with FakeProvider(script) as provider, asking(http, provider) as response:
        assert b"[DONE]" not in await response.read()


async def test_raw_bytes_need_no_http_at_all(http: aiohttp.ClientSession) -> None:
    """A status line that is none."""
    async with FakeProvider([Raw(b"SSH-2.0-OpenSSH_9.9\r\n"), Cut()]) as provider:
        with pytest.raises(aiohttp.ClientError):
            await asking(http, provider)


async def test_raw_bytes_may_be_a_whole_answer_on_a_living_connection(http: aiohttp.ClientSession) -> None:
    """Nothing is added to what the script sent."""
    raw = Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    async with FakeProvider([raw]) as provider:
        for _ in range(2):
            async with asking(http, provider) as response:
                assert await response.read() == b"ok"
        assert provider.connections == 1


async def test_refused_connections_and_back(http: aiohttp.ClientSession) -> None:
    """`refuse` makes the port refuse, `accept` makes it serve again."""
    async with FakeProvider() as provider:
        await provider.refuse()
        with pytest.raises(aiohttp.ClientConnectorError):
            await asking(http, provider)
        await provider.accept()
        async with asking(http, provider) as response:
            assert b"[DONE]" in await response.read()


# -- which script, which connection -----------------------------------------------------------------


async def test_request_n_gets_script_n_and_the_last_repeats(http: aiohttp.ClientSession) -> None:
    """Fails, then works, and goes on working; `play` begins anew."""
    async with FakeProvider([Status(503)], [Status(429)], [Text("a"), End()]) as provider:
        found = [(await asking(http, provider)).status for _ in range(4)]
        provider.play([Status(404)])
        found.append((await asking(http, provider)).status)
    assert found == [503, 429, 200, 200, 404]


async def test_a_function_answers_by_the_request(http: aiohttp.ClientSession) -> None:
    """A script may be made from what was asked."""

    def echo(request: ReceivedRequest) -> Any:
        return [Status(200, body={"heard": request.json["model"], "agent": request.headers["user-agent"]})]

    async with FakeProvider(echo) as provider, asking(http, provider) as response:
        found = await response.json()
    assert found["heard"] == "m"
    assert "aiohttp" in found["agent"]


async def test_a_connection_serves_many_requests(http: aiohttp.ClientSession) -> None:
    """Keep-alive works after streams and errors alike, and connections are counted."""
    async with FakeProvider([Status(500)], [Text("a"), End()], [Text("b"), End()]) as provider:
        for _ in range(3):
            async with asking(http, provider) as response:
                await response.read()
        assert (provider.connections, [request.connection for request in provider.requests]) == (1, [1, 1, 1])
        assert (provider.open, provider.open_connections) == (0, 1)


async def test_a_client_that_wants_no_keep_alive_gets_its_close(http: aiohttp.ClientSession) -> None:
    """A client that sends `connection: close` gets its connection closed."""
    async with FakeProvider() as provider:
        for _ in range(2):
            async with http.post(provider.url, headers={"connection": "close"}) as response:
                await response.read()
        assert provider.connections == 2


async def test_a_request_body_in_chunks_is_read(http: aiohttp.ClientSession) -> None:
    """Chunked request bodies are put together, byte by byte if need be."""

    async def body() -> AsyncIterator[bytes]:
        for piece in (b'{"mod', b'el":"m"}'):
            yield piece

    async with FakeProvider() as provider, http.post(provider.url + "/x?y=1", data=body()) as response:
        await response.read()
        [request] = provider.requests
    assert (request.method, request.path, request.json) == ("POST", "/x?y=1", {"model": "m"})


async def test_requests_in_one_write_are_answered_in_order() -> None:
    """Pipelined requests are served one after the other."""
    async with FakeProvider([Status(200, body="one")], [Status(200, body="two"), Cut()]) as provider:
        reader, writer = await asyncio.open_connection(*address(provider))
        writer.write(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        body = await reader.read()
        writer.close()
    assert body.index(b"one") < body.index(b"two")
    assert [request.path for request in provider.requests] == ["/1", "/2"]


# -- clients that leave -----------------------------------------------------------------------------

ENDLESS = [
    pytest.param([Text("a"), Stall()], id="stalled"),
    pytest.param([Text("a"), Sleep(3600)], id="asleep"),
    pytest.param([Preamble(), Comment(every=0.001, times=10**9)], id="commenting"),
    pytest.param(lambda _: itertools.repeat(Text("a" * 1000)), id="flooding"),
]


@pytest.mark.parametrize("script", ENDLESS)
async def test_a_client_that_leaves_is_noticed_at_once(http: aiohttp.ClientSession, script: Any) -> None:
    """Whatever the script is waiting for, the request ends when the client closes."""
    async with FakeProvider(script) as provider:
        response = await asking(http, provider)
        await response.content.readany()
        assert provider.open == 1
        left = time.monotonic()
        response.close()
        [request] = await provider.wait_closed()
        assert request.closed_by_client
        assert request.bytes_sent > 0
        assert request.ended_at is not None
        assert request.ended_at - left < 5
        assert provider.open == 0


async def test_writing_to_nobody_gives_the_loop_a_turn() -> None:
    """A script without an end that wrote on after the client had left would keep its loop from being told so."""
    turns: list[int] = []

    async def serve(connection: Connection) -> None:
        await asyncio.sleep(0)

    class Closed(asyncio.Transport):
        def is_closing(self) -> bool:
            return True

    connection = Connection(1, serve)
    connection._transport = Closed()
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await connection.write(b"more")
    assert turns


@pytest.mark.parametrize(
    "script", [[Text("a"), End(), Stall()], [*serve_bytes(b"ab", splits=1, framing="length", ending=Stall())]]
)
async def test_a_client_that_leaves_after_the_end_did_not_break_off(http: aiohttp.ClientSession, script: Any) -> None:
    """Once the answer is whole, closing is no interruption, even while the script goes on."""
    async with FakeProvider(script) as provider:
        response = await asking(http, provider)
        await response.read()
        await http.close()
        [request] = await provider.wait_closed()
    assert not request.closed_by_client


async def test_bytes_sent_stops_where_the_client_stops_reading() -> None:
    """A client that does not read holds the script up: the count is bounded by the system's buffers."""
    async with FakeProvider(lambda _: itertools.repeat(Send(b"x" * 65536))) as provider:
        with socket.create_connection(address(provider)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            connection = await _stuck(provider)
            held = connection.sent
        [request] = await provider.wait_closed()
    assert request.closed_by_client
    assert request.bytes_sent == held < 64 * 1024 * 1024


async def test_a_client_that_only_says_it_is_done_has_left() -> None:
    """A FIN counts at once, though the client's full buffers keep the last bytes from being sent."""
    async with FakeProvider(lambda _: itertools.repeat(Send(b"x" * 65536))) as provider:
        with socket.create_connection(address(provider)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            await _stuck(provider)
            client.shutdown(socket.SHUT_WR)
            [request] = await provider.wait_closed(timeout=1)
    assert request.closed_by_client


async def _stuck(provider: FakeProvider) -> Any:
    """The one connection, once its buffers are full."""
    while True:
        await asyncio.sleep(0.005)
        for connection in provider._live:
            if not connection._writable.is_set():
                return connection


async def test_waiting_for_what_does_not_end_says_what_is_open(http: aiohttp.ClientSession) -> None:
    """The timeout of `wait_closed` is an error that tells the state."""
    async with FakeProvider([Text("a"), Stall()]) as provider, asking(http, provider):
        with pytest.raises(TimeoutError, match="0 of 1 requests have ended; 1 came, 1 are open"):
            await provider.wait_closed(1, timeout=0.005)


async def test_nothing_is_left_when_the_block_ends(http: aiohttp.ClientSession) -> None:
    """Clients that still read are closed, no task remains, and the port refuses."""
    before = asyncio.all_tasks()
    async with FakeProvider([Text("a"), Stall()]) as provider:
        response = await asking(http, provider)
    with pytest.raises(aiohttp.ClientError):
        await response.read()
    assert [request.closed_by_client for request in provider.requests] == [False]
    assert asyncio.all_tasks() == before
    with pytest.raises(aiohttp.ClientConnectorError):
        await asking(http, provider)
    gc.collect()


async def test_a_mistake_in_a_script_is_a_500_and_fails_the_test(http: aiohttp.ClientSession) -> None:
    """The client is answered, and the exception comes out of the block."""

    def broken(request: ReceivedRequest) -> Any:
        raise KeyError("mistake")

    with pytest.raises(KeyError, match="mistake"):
        async with FakeProvider(broken) as provider, asking(http, provider) as response:
            assert response.status == 500


# -- in a thread ------------------------------------------------------------------------------------


async def test_in_a_thread_it_serves_another_loop(http: aiohttp.ClientSession) -> None:
    """Waiting, refusing and serving work from a loop that is not the provider's."""
    tasks = asyncio.all_tasks()
    with FakeProvider.in_thread([Text("a"), Stall()]) as provider:
        response = await asking(http, provider)
        assert asyncio.all_tasks() == tasks
        response.close()
        [request] = await provider.wait_closed()
        assert request.closed_by_client
        await provider.refuse()
        with pytest.raises(aiohttp.ClientConnectorError):
            await asking(http, provider)


def test_in_a_thread_it_sees_a_loop_end() -> None:
    """A client's loop that ends with an open stream is seen from outside; the thread ends with the block."""
    threads = threading.active_count()

    async def leave() -> None:
        reader, writer = await asyncio.open_connection(*address(provider))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    with FakeProvider.in_thread([Preamble(), Stall()]) as provider:
        asyncio.run(leave())
        [request] = provider.block_until_closed()
        assert request.closed_by_client
        with pytest.raises(TimeoutError, match="1 of 2"):
            provider.block_until_closed(2, timeout=0.005)
    assert threading.active_count() == threads


# -- targets ----------------------------------------------------------------------------------------


async def test_a_target_points_here_as_the_providers_sdk_would() -> None:
    """OpenAI's base URL ends in /v1, the others' do not; the key is a test key."""
    async with FakeProvider() as provider:
        openai = provider.target("openai", model="m", weight=2)
        assert (openai.name, openai.api_key, openai.weight) == ("openai:m", "test", 2)
        assert openai.base_url == provider.url + "/v1" == provider.target("groq").base_url
        assert provider.target("anthropic").base_url == provider.target("gemini").base_url == provider.url


# -- the documentation ------------------------------------------------------------------------------


def documented() -> list[str]:
    """The scripts in the package's table."""
    lines = (testing.__doc__ or "").splitlines()
    found = [line[56:].split("   or ")[0].strip() for line in lines if line.startswith("    ") and line[54:56] == "  "]
    return [each for each in found if each.startswith("[")]


@pytest.mark.parametrize("script", documented())
async def test_the_documented_scripts_play(http: aiohttp.ClientSession, script: str) -> None:
    """Every script in the package's documentation is one, and does something a client sees."""
    steps = eval(script, vars(testing))
    steps = [Sleep(0.001) if isinstance(step, Sleep) else step for step in steps]
    async with FakeProvider(steps) as provider:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(0.5), asking(http, provider) as response:
                await response.read()
        [request] = await provider.wait_closed()
        assert request.bytes_sent or steps == [Cut()]


def test_the_documentation_has_its_scripts() -> None:
    """The test above has something to play."""
    assert len(documented()) >= 12


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_documented_test_passes(dialect: str) -> None:
    """The example in the package's docstring passes in each dialect, with the real client."""
    async with (
        FakeProvider([Text("Half an ", "answer"), Cut()]) as provider,
        Client(target_of(provider, dialect), recovery=Recovery.off()) as client,
    ):
        with pytest.raises(StreamInterrupted) as caught:
            await client.complete("Hello")
    assert caught.value.transcript is not None
    assert caught.value.transcript.text == "Half an answer"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_good_answer_is_complete_to_the_real_client(dialect: str) -> None:
    """Text, a tool call, usage and the end marker are what our own decoders expect of the real ones."""
    script = [Text("Hel", "lo"), CallTool("now", {"zone": "UTC"}), End(usage=Usage(9, 4))]
    async with FakeProvider(script) as provider, Client(target_of(provider, dialect)) as client:
        transcript = await client.complete("Hello")
    assert (transcript.outcome, transcript.text, transcript.finish_reason) == ("complete", "Hello", "tool_calls")
    assert [(call.name, call.parsed) for call in transcript.tool_calls] == [("now", {"zone": "UTC"})]
    assert (transcript.usage.input_tokens, transcript.usage.output_tokens) == (9, 4)
