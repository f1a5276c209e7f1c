"""One response on its way, whatever the server: its head, its heartbeats, its end, and a reader that leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from resilient_stream import RetryPolicy, StreamMisused
from resilient_stream.formats.events import EventsWriter
from resilient_stream.formats.text import TextWriter
from resilient_stream.formats.writer import Writer
from resilient_stream.web.answer import Answer, ReaderLeft
from resilient_stream.web.formats import FORMATS, writer_for
from resilient_stream.web.heads import Headers, checked
from resilient_stream.web.source import Owned, answering

from ..engine.clock import running_clock
from ..engine.scripted import client_over
from .hub_parts import Feeding, stream_of, turns

pytestmark = pytest.mark.usefixtures("nothing_left")


class Response:
    """A server's side that keeps what it is given.

    room: sending need not wait. left: the reader has gone. says_so: writes to nobody fail; else they do nothing, as
    with uvicorn.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.body = b""
        self.ended = self.was_cut = self.says_so = self._sending = False
        self.room = asyncio.Event()
        self.room.set()
        self.left = asyncio.Event()

    async def start(self, status: int, headers: Headers) -> None:
        self._reach()
        assert not self.status
        self.status, self.headers = status, dict(headers)
        assert len(self.headers) == len(headers)

    async def send(self, data: bytes) -> None:
        assert not self._sending
        self._sending = True
        await self.room.wait()
        self._sending = False
        self._reach()
        assert self.status
        assert not self.ended
        self.body += data

    async def end(self) -> None:
        self._reach()
        self.ended = True

    async def cut(self) -> None:
        self.was_cut = True

    async def gone(self) -> None:
        await self.left.wait()

    def _reach(self) -> None:
        if self.left.is_set() and self.says_so:
            raise ReaderLeft

    @property
    def events(self) -> list[Any]:
        return [json.loads(line[6:]) for line in self.body.decode().split("\n") if line.startswith("data: ")]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


async def answered(
    stream: Any, writer: Writer | None = None, heartbeat: float | None = None, **headers: str
) -> Response:
    """A whole response."""
    response = Response()
    await Answer(Owned(stream, writer or EventsWriter()), response, heartbeat, list(headers.items())).run()
    return response


def beginning(feeding: Fed, writer: Writer | None = None, heartbeat: float | None = None) -> tuple[Response, Any]:
    """A response that has begun to wait for its first chunk."""
    response = Response()
    answer = Answer(Owned(feeding.stream, writer or EventsWriter()), response, heartbeat, [])
    return response, asyncio.ensure_future(answer.run())


class Fed(Feeding):
    """The same by a client that asks once."""

    def __init__(self) -> None:
        super().__init__()
        self.client, self.transport = client_over(self.answer, retry=RetryPolicy.off())
        self.stream = self.client.stream("hi")


class Bug(Exception):
    """What nobody foresaw."""


class BrokenWriter(EventsWriter):
    """A format with a bug in it."""

    def write(self, items: Any) -> list[bytes]:
        if any(item.text == "secret" for item in items):
            raise Bug("the password is 12345")
        return super().write(items)


# -- the head and the end --------------------------------------------------------------------------


async def test_a_whole_answer_has_a_head_its_frames_and_its_end() -> None:
    """The format's headers, and what keeps proxies from holding back or keeping an answer."""
    response = await answered(stream_of("Hel", "lo"))
    assert response.status == 200
    assert response.headers == {
        "content-type": "text/event-stream", "x-accel-buffering": "no", "cache-control": "no-store",
    }  # fmt: skip
    assert [event.get("text") for event in response.events if event.get("text")] == ["Hel", "lo"]
    assert response.events[-1]["outcome"] == "complete"
    assert response.ended


async def test_the_callers_headers_are_over_the_formats() -> None:
    """A header of the caller's own replaces one of the format's, and the others stay."""
    headers = {"cache-control": "private", "x-mine": "1"}
    response = await answered(stream_of("Hello"), **headers)
    assert (response.headers["cache-control"], response.headers["x-mine"]) == ("private", "1")
    assert response.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize(
    "given",
    [
        {"x-mine": "a\r\nset-cookie: b=c"},
        {"x-mine": "a\nb"},
        {"x-mine": "a\0"},
        {"x-mine": "snow ☃"},
        {"x mine": "a"},
        {"x-mine\r\n": "a"},
        {"": "a"},
        {"content-length": "5"},
        {"Transfer-Encoding": "chunked"},
        {"x-mine": 7},
    ],
)
def test_a_header_that_would_break_the_response_is_refused(given: Any) -> None:
    """Neither a line break, nor what no header can carry, nor a length that would be wrong gets into a response."""
    with pytest.raises(StreamMisused, match="headers"):
        checked(given)


def test_names_of_headers_are_in_small_letters() -> None:
    """So that a header is found under one name, whatever its case was."""
    assert checked({"X-Mine": "a\tb"}) == {"x-mine": "a\tb"}
    assert checked(None) == {}


async def test_a_failure_before_the_first_frame_has_its_own_status() -> None:
    """The response is the format's refusal with its length, under the caller's headers, and no frame is sent."""
    feeding = Fed()
    feeding.cut(ConnectionResetError())
    headers = {"cache-control": "private", "x-mine": "1"}
    response = await answered(feeding.stream, **headers)
    assert response.status == 502
    assert response.headers["content-length"] == str(len(response.body))
    assert (response.headers["cache-control"], response.headers["x-mine"]) == ("no-store", "1")
    assert json.loads(response.body)["error"]["kind"] == "stream_interrupted"
    assert response.ended


async def test_a_failure_after_the_first_frame_is_told_in_the_format() -> None:
    """An error event, the end, and a proper end of the body."""
    feeding = Fed()
    feeding.feed("Hello")
    feeding.cut(ConnectionResetError())
    response = await answered(feeding.stream)
    assert response.status == 200
    assert response.types[-2:] == ["error", "end"]
    assert response.events[-1]["outcome"] == "failed"
    assert response.ended
    assert not response.was_cut


async def test_what_gives_no_frame_does_not_decide_the_status() -> None:
    """Plain text that has sent nothing yet, since the model only thought, can still fail with a status."""
    feeding = Fed()
    feeding._set(b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}\n\n')
    feeding.cut(ConnectionResetError())
    response = await answered(feeding.stream, TextWriter())
    assert response.status == 502
    assert response.ended


async def test_a_format_without_words_is_cut_off() -> None:
    """A text that is not whole does not end as if it were; one that is whole does."""
    feeding = Fed()
    feeding.feed("Hello")
    feeding.cut(ConnectionResetError())
    broken, whole = await answered(feeding.stream, TextWriter()), await answered(stream_of("Hello"), TextWriter())
    assert (broken.body, broken.was_cut, broken.ended) == (b"Hello", True, False)
    assert (whole.body, whole.was_cut, whole.ended) == (b"Hello", False, True)


async def test_an_empty_answer_is_an_empty_body() -> None:
    """A format that has nothing to say of an answer without a word still gives a response."""
    response = await answered(stream_of(), TextWriter())
    assert (response.status, response.body, response.ended) == (200, b"", True)


# -- bugs ------------------------------------------------------------------------------------------


async def test_a_bug_before_the_head_is_the_servers_to_answer() -> None:
    """Nothing is sent, so that the application's own handlers can answer."""
    response = Response()
    with pytest.raises(Bug):
        await Answer(Owned(stream_of("secret"), BrokenWriter()), response, None, []).run()
    assert response.status == 0


async def test_a_bug_after_the_head_is_told_without_its_words() -> None:
    """The reader learns that the server is at fault and nothing of its insides; then the server gets the exception."""
    feeding = Fed()
    response, running = beginning(feeding, BrokenWriter())
    feeding.feed("Hello")
    await turns()
    feeding.feed("secret")
    with pytest.raises(Bug):
        await running
    assert response.types[-2:] == ["error", "end"]
    assert response.events[-2]["title"] == "Error of the server"
    assert b"12345" not in response.body
    assert b"Bug" not in response.body
    assert response.ended
    assert feeding.answer.closed


async def test_a_bug_in_the_last_words_is_raised_and_ends_nothing() -> None:
    """A writer that fails even at telling of its failure leaves the body open, so that it does not look whole."""

    class Hopeless(BrokenWriter):
        def end(self, ending: Any) -> list[bytes]:
            raise Bug("the end")

    feeding = Fed()
    response, running = beginning(feeding, Hopeless())
    feeding.feed("Hello")
    await turns()
    feeding.feed("secret")
    with pytest.raises(Bug, match="the end"):
        await running
    assert not response.ended


# -- heartbeats ------------------------------------------------------------------------------------


async def test_a_silent_model_gets_heartbeats_and_then_a_head() -> None:
    """After one heartbeat's silence there is a head, after each further one another heartbeat; a failure is then
    told in the format."""
    feeding = Fed()
    with running_clock():
        response, running = beginning(feeding, heartbeat=15)
        await asyncio.sleep(14.9)
        assert response.status == 0
        await asyncio.sleep(0.2)
        assert (response.status, response.body) == (200, b": waiting\n\n")
        await asyncio.sleep(15)
        assert response.body == b": waiting\n\n" * 2
        feeding.cut(ConnectionResetError())
        await running
    assert response.types == ["error", "end"]
    assert response.ended


async def test_an_answer_that_flows_has_no_heartbeats() -> None:
    """The silence counts from what was sent last."""
    feeding = Fed()
    with running_clock():
        response, running = beginning(feeding, heartbeat=15)
        for _ in range(4):
            await asyncio.sleep(10)
            feeding.feed("on")
            await turns()
        assert b"waiting" not in response.body
        feeding.end()
        await running


async def test_a_slow_reader_has_no_heartbeats() -> None:
    """While a write waits nothing is put behind it, and the waiting costs nothing."""
    feeding = Fed()
    with running_clock():
        response, running = beginning(feeding, heartbeat=15)
        response.room.clear()
        feeding.feed("Hello")
        await turns()
        await asyncio.sleep(100)
        response.room.set()
        await turns()
        assert b"waiting" not in response.body
        feeding.end()
        await running


async def test_nothing_is_written_beside_a_heartbeat() -> None:
    """A chunk, an end or a failure that comes while a heartbeat waits for a slow reader comes behind it."""
    feeding = Fed()
    with running_clock():
        response, running = beginning(feeding, heartbeat=15)
        response.room.clear()
        await asyncio.sleep(15.1)
        feeding.feed("Hello")
        feeding.end()
        await turns()
        assert response.body == b""
        response.room.set()
        await running
    assert response.body.startswith(b": waiting\n\ndata: ")
    assert response.body.count(b"waiting") == 1
    assert response.events[-1]["outcome"] == "complete"


async def test_a_format_without_a_heartbeat_gets_its_head_in_time() -> None:
    """Plain text has nothing that a reader ignores, but a server that waits for its head gets it."""
    feeding = Fed()
    with running_clock():
        response, running = beginning(feeding, TextWriter(), heartbeat=15)
        await asyncio.sleep(15.1)
        assert (response.status, response.body) == (200, b"")
        feeding.feed("Hello")
        feeding.end()
        await running
    assert response.body == b"Hello"


# -- a reader that leaves --------------------------------------------------------------------------


async def test_leaving_before_the_first_chunk_closes_the_provider() -> None:
    """The pull is woken, and what holds the response gets a status for its log."""
    feeding = Fed()
    response, running = beginning(feeding)
    await turns()
    response.left.set()
    await running
    assert feeding.answer.closed
    assert feeding.stream.transcript.outcome == "abandoned"
    assert (response.status, response.body) == (499, b"")


async def test_leaving_in_mid_stream_closes_the_provider() -> None:
    """Nothing more is sent, not even an end."""
    feeding = Fed()
    response, running = beginning(feeding)
    feeding.feed("Hello")
    await turns()
    sent = response.body
    response.left.set()
    await running
    assert feeding.answer.closed
    assert (response.body, response.ended) == (sent, False)


async def test_leaving_while_a_write_waits_closes_the_provider_at_once() -> None:
    """The provider is closed by who notices, not by the write, which may wait for long."""
    feeding = Fed()
    response, running = beginning(feeding)
    response.room.clear()
    feeding.feed("Hello")
    await turns()
    response.left.set()
    await turns(4)
    assert feeding.answer.closed
    assert not running.done()
    response.room.set()
    await running


async def test_a_write_that_finds_nobody_ends_the_response() -> None:
    """A server that says so only at a write is enough."""
    feeding = Fed()
    response, running = beginning(feeding)
    feeding.feed("Hello")
    await turns()

    response.says_so = True
    response.gone = asyncio.Event().wait  # type: ignore[assignment]
    response.left.set()
    feeding.feed("more")
    await running
    assert feeding.answer.closed


async def test_a_cancelled_response_closes_the_provider() -> None:
    """A server that cancels its handlers gets the cancellation back, once."""
    feeding = Fed()
    _, running = beginning(feeding)
    await turns()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert feeding.answer.closed
    assert feeding.stream.transcript.outcome == "cancelled"


async def test_the_end_of_the_client_is_told() -> None:
    """`client.aclose()` ends every response with an error in its format."""
    feeding = Fed()
    response, running = beginning(feeding)
    feeding.feed("Hello")
    await turns()
    await feeding.client.aclose()
    await running
    assert response.events[-2]["kind"] == "client_closed"
    assert response.ended


async def test_a_head_request_asks_no_provider() -> None:
    """A HEAD request gets the head of an answer, and the stream is closed without a request."""
    feeding = Fed()
    response = Response()
    await Answer(Owned(feeding.stream, EventsWriter()), response, None, []).send_head()
    assert (response.status, response.body, response.ended) == (200, b"", True)
    assert not feeding.transport.requests


# -- what is given ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_there(name: str) -> None:
    """Each name gives a writer of its own for each answer."""
    first, second = writer_for(name), writer_for(name)
    assert first is not second
    assert first.media_type


def test_an_unknown_format_is_refused_by_name() -> None:
    """The message has the names, and the one that was probably meant."""
    with pytest.raises(StreamMisused, match="did you mean events"):
        writer_for("event")
    writer = TextWriter()
    assert writer_for(writer) is writer


async def test_what_is_no_stream_is_refused() -> None:
    """`complete()` is awaited and gives no stream; the message says what does."""
    with pytest.raises(StreamMisused, match=r"client\.stream\(\)"):
        answering("Hello")
