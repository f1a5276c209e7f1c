"""Proxies of the environment, over real sockets: used as they are meant, and blamed for what is theirs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from resilient_stream import Client, RetryPolicy, StreamError, Target
from tests.hostile.tls import secure_server
from tests.loopback import Loopback, chat

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY")
PASSWORD = "PROXYPASSWORD"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No variables of this machine, and a home that has a `.netrc` for every host."""
    for name in (*VARIABLES, *map(str.lower, VARIABLES), "NETRC"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login netuser password NETRC\ndefault login netuser password NETRC\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    return monkeypatch


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def proxy(answer: bytes | None, heads: list[bytes] | None = None) -> AsyncIterator[str]:
    """A proxy that reads a head and gives this answer; None: it forwards to where it is told."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            if answer is not None:
                writer.write(answer)
                await writer.drain()
            else:
                await _forward(head, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forward(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A tunnel, or the request in the form for a proxy."""
    method, place, _ = head.split(b" ", 2)
    if method == b"CONNECT":
        host, _, port = place.decode().partition(":")
        there, out = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        host, _, port = place.decode().split("/")[2].partition(":")
        there, out = await asyncio.open_connection(host, int(port))
        out.write(head.replace(b"http://" + f"{host}:{port}".encode(), b"", 1))
    await asyncio.gather(_pump(reader, out), _pump(there, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()


async def failure(*targets: Target, **options: object) -> StreamError:
    """How a call ends that cannot end well."""
    async with Client(*targets, retry=RetryPolicy(initial=0.001)) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("Hi", deadline=5)
    error = caught.value
    told = f"{error} {error.to_dict()} {error.failure!r}"
    assert PASSWORD not in told
    assert base64.b64encode(f"me:{PASSWORD}".encode()).decode() not in told
    return error


PROVIDERS = ("openai", "openai-responses", "anthropic", "gemini", "gemini-interactions", "cohere", "mistral", "ollama")


@pytest.mark.parametrize("variables", [(), ("no_proxy",), ("FTP_PROXY",), ("HTTP_PROXY", "NO_PROXY"), ("HTTP_PROXY",)])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_netrc_is_never_read(environment, provider, variables):
    """Neither its `default` nor the host's own line is sent to a provider, whatever proxy variables there are."""
    heads: list[bytes] = []
    async with Loopback(chat("Hello")) as server, proxy(None, heads) as address:
        for name in variables:
            environment.setenv(name, "127.0.0.1" if name.lower() == "no_proxy" else f"http://{address}")
        target = Target(f"{provider}:m", base_url=f"http://127.0.0.1:{server.port}", api_key="KEY")
        async with Client(target, retry=RetryPolicy.off()) as client, client.stream("Hi", deadline=5) as stream:
            with contextlib.suppress(StreamError):  # the answer is OpenAI's, which most dialects cannot read
                await stream.collect()
    assert server.seen
    assert bool(heads) is (variables == ("HTTP_PROXY",))
    for seen in server.seen:
        assert seen.headers.get("authorization", "Bearer KEY") == "Bearer KEY"
        assert "proxy-authorization" not in seen.headers


async def test_a_request_goes_through_the_proxy_with_its_login(environment):
    """In clear text the proxy reads the request; it has the login, and so does nobody else."""
    heads: list[bytes] = []
    async with Loopback(chat("Hello")) as server, proxy(None, heads) as address:
        environment.setenv("HTTP_PROXY", f"http://me:{PASSWORD}@{address}")
        async with Client(server.target()) as client:
            assert (await client.complete("Hi", deadline=5)).text == "Hello"
    login = base64.b64encode(f"me:{PASSWORD}".encode())
    assert heads[0].startswith(b"POST http://127.0.0.1:")
    assert b"Proxy-Authorization: Basic " + login in heads[0]


async def test_https_goes_through_a_tunnel_and_the_key_stays_inside(environment, certificate):
    """CONNECT with the login, then TLS with the provider itself: the proxy sees neither key nor request."""
    heads: list[bytes] = []
    async with secure_server(certificate, chat("Hello")) as port, proxy(None, heads) as address:
        environment.setenv("https_proxy", f"me:{PASSWORD}@{address}")
        environment.setenv("SSL_CERT_FILE", str(certificate))
        async with Client(Target("openai:m", api_key="KEY", base_url=f"https://localhost:{port}/v1")) as client:
            assert (await client.complete("Hi", deadline=5)).text == "Hello"
    (head,) = heads
    assert head.startswith(f"CONNECT localhost:{port} ".encode())
    assert base64.b64encode(f"me:{PASSWORD}".encode()) in head
    assert b"KEY" not in head


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "socks", "ftp"])
async def test_a_proxy_of_another_kind_is_named_and_nothing_is_sent(environment, variable, scheme):
    """One attempt, no request, the variable and the host in the words, and a fallback that needs no proxy is asked."""
    async with Loopback(chat("Hello")) as server, Loopback(chat("Other")) as other:
        environment.setenv(variable, f"{scheme}://me:{PASSWORD}@127.0.0.1:9")
        error = await failure(server.target())
        assert (error.kind, error.category) == ("proxy_error", "permanent")
        assert variable in str(error)
        assert "127.0.0.1:9" in str(error)
        assert "not supported" in str(error)
        environment.setenv("no_proxy", f"localhost:{other.port}")
        elsewhere = other.target(base_url=f"http://localhost:{other.port}/v1")
        async with Client(server.target(), elsewhere) as client:
            assert (await client.complete("Hi", deadline=5)).text == "Other"
    assert not server.seen


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed the connection"),
        (b"\x05\xff", "not HTTP"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "not HTTP"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_a_proxy_breaks_is_the_proxys(environment, scheme, answer, words):
    """A proxy that hangs up or speaks something else is blamed, with its variable; the provider is not."""
    async with proxy(answer) as address:
        environment.setenv("ALL_PROXY", f"http://me:{PASSWORD}@{address}")
        error = await failure(Target("openai:m", api_key="k", base_url=f"{scheme}://api.example.com/v1"))
    assert error.kind == "proxy_error"
    assert words in error.message
    assert address in error.message
    assert "ALL_PROXY" in error.message
    assert "OpenAI" not in error.message


@pytest.mark.parametrize(("scheme", "variable"), [("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY")])
async def test_a_dead_proxy_is_named(environment, scheme, variable):
    """The error names a proxy at whose address nobody listens, and its variable only."""
    environment.setenv(variable, "http://127.0.0.1:9")
    error = await failure(Target("openai:m", api_key="k", base_url=f"{scheme}://api.example.com/v1"))
    assert error.kind == "proxy_error"
    assert "127.0.0.1:9" in str(error)
    named = set(re.findall(r"\w*(?<!NO)_PROXY", f"{error.message} {error.resolution}"))
    assert named == {variable}


@pytest.mark.parametrize(
    ("scheme", "variable"), [("http", "HTTP_PROXY"), ("https", "https_proxy"), ("https", "ALL_PROXY")]
)
async def test_a_407_names_the_variable_that_lacks_the_login(environment, scheme, variable):
    """A 407 names the proxy's variable, after CONNECT and after a request in clear text."""
    async with proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as address:
        environment.setenv(variable, f"http://{address}")
        error = await failure(Target("openai:m", api_key="k", base_url=f"{scheme}://api.example.com/v1"))
    assert (error.kind, error.status) == ("proxy_auth", 407)
    assert f"{variable}." in error.resolution
    assert address in error.message


async def test_a_proxy_that_refuses_is_not_a_matter_of_rights_at_the_provider(environment):
    """403 to CONNECT: the words are about the proxy."""
    async with proxy(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as address:
        environment.setenv("https_proxy", address)
        error = await failure(Target("openai:m", api_key="k", base_url="https://api.example.com/v1"))
    assert error.title == "Refused by the proxy"
    assert "https_proxy" in error.message
    assert "key" not in error.message


async def test_a_proxy_set_between_two_requests_is_used(environment):
    """The environment is read anew for each request of a client."""
    heads: list[bytes] = []
    async with Loopback(chat("Hello")) as server, proxy(None, heads) as address, Client(server.target()) as client:
        await client.complete("Hi", deadline=5)
        assert not heads
        environment.setenv("HTTP_PROXY", address)
        await client.complete("Hi", deadline=5)
        assert len(heads) == 1
