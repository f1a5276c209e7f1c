"""A good answer, too, may quote the key: as the name of a field, of an event, of itself. No record of it has that."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import Client, Raw, Recovery, RetryPolicy, Transcript
from resilient_stream.contract import HttpRequest
from resilient_stream.masking.values import MASK, Secrets, hints_to, quotes
from resilient_stream.testing import CleanEnd, End, Event, FakeProvider, Head, Script, Send, Status, Text
from tests.telemetry.seen import Seen

KEY = "q7Zp-4vX1mLd9_RtB8wK2sYf6h"
SPELLED: dict[str, str] = {
    "as it is": KEY,
    "in capitals": KEY.upper(),
    "in hexadecimal": KEY.encode().hex(),
    "in Base64": base64.b64encode(KEY.encode()).decode(),
    "a part of it": KEY[:12],
    "its end": KEY[-12:],
    "behind its scheme": f"Bearer {KEY}",
    "percent-encoded": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "as JSON escapes": "".join(rf"\u{byte:04x}" for byte in KEY.encode()),
    "as HTML entities": "".join(f"&#{byte};" for byte in KEY.encode()),
    "as dumped bytes": KEY.encode().hex(":"),
}
SHORT = ("as it is", "in capitals", "a part of it", "in Base64")
"""That are not cut as a field's name."""


def chat(delta: dict[str, Any], reason: str | None = None, **more: Any) -> Event:
    """An event of a chat completion."""
    return Event({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more})


ODD: dict[str, Callable[[str], Event]] = {
    "openai": lambda name: chat({"content": "lo", name: [1]}),
    "mistral": lambda name: chat({"content": [{"type": name, "x": "y"}]}),
    "openai-responses": lambda name: Event({"type": name, "delta": "lo", "sequence_number": 3}),
    "anthropic": lambda name: Event({"type": name, "index": 0, "text": "lo"}, name),
    "gemini": lambda name: Event({"candidates": [{"content": {"parts": [{name: {"a": "b"}}]}}]}),
    "gemini-interactions": lambda name: Event({"event_type": name, "text": "lo"}),
    "cohere": lambda name: Event({"type": name, "delta": {"a": "lo"}}),
    "ollama": lambda name: Event({"message": {"role": "assistant", "content": "lo", name: ["x"]}, "done": False}),
    "bedrock": lambda name: Event({"text": "lo"}, name),
}


class Kept(logging.Handler):
    """Everything that a log record holds."""

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


async def told(provider: str, script: Script, logged: list[str]) -> tuple[Transcript, dict[str, str]]:
    """A call that succeeds: its transcript, and what everybody who watches it was told of it."""
    seen, events = Seen(), list[Any]()
    async with FakeProvider(script) as server:
        async with Client(
            server.target(provider, api_key=KEY), retry=RetryPolicy.off(), recovery=Recovery.off(),
            telemetry=seen.telemetry(), on_event=events.append,
        ) as client:  # fmt: skip
            stream = client.stream("hi")
            _ = [chunk async for chunk in stream]
    spans = [(span.name, dict(span.attributes or {}), span.events) for span in seen.spans]
    metrics = [seen.points(name) for name in seen.metrics]
    seen.tracers.shutdown()
    seen.meters.shutdown()
    transcript = stream.transcript
    kept = {name: value for name, value in transcript.to_dict().items() if name != "chunks"}
    names = [chunk.event for chunk in transcript.chunks if isinstance(chunk, Raw)]
    return transcript, {
        "log": "\n".join(logged), "spans": repr(spans), "metrics": repr(metrics), "events": repr(events),
        "dict": json.dumps(kept), "names": repr(names), "attempts": repr(transcript.attempts),
        "repr": repr(transcript),
    }  # fmt: skip


@pytest.mark.parametrize("provider", ODD)
@pytest.mark.parametrize("spelled", SHORT)
async def test_a_key_as_the_name_of_a_field_is_in_no_record(provider: str, spelled: str, logged: list[str]) -> None:
    """The field is counted, and comes as `Raw`, without the name that nobody should read."""
    name = SPELLED[spelled]
    transcript, found = await told(provider, [Text("Hel"), ODD[provider](name), Text("."), End()], logged)
    assert [where for where, text in found.items() if name in text] == []
    assert any("[hidden]" in name for name in transcript.unmodelled)


@pytest.mark.parametrize("spelled", SPELLED)
async def test_a_key_as_an_answers_own_names_is_in_no_record(spelled: str, logged: list[str]) -> None:
    """Its model, its id, the id of the request, the reason why it ended."""
    name = SPELLED[spelled]
    event = {"id": name, "model": name, "choices": [{"index": 0, "delta": {"content": "Hello"}}]}
    end = {"id": name, "model": name, "choices": [{"index": 0, "delta": {}, "finish_reason": name}]}
    head = Head(headers={"content-type": "text/event-stream", "x-request-id": name})
    _, found = await told("openai", [head, Event(event), Event(end), Event("[DONE]"), CleanEnd()], logged)
    written = json.dumps(name)[1:-1]
    assert [where for where, text in found.items() if name in text or written in text] == []


@pytest.mark.parametrize(
    "name",
    ["chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", "resp_67ccd2bed1ec8190b14f964abc054267", "gpt-5-mini-2025-08-07",
     "msg_013Zva2CMHLNnjNjJKqJ2EF", "4f4d7c1e-6d0a-4c3e-9a5a-0e1b2c3d4e5f", "anthropic.claude-sonnet-4-5-v1:0"],
)  # fmt: skip
async def test_a_names_of_its_own_stays(name: str, logged: list[str]) -> None:
    """An id that is not the key is told as it is, by a look that costs next to nothing."""
    request = HttpRequest(url="https://host/v1", headers={"Authorization": f"Bearer {KEY}"}, body=b"")
    assert not quotes(hints_to(request), name)
    event = {"id": name, "model": name, "choices": [{"index": 0, "delta": {"content": "Hello"}}]}
    transcript, _ = await told("openai", [Event(event), chat({}, "stop"), Event("[DONE]"), CleanEnd()], logged)
    assert transcript.model == transcript.attempts[0].response_id == name


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama", "cohere"])
@pytest.mark.parametrize("spelled", SPELLED)
async def test_a_recording_has_the_key_in_no_spelling(provider: str, spelled: str, tmp_path: Path) -> None:
    """A recording has the key neither in a body nor in a header of the answer."""
    name, file = SPELLED[spelled], tmp_path / "a.jsonl"
    error = {"error": {"message": f"bad {name} here", "code": name}}
    async with FakeProvider([Status(400, {"x-custom": name}, error)]) as server:
        async with Client(server.target(provider, api_key=KEY), retry=RetryPolicy.off(), record=file) as client:
            with pytest.raises(Exception, match="hidden"):
                await client.complete("hi")
    recorded = file.read_text()
    assert MASK in recorded
    forms = (name, json.dumps(name)[1:-1], json.dumps(json.dumps(name)[1:-1])[1:-1])
    assert [form for form in forms if form in recorded] == []


async def test_a_part_of_the_key_over_two_reads_is_not_recorded(tmp_path: Path) -> None:
    """Each read has too little of it to be known by."""
    data = b'data: {"choices": [{"index": 0, "delta": {"content": "%b"}}]}\n\ndata: [DONE]\n\n' % KEY[:12].encode()
    place, file = data.index(KEY[:12].encode()) + 6, tmp_path / "a.jsonl"
    stream = {"content-type": "text/event-stream"}
    async with FakeProvider([Head(headers=stream), Send(data[:place]), Send(data[place:]), CleanEnd()]) as server:
        async with Client(server.target("openai", api_key=KEY), record=file) as client:
            assert (await client.complete("hi")).text == KEY[:12]
    recorded = file.read_text()
    assert KEY[:6] not in recorded
    assert KEY[6:12] not in recorded


def test_bytes_are_masked_in_linear_time_and_keep_what_is_no_secret() -> None:
    """A body of a megabyte that nearly repeats the key, with bytes of no encoding in it."""
    data = b"\xff\x80" + KEY[:7].encode() * 150_000
    assert Secrets([KEY, "käse-und-brot"]).hide_bytes(data) == data
    assert Secrets(["käse-1-brot"], MASK).hide_bytes("x KÄSE käSE-1-BROT y".encode()) == "x KÄSE *** y".encode()
