"""`Client(record=…)`: what is in the file afterwards, whatever happened, and what is never in it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import Client, Recovery, RetryPolicy, StreamError, StreamMisused, Target, Timeouts
from resilient_stream.testing import CleanEnd, Cut, End, FakeProvider, Head, Reset, Send, Sleep, Stall, Status, Text
from resilient_stream.transport.outgoing import Outgoings
from tests.transport.recorded import QUICK, asked, lines_in

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "sk-a-key-that-nobody-may-see"
HELLO = [Text("Hel", "lo"), End()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where it is recorded to."""
    return tmp_path / "sessions.jsonl"


def recording(file: Path, *targets: Target, **options: Any) -> Client:
    """A client that records, and does not wait."""
    return Client(*targets, record=file, **{"retry": QUICK, "recovery": Recovery.off(), **options})


async def test_each_request_is_a_line(file: Path) -> None:
    """A refusal, a retry and a fallback are three exchanges, each with what was sent and what came back, in order."""
    async with FakeProvider([Status(503)], [Status(429)], HELLO) as provider:
        targets = provider.target("openai"), provider.target("anthropic")
        async with recording(file, *targets) as client:
            transcript = await client.complete("Why?")
    first, second, third = lines_in(file)
    assert transcript.text == "Hello"
    assert [line["status"] for line in (first, second, third)] == [503, 429, 200]
    assert [line["target"] for line in (first, second, third)] == ["openai:fake-model"] * 2 + ["anthropic:fake-model"]
    assert [line["attempt"] for line in (first, second, third)] == [1, 2, 1]
    assert third["messages"] == [{"role": "user", "content": "Why?"}]
    assert third["sent"]["body"]["messages"] == [{"role": "user", "content": "Why?"}]
    assert third["sent"]["url"].endswith("/v1/messages")
    assert "message_start" in third["pieces"][0][1]
    assert {line["call"] for line in (first, second, third)} == {first["call"]}


async def test_bytes_that_are_no_text_are_kept_as_they_came(file: Path) -> None:
    """Bytes that are not text are recorded as Base64, everything else as text."""
    script = [Head(), Send(b"data: \xff\xfe\n\n"), CleanEnd()]
    async with FakeProvider(script) as provider, recording(file, provider.target("openai")) as client:
        await asked(client, "hi")
    assert lines_in(file)[0]["pieces"][0][1] == {"base64": "ZGF0YTog//4KCg=="}


async def test_a_pause_is_in_the_times(file: Path) -> None:
    """Seconds since the request was sent."""
    async with FakeProvider([Text("Hi"), Sleep(0.03), Text(" you"), End()]) as provider:
        async with recording(file, provider.target("openai")) as client:
            await client.complete("hi")
    [line] = lines_in(file)
    times = [after for after, _ in line["pieces"]]
    assert times == sorted(times)
    assert max(later - sooner for sooner, later in itertools.pairwise(times)) >= 0.025
    assert line["head_after"] <= times[0]
    assert line["ended"]["after"] >= times[-1]


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize(
    ("ending", "how", "kind"),
    [
        (End(), "end", None),
        (CleanEnd(), "end", None),
        (Cut(), "failed", "stream_interrupted"),
        (Reset(), "failed", "stream_interrupted"),
        (Stall(), "failed", "read_timeout"),
    ],
)
async def test_how_it_ended_is_in_the_line(file: Path, ending: Any, how: str, kind: str | None) -> None:
    """A reset and a silence are not in the bytes, so they are written beside them."""
    async with FakeProvider([Text("Half"), ending]) as provider:
        options = {"timeouts": Timeouts(stall=0.03), "retry": RetryPolicy.off()}
        async with recording(file, provider.target("openai"), **options) as client:
            transcript = await asked(client, "hi")
    [line] = lines_in(file)
    assert transcript.text == "Half"
    assert line["ended"]["how"] == how
    assert (line["ended"].get("failure") or {}).get("kind") == kind


async def test_a_request_without_an_answer_is_a_line_as_well(file: Path) -> None:
    """Nobody listened: no status, and the failure by its name."""
    async with FakeProvider() as provider:
        await provider.refuse()
        async with recording(file, provider.target("openai"), retry=RetryPolicy.off()) as client:
            await asked(client, "hi")
    [line] = lines_in(file)
    assert (line["status"], line["pieces"], line["written"]) == (None, [], False)
    assert line["ended"]["failure"]["kind"] == "connect_failed"


async def _break(stream: Any) -> None:
    async for _ in stream:
        break
    stream.close()


async def _deadline(stream: Any) -> None:
    with pytest.raises(StreamError):
        await stream.collect()


async def _cancel(stream: Any) -> None:
    task = asyncio.ensure_future(stream.collect())
    while not stream.transcript.text:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize(("leave", "outcome"), [(_break, "abandoned"), (_deadline, "deadline"), (_cancel, "cancelled")])
async def test_an_answer_that_its_caller_left_is_recorded_as_far_as_it_came(
    file: Path, leave: Any, outcome: str
) -> None:
    """Written at once when the stream ends, not when the client does."""
    async with FakeProvider([Text("Half"), Stall()]) as provider:
        async with recording(file, provider.target("openai")) as client:
            stream = client.stream("hi", deadline=0.2 if outcome == "deadline" else None)
            await leave(stream)
            [line] = lines_in(file)
    assert (line["ended"]["how"], line["ended"].get("outcome")) == ("left", outcome)
    assert "Half" in "".join(data for _, data in line["pieces"])


@pytest.mark.usefixtures("own_clock")
async def test_a_call_that_never_got_an_answer_is_recorded_when_it_is_left(file: Path) -> None:
    """Cancelled while it waited for the head."""
    async with FakeProvider([Stall()]) as provider, recording(file, provider.target("openai")) as client:
        with pytest.raises(StreamError):
            await client.complete("hi", deadline=0.03)
    [line] = lines_in(file)
    assert (line["status"], line["ended"]["how"]) == (None, "left")


# -- secrets ------------------------------------------------------------------------------------


async def test_no_secret_is_in_the_file(file: Path) -> None:
    """Keys, cookies, a user's own headers, credentials in URLs; also where the provider quotes the key."""
    quoted = f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'
    cookie = {"set-cookie": "id=a-very-secret-cookie", "x-ratelimit-remaining-tokens": "99"}
    script = [Head(401, {"content-type": "application/json", **cookie}), Send(quoted.encode()), CleanEnd()]
    async with FakeProvider(script) as provider:
        port = provider.url.rpartition(":")[2]
        target = provider.target(
            "anthropic",
            api_key=KEY,
            base_url=f"http://somebody:a-secret-password@127.0.0.1:{port}",
            headers={"X-Token-Secret": "another-secret-of-mine", "X-Mine": "nobody's business", "User-Agent": "x=1"},
        )
        async with recording(file, target) as client:
            await asked(client, f"My key is {KEY}", extra={"user": "me", "client_secret": "in-the-body"})
    text = file.read_text()
    hidden = ("a-very-secret-cookie", "a-secret-password", "somebody", "another-secret", "nobody's", "in-the-body")
    for secret in (KEY, *hidden):
        assert secret not in text, secret
    [line] = lines_in(file)
    assert line["sent"]["headers"]["x-api-key"] == "***"
    assert line["sent"]["headers"]["User-Agent"] == "x=1"
    assert line["sent"]["body"]["user"] == "me"
    assert line["headers"]["x-ratelimit-remaining-tokens"] == "99"
    assert "provided: ***" in line["pieces"][0][1]


async def test_a_secret_that_is_split_over_two_reads_does_not_escape(file: Path) -> None:
    """A secret is masked although one half is in one read and one in the next."""
    body = f'{{"error": {{"message": "{KEY}"}}}}'.encode()
    head = Head(400, {"content-type": "application/json"})
    script = [head, Send(body[:30]), Sleep(0.02), Send(body[30:]), CleanEnd()]
    async with FakeProvider(script) as provider, recording(file, provider.target("openai", api_key=KEY)) as client:
        await asked(client, "hi")
    [line] = lines_in(file)
    assert [data for _, data in line["pieces"]] == ['{"error": {"message": "***"}}']


async def test_a_short_key_does_not_maim_the_text(file: Path) -> None:
    """A test's key is "test": its header is masked, and the word stays where it is one."""
    async with FakeProvider([Text("a test"), End()]) as provider:
        async with recording(file, provider.target("openai")) as client:
            await client.complete("test me")
    [line] = lines_in(file)
    assert line["messages"][0]["content"] == "test me"
    assert line["sent"]["headers"]["Authorization"] == "***"


# -- the file -----------------------------------------------------------------------------------


async def test_a_disk_that_fails_breaks_no_stream(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A warning with the file's name, and the answer."""
    async with FakeProvider(HELLO) as provider, recording(file, provider.target("openai")) as client:
        file.mkdir()
        with caplog.at_level(logging.WARNING, "resilient_stream"):
            transcript = await client.complete("hi")
    assert transcript.text == "Hello"
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.levelno == logging.WARNING
    assert "could not be recorded" in record.getMessage()
    assert str(file) in record.getMessage()


async def test_lines_are_added_and_an_unfinished_one_is_ended(file: Path) -> None:
    """A crash in the middle of a line costs that line only; what was there stays."""
    file.write_text('{"version": 1, "half')
    async with FakeProvider(HELLO) as provider, recording(file, provider.target("openai")) as client:
        await client.complete("hi")
        await client.complete("hi")
    half, first, second = file.read_text().splitlines()
    assert half == '{"version": 1, "half'
    assert first.startswith('{"version":1,"target":"openai')
    assert second.startswith('{"version":1,"target":"openai')


async def test_many_at_once_are_a_line_each(file: Path) -> None:
    """Two clients, forty streams, one file; others on the machine may not read it."""
    async with FakeProvider(lambda request: [Text("x" * 5000), End()]) as provider:
        target = provider.target("openai")
        async with recording(file, target) as one, recording(file, target) as two:
            await asyncio.gather(*(client.complete("hi") for client in (one, two) for _ in range(20)))
    assert len(lines_in(file)) == 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_place_that_cannot_be_is_refused_when_the_client_is_made(tmp_path: Path) -> None:
    """A file that cannot be written is refused when the client is made, and not at the first recording."""
    with pytest.raises(StreamMisused, match=r"record: there is no folder .*/nowhere"):
        Client("local", record=tmp_path / "nowhere" / "sessions.jsonl")
    with pytest.raises(StreamMisused, match="is a folder"):
        Client("local", record=tmp_path)


def test_a_client_that_does_not_record_has_nothing_of_it() -> None:
    """No wrapper, no observer: recording costs those who record."""
    client = Client("local")
    assert type(client.transport) is Outgoings
    assert len(client._observers) == 1  # the one for spans, metrics and logs


async def test_an_answer_beyond_the_limit_is_kept_up_to_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; the recording does not claim to be whole."""
    monkeypatch.setattr("resilient_stream.recording.recorder.MAX_BYTES", 3000)
    async with FakeProvider([*[Text("x" * 500)] * 10, End()]) as provider:
        async with recording(file, provider.target("openai")) as client:
            transcript = await client.complete("hi")
    [line] = lines_in(file)
    assert len(transcript.text) == 5000
    assert line["ended"]["how"] == "left"
    assert sum(len(data) for _, data in line["pieces"]) <= 3000
