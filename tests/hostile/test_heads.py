"""Heads of answers and requests: larger than aiohttp likes, endless, or of bytes that are no text."""

from __future__ import annotations

import asyncio
import json
import time
import zlib

import pytest

from resilient_stream import Client, RetryPolicy, StreamError, Target
from resilient_stream.transport import http
from tests.loopback import DONE, LAST, Loopback, chat, cut_after, delta
from tests.processor import Heartbeat

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
KIB = 1024


def headed(head: bytes) -> list[object]:
    """A whole answer behind this head."""
    return [OK + head + b"\r\n", *chat("Hello")[1:]]


async def asked(script: object, **options: object) -> tuple[str, int]:
    """The text, and how many requests it took."""
    async with Loopback(script) as server, Client(server.target(**options), retry=RetryPolicy(initial=0.001)) as client:  # type: ignore[arg-type]
        transcript = await client.complete("Hi", deadline=5)
        return transcript.text, len(server.seen)


async def failed(script: object, deadline: float = 5) -> tuple[StreamError, int]:
    """How it fails, and how many requests it took."""
    async with Loopback(script) as server, Client(server.target(), retry=RetryPolicy(initial=0.001)) as client:  # type: ignore[arg-type]
        with pytest.raises(StreamError) as caught:
            await client.complete("Hi", deadline=deadline)
        return caught.value, len(server.seen)


@pytest.mark.parametrize(
    "head",
    [
        b"content-security-policy: %b\r\n" % (b"x" * 9000),
        b"x-trace: %b\r\n" % (b"x" * 60 * KIB),
        b"x-trace: %b\r\n" % (b"x" * 64 * KIB),
        b"".join(b"x-%d: %b\r\n" % (n, b"y" * 60 * KIB) for n in range(4)),
        b"".join(b"x-%d: 1\r\n" % n for n in range(200)),
        b"".join(b"x-%d: 1\r\n" % n for n in range(1000)),
        b"set-cookie: a=%b\r\n" % (b"x" * 20 * KIB) * 5,
    ],
    ids=["9k", "60k", "64k", "4 x 60k", "200", "1000", "cookies"],
)
async def test_large_heads_are_read(head):
    """Many headers, of up to 64 KiB each and 256 KiB in all, are read with one request."""
    assert await asked(headed(head)) == ("Hello", 1)


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (b"x-trace: %b\r\n" % (b"SECRET" * 20 * KIB), "x-trace"),
        (b"set-cookie: %b" % (b"SECRET" * 40 * KIB), "set-cookie"),
        (b"x-first: 1\r\n" + b"".join(b"x-%d: %b\r\n" % (n, b"y" * 60 * KIB) for n in range(5)), "x-"),
        (b"x%b: 1\r\n" % (b"y" * 100 * KIB), "The longest line"),
        (b"".join(b"x-%d: 1\r\n" % n for n in range(3000)), "Too many headers"),
    ],
    ids=["value", "endless value", "all", "name", "count"],
)
async def test_heads_that_are_too_large_are_named_and_asked_for_once(head, named):
    """The header is in the words, its value is not; the same answer is not paid for twice."""
    error, requests = await failed(headed(head))
    assert (error.kind, error.failure.code, requests) == ("protocol_error", "header_too_long", 1)
    assert named in error.message
    assert "SECRET" not in f"{error} {error.to_dict()}"
    assert len(error.message) < 400


@pytest.mark.parametrize(
    "endless",
    [
        OK + b"x: ",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        OK + b"\r\n5\r\n: ok\n\r\n1;",
        OK + b"\r\n5\r\n: ok\n\r\n0\r\n",
    ],
    ids=["header", "status line", "100", "103", "chunk extension", "trailers"],
)
async def test_endless_framing_ends_soon(endless):
    """Whatever is sent in place of a body is bounded: 256 KiB, and not until the deadline."""
    filler = endless * 600 if endless.startswith(b"HTTP/1.1 10") else b"y" * 16 * KIB
    filler = b"x: y\r\n" * 3000 if endless.endswith(b"0\r\n") else filler
    started = time.perf_counter()
    error, _ = await failed([endless, *[filler] * 400, "stall"], deadline=60)
    assert error.kind in ("protocol_error", "stream_interrupted")
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("name", ["x-request-id", "x-amzn-errortype", "retry-after", "content-type", "x-other"])
@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("value", [b"a\xff", b"a\x1b[31m\x9b2Jb", b"\xed\xa0\xbd", "für ‮x​".encode(), b"\xc3"])
async def test_odd_bytes_in_a_header_are_text_when_they_leave(name, status, value):
    """Request ids and all else can be printed and written as JSON; no exception of a codec's."""
    lines = b"HTTP/1.1 %d X\r\n%b: %b\r\n" % (status, name.encode(), value)
    body = [OK.partition(b"\r\n")[2]] if name != "content-type" else [b"transfer-encoding: chunked\r\n"]
    script = [lines + body[0] + b"\r\n", *chat("Hello")[1:]]
    async with Loopback(script) as server, Client(server.target(), retry=RetryPolicy.off()) as client:
        stream = client.stream("Hi", deadline=5)
        try:
            await stream.collect()
        except StreamError as error:
            json.dumps(error.to_dict(), ensure_ascii=False).encode()
            str(error).encode()
    told = json.dumps(stream.transcript.to_dict(), ensure_ascii=False)
    assert told.encode()
    assert not any(mark in told for mark in "\x1b\x9b‮")


# -- compression that nobody asked for --------------------------------------------------------


def squeezed(encoding: bytes, body: bytes, wbits: int) -> list[object]:
    """An answer that a proxy compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    data = packer.compress(body) + packer.flush()
    length = b"content-length: %d\r\ncontent-encoding: %b\r\n" % (len(data), encoding)
    return [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + length + b"\r\n" + data, 0.5]


def whole() -> bytes:
    """The body of an answer, without framing."""
    pieces = [delta("Hello"), delta(finish="stop"), DONE]
    return b"".join(piece.split(b"\r\n", 1)[1].removesuffix(b"\r\n") for piece in pieces)


@pytest.mark.parametrize(("encoding", "wbits"), [(b"gzip", 31), (b"deflate", 15), (b"deflate", -15), (b"GZIP", 31)])
async def test_compressed_answers_are_read(encoding, wbits):
    """Some proxies compress although a request says not to."""
    assert await asked(squeezed(encoding, whole(), wbits)) == ("Hello", 1)


@pytest.mark.parametrize("encoding", [b"gzip, gzip", b"gzip,deflate", b"x-gzip", b"compress", b"made-up", b"br, gzip"])
async def test_other_compression_is_refused_in_words_and_once(encoding):
    """Not read as text, and not asked for twice."""
    error, requests = await failed(squeezed(encoding, whole(), 31))
    assert (error.kind, requests) == ("protocol_error", 1)
    assert encoding.decode() in error.message
    assert "compress" in error.message


def bomb(filler: bytes) -> bytes:
    """One MiB, and 400 times the same again: a flushed block of gzip can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = filler * (1024 * 1024 // len(filler))
    first = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * 400


@pytest.mark.parametrize("filler", [b": comment of nothing\n\n", b"\n", b"data: {}\n\n"])
async def test_a_bomb_does_not_hold_the_loop(filler):
    """Hundreds of MiB out of as many KiB: the deadline ends it, and other tasks have their turn all the while."""
    data = bomb(filler)
    length = b"content-length: %d\r\ncontent-encoding: gzip\r\n" % len(data)
    script = [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + length + b"\r\n" + data, "stall"]
    async with Heartbeat(soon=0.05) as beats, asyncio.timeout(20):
        error, _ = await failed(script, deadline=0.5)
    assert error.kind in ("deadline_exceeded", "stream_interrupted", "unexpected_response")
    assert sorted(beats.gaps)[-3] < 0.05


async def test_data_that_is_always_there_lets_others_run(monkeypatch):
    """Without compression: a flood from this same machine gives up the loop now and then."""
    monkeypatch.setattr(http, "PATIENCE", 0.0)
    turns = 0

    async def beat() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beating = asyncio.create_task(beat())
    flood = b"%x\r\n%b\r\n" % (20 * 3000, b": flood of nothing\n\n" * 3000)
    text, _ = await asked([*chat("Hello")[:2], *[flood] * 40, *chat("Hello")[2:]])
    beating.cancel()
    assert text == "Hello"
    assert turns > 50


# -- what we send -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd", ["“", "’", "​", "\ufeff", "\n", "\r\nX-Evil: 1", "\x00", "\x1b", "\ud83d", "\xa0", "\u2028"]
)
@pytest.mark.parametrize("place", ["key", "variable", "callable", "header", "name"])
async def test_a_character_that_was_not_meant_is_named_and_never_sent(monkeypatch, place, odd):
    """Typographic quotes, invisible characters, line ends: the header or variable is named, its value not shown."""
    secret = f"sk{odd}SECRET"
    options: dict[str, object] = {"api_key": "k"}
    if place == "variable":
        if odd in ("\x00", "\ud83d"):
            pytest.skip("the environment does not take it")
        monkeypatch.setenv("OPENAI_API_KEY", secret)
        options = {}
    elif place == "header":
        options["headers"] = {"X-Tenant": secret}
    elif place == "name":
        options["headers"] = {f"X{odd}Tenant": "SECRET"}
    else:
        options["api_key"] = (lambda: secret) if place == "callable" else secret
    async with Loopback(chat("Hello")) as server, Client(Target("openai:m", base_url=server.url, **options)) as client:  # type: ignore[arg-type]
        with pytest.raises(StreamError) as caught:
            await client.complete("Hi", deadline=5)
    error = caught.value
    named = {"key": "api_key", "variable": "OPENAI_API_KEY", "callable": "api_key", "header": "X-Tenant"}
    assert error.kind == "client_config"
    assert named.get(place, "name of a header") in error.message
    assert "SECRET" not in f"{error} {error.to_dict()} {error.__cause__!r} {error.__context__!r}"
    assert not server.seen


async def test_a_header_of_letters_is_sent_as_it_is():
    """Not everything that is no ASCII was a mistake."""
    async with Loopback(chat("Hello")) as server:
        async with Client(server.target(headers={"X-User": "José 林", "X-Tab": "a\tb"})) as client:
            await client.complete("Hi", deadline=5)
        assert server.seen[0].headers["x-user"] == "José 林"


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
@pytest.mark.parametrize("place", ["key", "callable", "variable"])
async def test_a_blank_key_is_none(monkeypatch, place, blank):
    """It is missing, also at an address of the user's own, and is not sent as an empty one."""
    monkeypatch.setenv("OPENAI_API_KEY", blank)
    keys = {"key": blank, "callable": lambda: blank}
    base = {"base_url": "http://127.0.0.1:9"} if place != "variable" else {}
    async with Client(Target("openai:m", api_key=keys.get(place), **base)) as client:  # type: ignore[arg-type]
        with pytest.raises(StreamError) as caught:
            await client.complete("Hi", deadline=5)
    assert (caught.value.kind, caught.value.failure.code) == ("authentication", "missing_key")


async def test_a_blank_key_leaves_room_for_the_environments(monkeypatch):
    """A blank key counts as none, so the environment's key is used."""
    monkeypatch.setenv("OPENAI_API_KEY", " KEY\n")
    async with Loopback(chat("Hello")) as server:
        async with Client(Target("openai:m", api_key="", base_url=server.url)) as client:
            await client.complete("Hi", deadline=5)
        assert server.seen[0].headers["authorization"] == "Bearer KEY"


@pytest.mark.parametrize("value", [b"SECRET", 5, ["SECRET"], object()])
async def test_a_key_that_is_no_text_is_said(value):
    """A function that returns something else is told what, by its type."""

    async def key() -> object:
        return value

    for function in (key, lambda: value):
        async with Client(Target("openai:m", api_key=function, base_url="http://127.0.0.1:9")) as client:  # type: ignore[arg-type]
            with pytest.raises(StreamError) as caught:
                await client.complete("Hi", deadline=5)
        assert caught.value.kind == "client_config"
        assert type(value).__name__ in caught.value.message
        assert "SECRET" not in str(caught.value)


async def test_a_cut_head_is_a_lost_connection():
    """The limits change nothing about ends that come too early."""
    error, requests = await failed([OK, "cut"])
    assert (error.kind, requests) == ("connection_lost", 3)
    error, _ = await failed(cut_after("Hel", end=LAST))
    assert error.kind == "stream_interrupted"
