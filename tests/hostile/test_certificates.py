"""Certificates of the environment: those that it names when a request is sent, and no others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from resilient_stream import Client, RetryPolicy, StreamError, Target
from tests.hostile.tls import secure_server
from tests.loopback import Loopback, chat


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither proxies nor certificates of this machine's environment."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def client_of(port: int) -> Client:
    """A client of the server at this port, which asks once."""
    target = Target("openai:m", api_key="KEY", base_url=f"https://localhost:{port}/v1")
    return Client(target, retry=RetryPolicy.off())


async def failure(client: Client) -> StreamError:
    """How a call ends that cannot end well."""
    with pytest.raises(StreamError) as caught:
        await client.complete("Hi", deadline=5)
    return caught.value


async def test_a_file_that_is_set_at_run_time_counts(monkeypatch, certificate):
    """Also for a client that was refused before, and not for one more request when it is unset again."""
    async with secure_server(certificate, chat("Hello")) as port, client_of(port) as client:
        assert (await failure(client)).kind == "tls_failure"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert (await client.complete("Hi", deadline=5)).text == "Hello"
        monkeypatch.delenv("SSL_CERT_FILE")
        client.transport.close_idle()
        assert (await failure(client)).kind == "tls_failure"


async def test_a_directory_counts_as_well(monkeypatch, certificate, tmp_path):
    """By OpenSSL's names: the hash of a subject."""
    asked = ["openssl", "x509", "-subject_hash", "-noout", "-in", str(certificate)]
    name = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / f"{name}.0").symlink_to(certificate)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    async with secure_server(certificate, chat("Hello")) as port, client_of(port) as client:
        assert (await client.complete("Hi", deadline=5)).text == "Hello"


@pytest.mark.parametrize("content", [None, "directory", "", "no certificate\n", "\x00"])
async def test_a_file_that_has_none_is_named_with_its_variable(monkeypatch, tmp_path: Path, content):
    """Nothing is sent, and nothing is verified with fewer certificates; addresses without TLS do not care."""
    file = tmp_path / "file.pem"
    if content == "directory":
        file.mkdir()
    elif content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with client_of(9) as client:
        error = await failure(client)
    assert error.kind == "client_config"
    assert "SSL_CERT_FILE" in error.message
    async with Loopback(chat("Hello")) as server, Client(server.target()) as client:
        assert (await client.complete("Hi", deadline=5)).text == "Hello"


async def test_a_directory_that_does_not_exist_is_named(monkeypatch, tmp_path):
    """OpenSSL would go on without a word."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "missing"))
    async with client_of(9) as client:
        error = await failure(client)
    assert error.kind == "client_config"
    assert "SSL_CERT_DIR" in error.message
