"""Exceptions of the network: as observed, as every class of the library, and as provoked on loopback."""

from __future__ import annotations

import asyncio
import errno
import inspect
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import client_exceptions

from resilient_stream.classify import classify_exception
from resilient_stream.classify.network import CLASSES
from resilient_stream.errors import error_for

from .rows import Row, exception_of, rows

CASES = rows("aiohttp_observed.tsv")

ELSEWHERE = {
    "pool_wait_timeout": "our own semaphore has its own failure; the connector has no limit",
    "cancelled_before_headers": "CancelledError is never classified",
    "cancelled_mid_body": "CancelledError is never classified",
    "raise_for_status_429": "never called: the status of a response is read from the response",
    "json_on_html": "never called: the content type is looked at before the body",
    "proxy_bad_scheme": "the same exception as a refused proxy; the URL of a proxy is checked when it is set",
    "session_closed_mid_body": "the client closes the call itself, and knows",
    "session_closed_mid_body_sock_read": "the client closes the call itself, and knows",
    "memory_error_read": "aiohttp swallows it; it leaves no trace in the exception",
}
"""Observed conditions that no exception tells, besides those that raise none."""


def kind_of(error: BaseException, phase: str = "request") -> str:
    """The kind of an exception that must have one."""
    failure = classify_exception(error, phase=phase, host="api.example.com")  # type: ignore[arg-type]
    assert failure is not None, f"{error!r} has no kind"
    return failure.kind.value


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case["case"]) for case in CASES if case["mro"] and case["case"] not in ELSEWHERE],
)
def test_what_the_library_was_seen_to_raise_has_its_kind(case: Row) -> None:
    """Every exception that aiohttp was seen to raise gets the kind and category of its cause."""
    phase = {"http": "request"}.get(case["phase"], case["phase"])
    failure = classify_exception(exception_of(case), phase=phase, host="h")  # type: ignore[arg-type]
    assert failure is not None
    assert (failure.kind.value, error_for(failure).category.value) == (case["kind"], case["category"])


def test_every_observed_condition_is_accounted_for() -> None:
    """A condition is classified, raises nothing, or is listed with the reason why it is decided elsewhere."""
    if not CASES:
        pytest.skip("the observed conditions are not on this machine")
    silent = [case for case in CASES if not case["mro"]]
    print(f"\naiohttp: {len(CASES)} conditions, {len(silent)} raise nothing, {len(ELSEWHERE)} decided elsewhere")
    assert set(ELSEWHERE) <= {case["case"] for case in CASES}


LIBRARY = sorted(
    name
    for name, cls in vars(client_exceptions).items()
    if inspect.isclass(cls) and issubclass(cls, BaseException) and cls.__module__ == client_exceptions.__name__
)


def test_every_exception_class_of_the_library_has_a_row() -> None:
    """A new version of aiohttp with a new exception class fails here, not in production."""
    assert [name for name in LIBRARY if name not in CLASSES] == []


@pytest.mark.parametrize("name", LIBRARY)
def test_a_half_made_exception_is_classified_all_the_same(name: str) -> None:
    """Not even an exception whose attributes are missing makes the classifier raise."""
    cls = getattr(client_exceptions, name)
    assert kind_of(cls.__new__(cls)) in {fault.before.value for fault in CLASSES.values()}


def caused(error: BaseException, cause: BaseException) -> BaseException:
    """`raise error from cause`."""
    error.__cause__ = cause
    return error


class ClientConnectorDNSError(OSError):
    """A stand-in, known by its name alone."""

    def __init__(self, os_error: OSError) -> None:
        super().__init__(os_error.errno, os_error.strerror)
        self.os_error = os_error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientConnectorDNSError(OSError(errno.EMFILE, "Too many open files")), "fd_exhausted"),
        (ClientConnectorDNSError(socket.gaierror(errno.ENOMEM, "not an errno of the system")), "dns_failure"),
        (caused(aiohttp.ClientPayloadError("x"), OSError(errno.ENFILE, "")), "fd_exhausted"),
        (OSError(errno.ENOMEM, ""), "out_of_memory"),
        (OSError(errno.EHOSTUNREACH, ""), "connect_failed"),
        (OSError(errno.ETIMEDOUT, ""), "connect_timeout"),
        (BrokenPipeError(errno.EPIPE, ""), "connection_lost"),
        (ConnectionResetError(), "connection_lost"),
        (MemoryError(), "out_of_memory"),
        (TimeoutError(), "deadline_exceeded"),
        (asyncio.IncompleteReadError(b"", 5), "connection_lost"),
        (RuntimeError("cannot schedule new futures after interpreter shutdown"), "client_closed"),
        (RuntimeError("can't start new thread"), "os_limit"),
    ],
)
def test_the_cause_counts_more_than_the_wrapper(error: BaseException, kind: str) -> None:
    """A lack of resources decides, wherever it is in the chain of causes; then the operating system's number."""
    assert kind_of(error) == kind


def test_errno_of_ssl_is_not_an_errno() -> None:
    """SSLError has errno 1 in common with EPERM, and nothing else."""
    import ssl

    assert kind_of(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")) == "tls_failure"
    assert kind_of(ssl.SSLEOFError(8, "EOF occurred in violation of protocol")) == "connection_lost"
    assert kind_of(ssl.SSLError(1, "[SSL] record layer failure"), "stream") == "stream_interrupted"


@pytest.mark.parametrize("error", [ConnectionResetError(errno.ECONNRESET, ""), aiohttp.ServerDisconnectedError()])
def test_the_same_loss_is_named_by_its_phase(error: BaseException) -> None:
    """Lost before the headers is connection_lost, in the body stream_interrupted."""
    assert kind_of(error, "connect") == kind_of(error, "request") == "connection_lost"
    assert kind_of(error, "stream") == "stream_interrupted"


@pytest.mark.parametrize(
    "bug",
    [KeyError("x"), TypeError("x"), RuntimeError("x"), ValueError("x"), RecursionError("x"), AssertionError(),
     FileNotFoundError(errno.ENOENT, "no CA bundle"), PermissionError(errno.EACCES, "a file"), ZeroDivisionError()],
)  # fmt: skip
def test_a_bug_stays_visible(bug: BaseException) -> None:
    """What is no fault of network or host is not classified."""
    assert classify_exception(bug, phase="stream") is None


def test_a_bug_in_a_handler_is_not_excused_by_the_fault_it_handled() -> None:
    """Only an explicit cause speaks for an unknown error; the context is chance."""

    def handler() -> None:
        try:
            raise ConnectionResetError(errno.ECONNRESET, "")
        except ConnectionResetError:
            {}["bug"]

    with pytest.raises(KeyError) as caught:
        handler()
    assert classify_exception(caught.value, phase="stream") is None
    assert kind_of(caused(LookupError(), ConnectionResetError(errno.ECONNRESET, ""))) == "connection_lost"


def test_a_loop_in_the_chain_ends() -> None:
    """A chain that bites its own tail is walked once."""
    first, second = OSError(), OSError()
    first.__cause__, second.__cause__ = second, first
    assert classify_exception(first, phase="request") is None


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def says(data: bytes, *, reset: bool = False) -> Script:
    """A server that reads the head of a request, says these bytes and hangs up, politely or not."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(data)
        await writer.drain()
        if reset:
            lingering = struct.pack("ii", 1, 0)  # on, 0 s: close sends RST
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
            await asyncio.sleep(0.01)  # lets the client read what came before

    return script


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[str]:
    """A raw loopback server; yields its host:port."""
    handlers: list[asyncio.Task[Any]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await script(reader, writer)
        except ConnectionError:
            pass  # the client hung up first
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


async def provoked(url: str, **options: Any) -> tuple[BaseException, str]:
    """The exception of a streaming POST as the SDK makes it, and the phase it came in."""
    phase = "request"
    timeout = aiohttp.ClientTimeout(total=None, sock_read=options.pop("sock_read", 5), sock_connect=5)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            async with session.post(url, data=b"{}", **options) as response:
                phase = "stream"
                async for _ in response.content.iter_any():
                    pass
        except Exception as error:
            return error, phase
    raise AssertionError("nothing was raised")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(says(b""), "connection_lost", id="closed-before-headers"),
        pytest.param(says(b"", reset=True), "connection_lost", id="reset-before-headers"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Ty"), "connection_lost", id="closed-in-headers"),
        pytest.param(says(CHUNKED), "stream_interrupted", id="closed-in-chunked-body"),
        pytest.param(says(CHUNKED, reset=True), "stream_interrupted", id="reset-in-chunked-body"),
        pytest.param(says(CHUNKED + b"zz\r\nx\r\n"), "protocol_error", id="bad-chunk-size"),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"), "stream_interrupted", id="short-body"
        ),
        pytest.param(says(b"SSH-2.0-OpenSSH_9.6\r\n"), "protocol_error", id="bad-status-line"),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\n"), "protocol_error", id="bad-content-length"
        ),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 20000 + b"\r\n\r\n"), "protocol_error", id="long-header"
        ),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain"),
            "protocol_error",
            id="not-gzip",
        ),
    ],
)
async def test_a_fault_on_a_real_socket_has_its_kind(script: Script, kind: str) -> None:
    """What the installed version of the library raises for this fault is recognised."""
    async with serving(script) as address:
        error, phase = await provoked(f"http://{address}/")
    assert kind_of(error, phase) == kind


async def test_a_refused_connection_names_the_host() -> None:
    """Nobody listens: connect_failed, and the message can say where."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error, phase = await provoked(f"http://127.0.0.1:{closed.getsockname()[1]}/")
    failure = classify_exception(error, phase=phase)  # type: ignore[arg-type]
    assert failure is not None
    assert (failure.kind.value, failure.facts["host"]) == ("connect_failed", "127.0.0.1")


async def test_tls_on_a_plain_port_says_so() -> None:
    """https:// to a server that speaks plain HTTP: tls_failure with a reason that helps."""
    async with serving(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as address:
        error, phase = await provoked(f"https://{address}/")
    failure = classify_exception(error, phase=phase)  # type: ignore[arg-type]
    assert failure is not None
    assert failure.kind.value == "tls_failure"
    assert error_for(failure).message.endswith("Reason: the server does not speak https on this port.")


async def test_a_peer_that_hangs_up_in_the_handshake_is_a_lost_connection() -> None:
    """A load balancer without backends closes in the TLS handshake: worth a retry, not a certificate problem."""
    async with serving(says(b"")) as address:
        error, phase = await provoked(f"https://{address}/")
    assert kind_of(error, phase) == "connection_lost"


async def test_an_unknown_host_is_a_dns_failure() -> None:
    """A name that does not resolve is a dns_failure."""

    class Nowhere(aiohttp.abc.AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
            raise OSError(None, "x") from socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async def close(self) -> None:
            pass

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Nowhere())) as session:
        with pytest.raises(aiohttp.ClientConnectorDNSError) as caught:
            await session.get("http://no-such-host.invalid/")
    assert kind_of(caught.value) == "dns_failure"


@pytest.mark.parametrize(
    ("answer", "kind", "fallback"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy_auth", False),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "permission_denied", False),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy_error", True),
    ],
)
async def test_a_proxys_answer_is_the_proxys(answer: bytes, kind: str, fallback: bool) -> None:
    """The one status in an exception that a server really sent: the proxy's, to CONNECT."""
    async with serving(says(answer)) as address:
        error, phase = await provoked("https://api.example.com/", proxy=f"http://{address}")
    failure = classify_exception(error, phase=phase)  # type: ignore[arg-type]
    assert failure is not None
    assert (failure.kind.value, error_for(failure).fallback) == (kind, fallback)


async def test_silence_is_a_read_timeout() -> None:
    """The server accepts and says nothing."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(mute) as address:
        error, phase = await provoked(f"http://{address}/", sock_read=0.01)
    assert kind_of(error, phase) == "read_timeout"


async def test_a_closed_session_and_a_bad_url_are_the_callers() -> None:
    """client_closed and client_config need no server."""
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(RuntimeError) as closed:
        await session.post("http://127.0.0.1:9/")
    assert kind_of(closed.value) == "client_closed"
    for url in ("api.openai.com/v1", "", "ftp://x/"):
        assert kind_of((await provoked(url))[0]) == "client_config"


async def test_a_key_with_a_line_break_is_a_configuration_problem() -> None:
    """A key read from a file, with its newline."""
    async with serving(says(b"")) as address:
        error, phase = await provoked(f"http://{address}/", headers={"Authorization": "Bearer x\r\ny"})
    assert kind_of(error, phase) == "client_config"
