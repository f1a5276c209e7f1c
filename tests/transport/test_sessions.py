"""Our connections: they notice a peer that has gone, and the private fields that they use are still there."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from resilient_stream import Client
from resilient_stream.transport import http
from resilient_stream.transport.sessions import IDLE, Connection, _longest_line, new_session
from tests.loopback import Loopback, chat


def connections(client: Client) -> list[Any]:
    """Those that lie in the pool."""
    here = client.transport.http._sessions[asyncio.get_running_loop()]  # type: ignore[attr-defined]
    return [protocol for pool in here.session.connector._conns.values() for protocol, _ in pool]


async def test_every_connection_has_keep_alive():
    """A peer that is gone without a word is noticed by the operating system, on the socket that was really used."""
    async with Loopback(chat("Hello")) as server, Client(server.target()) as client:
        await client.complete("Hi", deadline=5)
        (connection,) = connections(client)
        assert isinstance(connection, Connection)
        found = connection.transport.get_extra_info("socket")
        assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == IDLE
            assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) < IDLE


async def test_a_session_of_ours_reads_no_netrc_and_keeps_no_cookies():
    """What aiohttp would do by itself."""
    async with new_session() as session:
        assert not session.trust_env
        assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)


async def test_what_we_use_of_aiohttp_is_still_there():
    """Fields without a promise: if one goes, this says which."""
    async with new_session() as session:
        connector: Any = session.connector
        for name in ("_factory", "_conns", "_acquired", "_close", "_loop"):
            assert hasattr(connector, name), name
        made = connector._factory()
        assert isinstance(made, ResponseHandler)
        for name in ("_payload", "set_response_params", "data_received", "feed_data", "set_exception"):
            assert hasattr(made, name), name
    assert hasattr(aiohttp.StreamReader, "total_raw_bytes")


async def test_the_first_reads_cost_no_turn():
    """A short answer is read by aiohttp's own method, without anything around it."""

    class Content:
        total_bytes = http.TURN - 1

        def readany(self) -> str:
            return "its own"

    response = object.__new__(http.Response)
    response._content, response._turn_at = Content(), http.TURN  # type: ignore[assignment]
    assert response.read() == "its own"  # type: ignore[comparison-overlap]
    response._content.total_bytes += 1
    later = response.read()
    assert asyncio.iscoroutine(later)
    later.close()


async def test_a_long_body_gives_a_turn_when_its_time_is_over(monkeypatch):
    """Not after each read, since most are worked through in far less time than a turn takes."""
    now, turns = 100.0, 0

    class Content:
        total_bytes = http.TURN

        async def read(self, size: int) -> bytes:
            return b"x" * size

    async def turn(_: float) -> None:
        nonlocal turns
        turns += 1

    monkeypatch.setattr(http, "perf_counter", lambda: now)
    monkeypatch.setattr(http.asyncio, "sleep", turn)
    response = object.__new__(http.Response)
    response._content, response._turn_at, response._turn = Content(), http.TURN, 0.0  # type: ignore[assignment]
    seen = []
    for passed in (0.0, http.PATIENCE * 0.6, http.PATIENCE * 0.6, 0.0):
        now += passed
        await response.read()
        seen.append(turns)
    assert seen == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"HTTP/1.1 200 OK\r\na: 1\r\nx-long: " + b"y" * 90, "the header x-long"),
        (b"HTTP/1.1 200 " + b"y" * 300, "the longest line of the head"),
        (b"HTTP/1.1 200 OK\r\n\x1b[2J: " + b"y" * 90, "the longest line of the head"),
        (b"HTTP/1.1 200 OK\r\n" + b"n" * 150 + b": " + b"y" * 90, f"the header {'n' * 100}"),
    ],
)
def test_a_header_is_named_only_by_what_is_a_name(head, said):
    """Bounded, and never by bytes that are something else."""
    assert _longest_line(bytearray(head)) == said
