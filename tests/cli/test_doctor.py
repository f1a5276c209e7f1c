"""`doctor`: a good target passes, each way to be broken is found at its step, and no key is shown."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
import time

import pytest

from resilient_stream.cli import exit_codes
from resilient_stream.cli.doctor.checks import STEPS, Examination, wrong_url
from resilient_stream.cli.doctor.command import configured_targets
from resilient_stream.providers import adapter_for
from resilient_stream.testing import Cut, FakeProvider, Preamble, Stall, Status, Text

from .conftest import HELLO, in_terminal, run

SECRET = "sk-very-secret"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy this machine has is not asked."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def examined(name: str, deadline: float = 5.0) -> Examination:
    """An examination, done."""
    found = Examination(name, deadline)
    await found.run()
    return found


def at(monkeypatch: pytest.MonkeyPatch, url: str, key: str = SECRET) -> None:
    """Lead `openai:` to this address."""
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", key)


async def test_a_good_target_passes(monkeypatch, nothing_left):
    """Configuration, key, connection and an answer; the name and the certificate do not apply on loopback."""
    async with FakeProvider() as provider:
        at(monkeypatch, provider.base_url("openai"))
        found = await examined("openai:m")
        await provider.wait_closed()
    assert found.ok
    assert [check.state for check in found.checks.values()] == ["ok", "ok", "skipped", "ok", "skipped", "ok"]
    assert provider.requests[0].json["max_completion_tokens"] == 16


@pytest.mark.parametrize(
    ("script", "title"),
    [
        ([Status(401)], "API key not accepted"),
        ([Status(404)], "Model not found"),
        ([Status(429)], "Rate limited"),
        ([Text("Half"), Cut()], "Answer cut off"),
        ([Preamble(), Stall()], "Out of time"),
    ],
)
async def test_a_bad_answer_is_named(script, title, monkeypatch, nothing_left):
    """Asked once, without retries; the last step fails with the catalogue's words, within the deadline."""
    async with FakeProvider(script) as provider:
        at(monkeypatch, provider.base_url("openai"))
        found = await examined("openai:m", 1.0 if Stall() in script else 30.0)
        assert len(provider.requests) == 1
    [failed] = found.failed
    assert (failed.step, failed.note) == ("stream", title)
    assert failed.happened
    assert failed.to_do


@pytest.mark.parametrize(
    ("url", "step", "said"),
    [
        ("http://127.0.0.1:9/v1", "connect", "Could not connect to 127.0.0.1:9."),
        ("http://no-such-host.invalid/v1", "name", "no-such-host.invalid could not be found"),
        ("api.openai.com/v1", "config", "OPENAI_BASE_URL does not begin with http"),
        ("https://user:sk-very-secret@/v1", "config", "has no host"),
        ("https://api.openai.com/v1/chat/completions", "config", "ends in /chat/completions"),
        ("http://[::1/v1", "config", "OPENAI_BASE_URL has"),
        ("http://127.0.0.1:port/v1", "config", "OPENAI_BASE_URL has a port"),
    ],
)
async def test_each_breach_is_found_at_its_step(url, step, said, monkeypatch):
    """The first thing that is wrong fails, what needs it is not tried, and the key is in no word."""
    at(monkeypatch, url)
    found = await examined("openai:m")
    [failed] = found.failed
    assert failed.step == step
    assert said in failed.happened
    assert found.checks["stream"].state == "skipped"
    assert SECRET not in repr(found.checks)


async def test_https_on_a_plain_port(monkeypatch):
    """The certificate's step says that nobody speaks https there."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        at(monkeypatch, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        found = await examined("openai:m")
    [failed] = found.failed
    assert failed.step == "tls"
    assert "does not speak https" in failed.happened


async def test_a_missing_key_does_not_hide_the_network(monkeypatch):
    """The key fails, the host is still looked at, and no request is sent."""
    async with FakeProvider() as provider:
        monkeypatch.setattr(type(adapter_for("anthropic")), "base_url", provider.base_url("anthropic"))
        found = await examined("anthropic:m")
        assert provider.requests == []
    assert [check.state for check in found.checks.values()] == ["ok", "failed", "skipped", "ok", "skipped", "skipped"]
    assert "ANTHROPIC_API_KEY" in found.checks["key"].to_do


async def test_a_host_that_does_not_answer_is_given_up_in_time(monkeypatch):
    """A connection that is never accepted ends with the deadline."""
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            at(monkeypatch, f"http://127.0.0.1:{full.getsockname()[1]}/v1")
            began = time.monotonic()
            found = await examined("openai:m", 0.3)
    assert time.monotonic() - began < 30
    assert found.failed[0].note in ("Connection timed out", "Out of time")


async def test_a_proxy_is_said_and_not_gone_around(monkeypatch):
    """With a proxy for the host, name, connection and certificate are its business; its password is not shown."""
    monkeypatch.setenv("HTTP_PROXY", f"http://me:{SECRET}@proxy.example:3128")
    at(monkeypatch, "http://api.example.com/v1", "")
    monkeypatch.setattr("resilient_stream.cli.doctor.checks.Client", None)
    found = Examination("openai", 1)
    await found.run()
    for step in ("name", "connect", "tls"):
        assert found.checks[step].note == "through the proxy proxy.example:3128, which finds the host itself"
    assert SECRET not in repr(found.checks)


async def test_a_provider_without_a_model_is_looked_at_but_not_asked(monkeypatch):
    """`doctor groq` checks all it can, and says how to go on; that is no pass."""
    async with FakeProvider() as provider:
        monkeypatch.setenv("GROQ_BASE_URL", provider.base_url("openai"))
        monkeypatch.setenv("GROQ_API_KEY", SECRET)
        found = await examined("groq")
    assert found.checks["connect"].state == "ok"
    assert found.checks["stream"].note == "no model was named; try: doctor groq:MODEL"
    assert not found.ok


async def test_what_is_no_target():
    """An unknown provider is a failed configuration, with a way on."""
    found = await examined("nobody:m")
    assert found.failed[0].step == "config"
    assert "nobody" in found.failed[0].happened
    assert "resilient-stream providers" in found.failed[0].to_do


def test_targets_without_arguments(monkeypatch):
    """A quick model of each provider whose key is set, one for each key; without a key the local model."""
    assert configured_targets() == ("local",)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("CEREBRAS_API_KEY", SECRET)
    assert configured_targets() == ("openai:gpt-5-mini", "cerebras")


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://127.0.0.1:1", "https://[::1]:8080/v1"])
def test_good_addresses(url):
    """A good address is not complained about."""
    assert wrong_url(url) is None


async def test_one_good_and_two_broken_targets(provider):
    """The table, what to do for each failure, the exit code; no key and no colour."""
    good, refusing = (
        await provider([HELLO]),
        await provider(
            [b"HTTP/1.1 401 -\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"]
        ),
    )
    ran = await run(
        "doctor", "openai:m", "groq:m", "vllm:m",
        OPENAI_BASE_URL=good.url, OPENAI_API_KEY=SECRET, GROQ_BASE_URL=refusing.url, GROQ_API_KEY=SECRET,
        VLLM_BASE_URL="http://127.0.0.1:9/v1",
    )  # fmt: skip
    assert (ran.code, ran.err) == (exit_codes.CHECK_FAILED, "")
    assert ran.out.split("\n")[0].split() == ["target", *STEPS]
    assert "groq:m · stream: API key not accepted (401)\n" in ran.out
    assert "vllm:m · connect: Connection failed\n" in ran.out
    assert "openai:m ·" not in ran.out
    assert ran.out.endswith("1 of 3 targets answered.\n")
    assert SECRET not in ran.out
    assert "\x1b" not in ran.out


async def test_json_and_the_exit_code_of_success(provider):
    """All pass: 0; one document with every step."""
    ran = await run(
        "doctor", "openai:m", "--json", OPENAI_BASE_URL=(await provider([HELLO])).url, OPENAI_API_KEY=SECRET
    )
    document = json.loads(ran.out)
    assert (ran.code, document["ok"]) == (exit_codes.COMPLETE, True)
    assert [check["step"] for check in document["targets"][0]["checks"]] == list(STEPS)
    assert SECRET not in ran.out


async def test_the_table_is_live_in_a_terminal(provider):
    """It shows the steps while they run, and the same report after them."""
    shown = await in_terminal(
        "doctor", "openai:m", OPENAI_BASE_URL=(await provider([HELLO])).url, OPENAI_API_KEY=SECRET
    )
    assert "1 of 1 targets answered." in shown
    assert "\x1b[?25h" in shown  # the cursor is back


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: no certificate can be made")
async def test_a_good_certificate_passes(provider, tmp_path):
    """Name, connection, certificate and answer over TLS, with a certificate that the machine trusts."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    await asyncio.to_thread(
        subprocess.run,
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    served = await provider([HELLO], tls=context)
    port = served.url.split(":")[2]
    trusted = {"SSL_CERT_FILE": str(certificate), "OPENAI_API_KEY": SECRET, "no_proxy": "localhost"}
    ran = await run("doctor", "openai:m", "--json", OPENAI_BASE_URL=f"https://localhost:{port}", **trusted)
    checks = {check["step"]: check for check in json.loads(ran.out)["targets"][0]["checks"]}
    assert ran.code == exit_codes.COMPLETE
    assert checks["tls"]["state"] == "ok"
    assert checks["tls"]["note"].startswith("TLS")
