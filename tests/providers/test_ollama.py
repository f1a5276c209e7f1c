"""Ollama's own API in both directions, and its address in all the forms that Ollama knows."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from resilient_stream import (
    Client,
    Finished,
    InvalidRequest,
    Message,
    PermanentError,
    RetryPolicy,
    Target,
    TextDelta,
    Tool,
    ToolCall,
    Usage,
)
from resilient_stream.chunks import File, Logprobs, Raw, ReasoningDelta, ToolCallDelta
from resilient_stream.contract import Decoder, Endpoint, Request
from resilient_stream.credentials.endpoint import resolve
from resilient_stream.messages import FunctionCall, ImagePart, OpaquePart, ReasoningPart, TextPart
from resilient_stream.providers import adapter_for
from resilient_stream.providers.ollama.adapter import address
from resilient_stream.providers.ollama.stream import FAILED_REASONS, FINISH_REASONS, ollama_decoder
from resilient_stream.testing import CallTool, End, Event, FakeProvider, Text

WEATHER = Tool(name="weather", description="The weather.", parameters={"type": "object", "properties": {}})


# -- what is sent -----------------------------------------------------------------------------


def encode(**fields: Any) -> dict[str, Any]:
    """The body that a request becomes."""
    fields.setdefault("messages", (Message(role="user", content="hi"),))
    request = Request(target=Target("ollama:m"), **fields)
    sent = adapter_for("ollama").encode(request, Endpoint(base_url="http://here", api_key="secret"))
    assert (sent.url, sent.headers["Authorization"]) == ("http://here/api/chat", "Bearer secret")
    body: dict[str, Any] = json.loads(sent.body)
    return body


def test_a_plain_request_is_small() -> None:
    """What is not asked for is not sent."""
    assert encode() == {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def test_every_option_has_its_field() -> None:
    """Sampling goes into `options`, where `extra`'s own are added; the rest has a field of its own."""
    body = encode(
        max_tokens=9, temperature=0.5, top_p=0.9, stop=("a",), seed=7, reasoning="high", tools=(WEATHER,),
        output={"type": "object"}, extra={"keep_alive": "5m", "options": {"num_ctx": 8192, "seed": 8}},
    )  # fmt: skip
    assert body["options"] == {
        "num_predict": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["a"], "seed": 8, "num_ctx": 8192,
    }  # fmt: skip
    assert (body["think"], body["format"], body["keep_alive"]) == ("high", {"type": "object"}, "5m")
    assert body["tools"][0]["function"]["name"] == "weather"


@pytest.mark.parametrize(
    ("reasoning", "think"), [("none", False), (0, False), ("minimal", "low"), ("medium", "medium"), (9000, "high")]
)
def test_reasoning_is_thinking(reasoning: Any, think: Any) -> None:
    """An effort as Ollama writes it; a budget becomes the nearest."""
    assert encode(reasoning=reasoning)["think"] == think


def test_without_tools_there_is_no_call() -> None:
    """There is no tool_choice: "none" leaves the tools out."""
    assert "tools" not in encode(tools=(WEATHER,), tool_choice="none")


def test_a_conversation_with_tools_images_and_thoughts() -> None:
    """Arguments are objects, pictures bare base64, a result goes by its tool's name."""
    image = ImagePart(url="data:image/png;base64,AAAA")
    messages = (
        Message(role="developer", content="Be kind."),
        Message(role="user", content=(TextPart(text="What?"), image)),
        Message(
            role="assistant",
            content=(ReasoningPart(text="hm"), TextPart(text="Wait.")),
            tool_calls=(FunctionCall(id="c1", name="weather", arguments='{"a":1}'),),
        ),
        Message(role="tool", content="sunny", tool_call_id="c1"),
    )
    assert encode(messages=messages)["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "What?", "images": ["AAAA"]},
        {"role": "assistant", "content": "Wait.", "thinking": "hm",
         "tool_calls": [{"function": {"name": "weather", "arguments": {"a": 1}}}]},
        {"role": "tool", "content": "sunny", "tool_name": "weather"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [WEATHER], "tool_choice": "required"},
        {"prompt": [{"role": "user", "content": [{"type": "image_url", "image_url": "https://example.com/a.png"}]}]},
    ],
    ids=["forced tool", "image by link"],
)
async def test_what_ollama_cannot_do_is_not_sent(asked: dict[str, Any]) -> None:
    """It would be left out silently, and the answer be wrong."""
    async with FakeProvider() as provider, Client(provider.target("ollama")) as client:
        with pytest.raises(InvalidRequest) as caught:
            await client.complete(**{"prompt": "hi", **asked})
        assert caught.value.kind == "unsupported_feature"
        assert provider.requests == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("myhost", "http://myhost:11434"),
        ("myhost:1234", "http://myhost:1234"),
        (":1234", "http://127.0.0.1:1234"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:1234", "http://127.0.0.1:1234"),
        ("[::1]", "http://[::1]:11434"),
        ("[::]:1234", "http://[::1]:1234"),
        ("::1", "http://[::1]:11434"),
        ("http://myhost", "http://myhost:80"),
        ("https://myhost", "https://myhost:443"),
        ("https://myhost:8443/ollama/", "https://myhost:8443/ollama"),
        (' "myhost:1234" ', "http://myhost:1234"),
    ],
)
def test_the_host_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    """OLLAMA_HOST in each form; the server's "every interface" is this machine for a client."""
    assert address(host) == url


async def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """OLLAMA_HOST and OLLAMA_API_KEY are used when they are set, and neither is asked for."""
    adapter = adapter_for("ollama")
    bare = await resolve(Target("ollama:m"), adapter)
    assert isinstance(bare, Endpoint)
    assert (bare.base_url, bare.api_key) == ("http://127.0.0.1:11434", None)
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:1234")
    monkeypatch.setenv("OLLAMA_API_KEY", "key\n")
    found = await resolve(Target("ollama:m"), adapter)
    assert isinstance(found, Endpoint)
    assert (found.base_url, found.api_key) == ("http://127.0.0.1:1234", "key")


async def test_a_host_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong OLLAMA_HOST is refused with the name of the variable."""
    monkeypatch.setenv("OLLAMA_HOST", "myhost:port")
    async with Client("ollama:m") as client:
        with pytest.raises(PermanentError, match="OLLAMA_HOST"):
            await client.complete("hi")


# -- what arrives -----------------------------------------------------------------------------


def line(done: bool = False, more: dict[str, Any] | None = None, **message: Any) -> bytes:
    """One line."""
    value = {"model": "m-2", "created_at": "2025-06-09T17:58Z", "message": {"role": "assistant", **message}}
    return json.dumps({**value, "done": done, **(more or {})}).encode() + b"\n"


def read(*lines: bytes, **options: Any) -> tuple[list[Any], Decoder]:
    """Decode a whole body, and end it."""
    reader = ollama_decoder("ollama", max_event_bytes=options.pop("max_event_bytes", 1 << 20), **options)
    chunks = reader.feed(b"".join(lines))
    return [*chunks, *reader.finish()], reader


def end(reason: str | None = "stop", **more: Any) -> bytes:
    """The last line."""
    return line(True, {"done_reason": reason, **more}, content="")


def test_text_thoughts_counts_and_the_end() -> None:
    """Finished is the last chunk, after the usage; the model is known."""
    chunks, reader = read(
        line(content="", thinking="hm"), line(content="a"), end(prompt_eval_count=3, eval_count=2, total_duration=9)
    )
    assert chunks == [ReasoningDelta("hm"), TextDelta("a"), Usage(3, 2), Finished("stop", "stop")]
    assert (reader.done, reader.failure, reader.model) == (True, None, "m-2")


def test_tool_calls_are_whole_and_have_ids() -> None:
    """Arguments become JSON text; a call without an id gets one that no other turn has."""
    given = [{"function": {"name": "f", "arguments": {"x": 1}}}, {"id": "own", "function": {"name": "g"}}]
    chunks, _ = read(line(content="", tool_calls=given), end())
    made = "call_0_2025060917" + "58"
    assert chunks == [
        ToolCallDelta(0, made, "f", '{"x":1}'),
        ToolCall(0, made, "f", '{"x":1}', {"x": 1}),
        ToolCallDelta(1, "own", "g", "{}"),
        ToolCall(1, "own", "g", "{}", {}),
        Finished("tool_calls", "stop"),
    ]


@pytest.mark.parametrize(
    ("reason", "finished"),
    [
        ("stop", Finished("stop", "stop")),
        ("length", Finished("length", "length", "output_truncated")),
        ("new_reason", Finished("other", "new_reason")),
        (None, Finished("stop", "stop")),  # servers before 2024
    ],
)
def test_what_an_answer_may_end_with(reason: str | None, finished: Finished) -> None:
    """Known and unknown reasons are answers; the table of failures is another one."""
    assert read(line(content="a"), end(reason))[0][-1] == finished
    assert not set(FINISH_REASONS) & set(FAILED_REASONS)


@pytest.mark.parametrize("reason", FAILED_REASONS)
def test_known_bad_ends_are_failures(reason: str) -> None:
    """`done: true` because the model was only loaded, or the upstream is dead, ends no answer."""
    chunks, reader = read(line(content="a"), end(reason))
    assert chunks == [TextDelta("a")]
    assert reader.failure is not None
    assert reader.failure.kind == FAILED_REASONS[reason]


def test_an_error_line_stops_it_after_what_came_before() -> None:
    """Also without a newline, and never with anything after it."""
    for newline in (b"\n", b""):
        chunks, reader = read(line(content="a"), b'{"error":"llama runner process has terminated"}' + newline)
        assert chunks == [TextDelta("a")]
        assert reader.failure is not None
        assert reader.failure.kind == "server_error"


def test_a_cut_line_is_a_cut_and_a_broken_one_is_broken() -> None:
    """Half a line at the end says nothing about JSON; half a line before another does."""
    for body, kind in ((line(content="a")[:-9], "stream_interrupted"), (b'{"message":\n', "protocol_error")):
        _, reader = read(line(content="a"), body)
        assert reader.failure is not None
        assert reader.failure.kind == kind


def test_the_last_line_needs_no_newline_and_a_server_no_end() -> None:
    """`done` counts when its JSON is whole; with eof_ok a clean end after content does."""
    assert read(line(content="a"), end()[:-1])[1].done
    assert read(line(content="a"), eof_ok=True)[1].done
    assert not read(eof_ok=True)[1].done


def test_a_giant_line_is_a_limit_and_not_a_crash() -> None:
    """A line above max_event_bytes is the failure buffer_limit."""
    _, reader = read(b'{"message":"' + b"y" * 3000, max_event_bytes=2000)
    assert reader.failure is not None
    assert reader.failure.kind == "buffer_limit"


async def test_an_error_inside_a_200_is_retried_and_lines_may_be_called_json(nothing_left: None) -> None:
    """Before content it is a failure like any other; a proxy's content type is no reason to refuse an answer."""
    async with FakeProvider([Event({"error": "no"})], [Text("Hel", "lo"), CallTool("now"), End()]) as provider:
        target = provider.target("ollama")
        async with Client(target, retry=RetryPolicy(initial=0.001)) as client:
            transcript = await client.complete("hi", tools=[WEATHER])
    assert (transcript.outcome, transcript.text, transcript.finish_reason) == ("complete", "Hello", "tool_calls")
    assert len(transcript.attempts) == 2


# -- pictures and probabilities -------------------------------------------------------------------


def _chunks(*lines: dict[str, Any], **extra: Any) -> list[Any]:
    request = Request(target=Target("ollama:m"), messages=(Message(role="user", content="hi"),), extra=extra)
    decoder = adapter_for("ollama").decoder(request)
    body = b"".join(json.dumps(line).encode() + b"\n" for line in (*lines, {"done": True, "done_reason": "stop"}))
    chunks = decoder.feed(body) + decoder.finish()
    assert decoder.done
    return chunks[:-1]


PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
DRAWN = File("image/png", PNG, native={"images": []})


def test_a_picture_is_a_file_and_goes_back_in_words() -> None:
    """In a message or beside it. A model that makes pictures may not read any, so it is told that there was one."""
    data = base64.b64encode(PNG).decode()
    assert _chunks({"message": {"content": "Here.", "images": [data]}}) == [TextDelta("Here."), DRAWN]
    assert _chunks({"image": data}) == [DRAWN]
    assert _chunks({"image": "!"}) == [Raw("ollama", "images", "!")]
    turn = Message(
        role="assistant", content=[OpaquePart(provider="ollama", data=DRAWN.native, text="[image: image/png]")]
    )
    assert encode(messages=(turn, Message(role="user", content="and?")))["messages"][0] == {
        "role": "assistant", "content": "[image: image/png]",
    }  # fmt: skip


def test_probabilities_come_where_they_were_asked_for() -> None:
    """In Ollama's own form, with the piece that they belong to."""
    lines = [
        {"message": {"content": piece}, "done": False, "logprobs": [{"token": piece, "logprob": -0.5}]}
        for piece in ("Hi", "!", "?")
    ]
    tokens = [chunk for chunk in _chunks(*lines, logprobs=True) if isinstance(chunk, Logprobs)]
    assert tokens == [Logprobs(tuple(line["logprobs"])) for line in lines]
    assert _chunks(*lines) == [TextDelta("Hi"), TextDelta("!"), TextDelta("?")]
