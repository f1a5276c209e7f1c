"""A secret that an attempt was sent with is in nothing that leaves the attempt, wherever a server quotes it.

The tests are a matrix, over the dialects: where the secret was sent, where the answer quotes it, where it could leave.
"""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from resilient_stream import Client, RetryPolicy, StreamError, Target, Timeouts
from resilient_stream.testing import CleanEnd, ErrorEvent, Event, FakeProvider, Head, Script, Send, Status, Text
from tests.loopback import Loopback
from tests.telemetry.seen import Seen

KEY = "d41d8cd98f00b204e9800998ecf8427e"
"""As Azure's and many gateways' keys look: no beginning gives it away."""

Make = Callable[[FakeProvider], Target]


def at(provider: str, **options: Any) -> Make:
    """A target of this dialect, with the key unless the options say otherwise."""
    return lambda server: server.target(provider, **{"api_key": KEY, **options})


def address(make: Callable[[str], str], provider: str = "openai") -> Make:
    """A target whose address holds the secret; its key is another one."""
    return lambda server: server.target(provider, base_url=make(server.base_url(provider)))


async def from_a_vault() -> str:
    """An OAuth token, fetched for each attempt."""
    return KEY


DIALECTS = ("openai", "openai-responses", "anthropic", "gemini", "gemini-interactions", "cohere", "ollama", "bedrock")
SENT: dict[str, Make] = {
    **{f"key of {name}": at(name) for name in DIALECTS},
    "api-key header": at("azure", api_version="v1"),
    "OAuth token": at("openai", api_key=from_a_vault),
    "Entra ID token": at("azure", api_version="v1", azure_ad_token=KEY, api_key=None),
    "X-Tenant-Token": at("openai", api_key="test", headers={"X-Tenant-Token": KEY}),
    "a header of any name": at("anthropic", api_key="test", headers={"X-Odd": KEY}),
    "a cookie": at("openai", api_key="test", headers={"Cookie": f"theme=dark; session={KEY}"}),
    "Basic": at("openai", headers={"Authorization": f"Basic {base64.b64encode(f'me:{KEY}'.encode()).decode()}"}),
    "query": address(lambda url: f"{url}?key={KEY}"),
    "login": address(lambda url: url.replace("://", f"://me:{KEY}@"), "anthropic"),
    "session token": at("bedrock", api_key=None),
}


def error(message: str, **more: Any) -> dict[str, Any]:
    """An error in the shape that most dialects have."""
    return {"error": {"message": message, "type": "invalid_request_error", **more}}


TEXT, HTML = {"content-type": "text/plain"}, {"content-type": "text/html"}
STREAM = {"content-type": "text/event-stream"}
QUOTED: dict[str, Callable[[str], Script]] = {
    "message": lambda key: [Status(400, {}, error(f"Header Authorization: value {key} rejected"))],
    "unknown sentence": lambda key: [Status(422, {}, error(f"unsupported credential {key} in request"))],
    "401": lambda key: [Status(401, {}, error(f"token `{key}` rejected"))],
    "code": lambda key: [Status(400, {}, error("no", code=key))],
    "type": lambda key: [Status(403, {}, {"error": {"message": "no", "type": key}})],
    "request id": lambda key: [Status(400, {"x-request-id": key, "x-amzn-requestid": key, "request-id": key})],
    "error type header": lambda key: [Status(400, {"x-amzn-errortype": key})],
    "header echo": lambda key: [Status(400, {}, error(json.dumps({"authorization": f"Bearer {key}"})))],
    "text": lambda key: [Status(400, TEXT, f"bad key {key}")],
    "page": lambda key: [Status(502, HTML, f"<html><title>{key}</title>{key}</html>")],
    "in the stream": lambda key: [Text("Hel"), ErrorEvent(400, f"failed for {key}"), CleanEnd()],
    "before content": lambda key: [ErrorEvent(500, f"failed for {key}"), CleanEnd()],
    "quoted as in an address": lambda key: [Status(400, {}, error(f"no {quote(key, safe='')} here"))],
    "in Base64": lambda key: [Status(400, {}, error(f"no {base64.b64encode(f'me:{key}'.encode()).decode()} here"))],
    "in capitals": lambda key: [Status(400, {}, error(f"no {key.upper()} here"))],
    "shortened": lambda key: [Status(400, {}, error(f"no {key[:10]}…{key[-10:]} here"))],
    "at a bound": lambda key: [Status(400, {}, error("x" * 220 + key))],
    "feature": lambda key: [Status(400, {}, error(f"This model does not support {key}."))],
}
TRACES = (KEY, KEY.upper(), KEY[:10], KEY[-10:], base64.b64encode(f"me:{KEY}".encode()).decode(), quote(KEY))


class Kept(logging.Handler):
    """Everything that a record holds."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {vars(record)!r}")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All records at DEBUG."""
    logger, kept = logging.getLogger("resilient_stream"), Kept()
    level = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    yield kept.texts
    logger.removeHandler(kept)
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary credentials, of which the session token is the secret that is looked for."""
    monkeypatch.setattr(
        "resilient_stream.credentials.bedrock._SESSIONS", {}
    )  # the next test has credentials of its own
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_SESSION_TOKEN", KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def left(text: str | bytes) -> list[str]:
    """What of the secret can be read there."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return [trace for trace in TRACES if trace in shown]


def exits(failed: StreamError) -> dict[str, str | bytes]:
    """All that an error can be turned into."""
    assert failed.transcript is not None
    attempts = [repr(attempt.error.failure) for attempt in failed.transcript.attempts if attempt.error is not None]
    return {
        "str": str(failed), "repr": repr(failed), "args": repr(failed.args), "dict": json.dumps(failed.to_dict()),
        "pickle": pickle.dumps(failed), "copy": repr(vars(copy.copy(failed))), "deep": str(copy.deepcopy(failed).args),
        "traceback": "".join(traceback.format_exception(failed)), "cause": repr(failed.__cause__),
        "transcript": json.dumps(failed.transcript.to_dict()), "attempts": " ".join(attempts),
        "vars": repr(vars(failed)),
    }  # fmt: skip


async def provoke(make: Make, script: Script, file: Path, logged: list[str]) -> dict[str, str | bytes]:
    """One call that fails, watched by everybody who can be told; what each of them has."""
    seen, events = Seen(), list[Any]()
    async with FakeProvider(script) as server:
        async with Client(
            make(server), retry=RetryPolicy.off(), timeouts=Timeouts(connect=0.3), telemetry=seen.telemetry(),
            record=file, on_event=events.append,
        ) as client:  # fmt: skip
            with pytest.raises(StreamError) as caught:
                await client.complete("hi")
    spans = [(span.name, span.status.description, dict(span.attributes or {}), span.events) for span in seen.spans]
    metrics = [seen.points(name) for name in seen.metrics]
    seen.tracers.shutdown()
    seen.meters.shutdown()
    return {
        **exits(caught.value), "log": "\n".join(logged), "spans": repr(spans), "metrics": repr(metrics),
        "events": repr(events), "recording": file.read_bytes() if file.exists() else b"",
    }  # fmt: skip


@pytest.mark.parametrize("quoted", QUOTED)
@pytest.mark.parametrize("sent", SENT)
async def test_a_secret_that_a_server_quotes_leaves_nowhere(
    sent: str, quoted: str, tmp_path: Path, logged: list[str]
) -> None:
    """However it was sent, and wherever and in which notation it comes back."""
    found = await provoke(SENT[sent], QUOTED[quoted](KEY), tmp_path / "a.jsonl", logged)
    assert {where: left(text) for where, text in found.items() if left(text)} == {}


NAMES = {
    "model": {"id": "1", "model": KEY, "choices": [{"index": 0, "delta": {"content": "Hel"}}]},
    "response id": {"id": KEY, "model": "m", "choices": [{"index": 0, "delta": {"content": "Hel"}}]},
}


@pytest.mark.parametrize("where", NAMES)
async def test_a_secret_as_a_name_leaves_nowhere(where: str, tmp_path: Path, logged: list[str]) -> None:
    """A good answer, too, may call its model or itself by the key; it is in no span, label, log line or dict."""
    script: Script = [Event(NAMES[where]), ErrorEvent(500, "no"), CleanEnd()]
    found = await provoke(at("openai"), script, tmp_path / "a.jsonl", logged)
    assert {exit: left(text) for exit, text in found.items() if left(text)} == {}


async def test_a_tools_name_is_content_and_in_no_record(tmp_path: Path, logged: list[str]) -> None:
    """The application gets what the model called; logs, spans and metrics have nothing of it."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": KEY, "arguments": "{}"}}
    event = {"id": "1", "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    found = await provoke(at("openai"), [Event(event), ErrorEvent(500, "no"), CleanEnd()], tmp_path / "a", logged)
    assert [where for where in ("log", "spans", "metrics", "recording", "str", "traceback") if left(found[where])] == []


async def test_an_answer_that_repeats_the_key_over_two_reads_is_recorded_without_it(tmp_path: Path) -> None:
    """The bytes of two reads are looked at together."""
    data = b'data: {"choices": [{"index": 0, "delta": {"content": "%b"}}]}\n\ndata: [DONE]\n\n' % KEY.encode()
    place = data.index(KEY.encode()) + 9
    file = tmp_path / "a.jsonl"
    async with FakeProvider([Head(headers=STREAM), Send(data[:place]), Send(data[place:]), CleanEnd()]) as server:
        async with Client(server.target("openai", api_key=KEY), record=file) as client:
            assert (await client.complete("hi")).text == KEY  # the answer itself is the model's
    assert file.read_bytes()
    assert left(file.read_bytes()) == []


async def test_a_programs_variables_leave_nowhere(tmp_path: Path, logged: list[str], monkeypatch: Any) -> None:
    """A program that dies with a complaint about its key."""
    program = tmp_path / "claude"
    program.write_text(f"#!{sys.executable}\nimport os, sys\nsys.exit('bad: ' + os.environ['ANTHROPIC_API_KEY'])\n")
    program.chmod(0o755)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    found = await provoke(lambda _: Target("claude-code:m", command=str(program)), [], tmp_path / "a.jsonl", logged)
    assert "bad: [hidden]" in str(found["str"])
    assert {where: left(text) for where, text in found.items() if left(text)} == {}


ADDRESSES = {
    "port in use by nobody": "http://me:{key}@127.0.0.1:1/v1?token={key}",
    "unknown host": "http://me:{key}@no.such.host.invalid/v1",
    "bad port": "http://me:{key}@127.0.0.1:99999/v1",
    "tls where there is none": "https://me:{key}@127.0.0.1:{port}/v1?token={key}",
}


@pytest.mark.parametrize("what", ADDRESSES)
async def test_a_plain_traceback_of_the_network_has_no_secret(what: str, tmp_path: Path, logged: list[str]) -> None:
    """aiohttp's exceptions have the address and the headers in them; they are causes of ours."""
    async with Loopback([b"no HTTP\r\n\r\n"]) as server:
        url = ADDRESSES[what].format(key=KEY, port=server.port)
        found = await provoke(
            lambda _: Target("anthropic:m", base_url=url, api_key=KEY), [], tmp_path / "a.jsonl", logged
        )
    assert {where: left(text) for where, text in found.items() if left(text)} == {}


async def test_a_function_for_the_key_that_fails_is_told_by_its_class(tmp_path: Path, logged: list[str]) -> None:
    """Its own exception stays the cause, with its own text: that is the caller's."""

    def key() -> str:
        raise RuntimeError(f"vault said {KEY}")

    found = await provoke(at("openai", api_key=key), [], tmp_path / "a.jsonl", logged)
    found = {where: text for where, text in found.items() if where not in ("traceback", "cause")}
    assert {where: left(text) for where, text in found.items() if left(text)} == {}
