"""The transport by itself, under a client of httpx2 or httpx: what comes back, and what is closed when."""

from __future__ import annotations

import asyncio
import importlib
import json
from types import ModuleType
from typing import Any

import pytest

from resilient_stream import Client, Recovery, RetryPolicy
from resilient_stream.delivery import Direct
from resilient_stream.integrations.openai import ChatWriter, ResilientTransport, ResponsesWriter
from resilient_stream.sync import SyncClient
from resilient_stream.testing import CallTool, Cut, End, FakeProvider, Preamble, Stall, Status, Text

from .upstreams import GOING_ON, WHOLE, upstreams

ASKS = b'{"model":"m","messages":[{"role":"user","content":"x"}]'
CHAT = "https://api.openai.com/v1/chat/completions"


@pytest.fixture(params=["httpx2", "httpx"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    """Each of the two libraries, where it is installed."""
    pytest.importorskip(request.param)
    return importlib.import_module(request.param)


def body(**fields: Any) -> dict[str, Any]:
    """A request."""
    return {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}


def texts(raw: str) -> str:
    """The text of a stream of chunks."""
    events = [each.removeprefix("data: ") for each in raw.split("\n\n") if each]
    assert events.pop() == "[DONE]"
    chunks = [json.loads(each) for each in events]
    return "".join(each["choices"][0]["delta"].get("content") or "" for each in chunks)


async def test_it_is_a_transport_of_the_library(library: ModuleType) -> None:
    """The library's own classes are its bases, and an answer that broke off is whole."""
    async with upstreams() as up:
        transport = ResilientTransport(up.client)
        assert isinstance(transport, library.AsyncBaseTransport)
        assert isinstance(transport, ResilientTransport)
        async with library.AsyncClient(transport=transport) as http:
            answer = await http.post(CHAT, json=body(stream=True))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        assert texts(answer.text) == WHOLE
        assert not up.client.closed


def test_it_is_a_plain_transport_for_a_plain_client(library: ModuleType) -> None:
    """With a `SyncClient` there is no event loop to be seen."""
    with FakeProvider.in_thread(GOING_ON) as provider, SyncClient(provider.target("openai")) as client:
        transport = ResilientTransport(client)
        assert isinstance(transport, library.BaseTransport)
        with library.Client(transport=transport) as http:
            assert texts(http.post(CHAT, json=body(stream=True)).text) == WHOLE
            whole = http.post(CHAT, json=body())
            assert whole.json()["choices"][0]["message"]["content"] == WHOLE
            provider.play([Text("a"), Stall()])
            with http.stream("POST", CHAT, json=body(stream=True)) as answer:
                next(answer.iter_raw())
        [*_, last] = provider.block_until_closed(3)
        assert last.closed_by_client
        assert http.is_closed


async def test_an_answer_in_one_piece_is_one_object(library: ModuleType) -> None:
    """It goes through the same chain."""
    async with upstreams() as up, library.AsyncClient(transport=ResilientTransport(up.client)) as http:
        answer = await http.post(CHAT, json=body())
        message = answer.json()["choices"][0]["message"]
        assert (answer.status_code, message["content"]) == (200, WHOLE)
        assert answer.json()["model"] == "claude"


async def test_a_failure_before_the_first_content_has_its_status(library: ModuleType) -> None:
    """Also one behind the provider's first events; in words, and not to be tried again."""
    async with upstreams() as up, library.AsyncClient(transport=ResilientTransport(up.client)) as http:
        up.first.play([Preamble(), Cut()])
        up.second.play([Status(429, {"retry-after": "7"})])
        for wanted in (True, False):
            answer = await http.post(CHAT, json=body(stream=wanted))
            assert answer.status_code == 429
            assert (answer.headers["x-should-retry"], answer.headers["retry-after"]) == ("false", "7")
            error = answer.json()["error"]
            assert "Both targets failed" in error["message"]
            assert (error["type"], error["code"], error["param"]) == ("rate_limit_error", "rate_limit_exceeded", None)


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "said"),
    [
        ("POST", "/v1/embeddings", b"{}", 404, "/v1/embeddings"),
        ("GET", "/v1/chat/completions", b"", 405, "POST"),
        ("POST", "/v1/chat/completions", b"{", 400, "JSON"),
        ("POST", "/v1/chat/completions", ASKS + b',"n":2}', 400, "n:"),
        ("POST", "/v1/chat/completions", ASKS + b',"top_p":-1}', 400, "top_p"),
        ("GET", "/v1/models/none", b"", 404, "none"),
    ],
)  # fmt: skip
async def test_what_cannot_be_served_is_refused_in_openais_shape(
    method: str, path: str, content: bytes, status: int, said: str
) -> None:
    """Nothing is sent for it."""
    httpx2 = pytest.importorskip("httpx2")
    async with upstreams() as up, httpx2.AsyncClient(transport=ResilientTransport(up.client)) as http:
        answer = await http.request(method, "https://x" + path, content=content)
        assert (answer.status_code, answer.headers["x-should-retry"]) == (status, "false")
        assert said in answer.json()["error"]["message"]
        assert up.first.requests == []


async def test_a_model_names_targets() -> None:
    """One of the client's own targets by its name, or a key of `models`; any other is then not there."""
    httpx2 = pytest.importorskip("httpx2")
    async with upstreams() as up:
        up.first.play(GOING_ON)
        async with httpx2.AsyncClient(transport=ResilientTransport(up.client)) as http:
            named = await http.post(CHAT, json=body(model="anthropic:claude"))
            assert (named.status_code, len(up.first.requests), len(up.second.requests)) == (200, 0, 1)
            listed = (await http.get("https://x/v1/models")).json()
            assert [each["id"] for each in listed["data"]] == ["openai:gpt", "anthropic:claude"]
        models = {"fast": up.client.targets[1], "both": up.client.targets}
        async with httpx2.AsyncClient(transport=ResilientTransport(up.client, models=models)) as http:
            assert (await http.post(CHAT, json=body(model="fast"))).status_code == 200
            assert (len(up.first.requests), len(up.second.requests)) == (0, 2)
            missing = await http.post(CHAT, json=body(model="slow"))
            assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
            assert (await http.get("https://x/v1/models/both")).json()["id"] == "both"


async def test_a_field_that_no_target_has_is_refused() -> None:
    """The error names it; a target that has it is asked, and it alone."""
    httpx2 = pytest.importorskip("httpx2")
    async with upstreams() as up:
        up.first.play([Status(503)])
        async with httpx2.AsyncClient(transport=ResilientTransport(up.client)) as http:
            failed = await http.post(CHAT, json=body(logprobs=True, stream=True))
            assert (failed.status_code, up.second.requests) == (503, [])
            assert up.first.requests[0].json["logprobs"] is True
            hint = await http.post(CHAT, json=body(store=True))
            assert hint.status_code == 200
            assert (up.first.requests[1].json["store"], "store" in up.second.requests[0].json) == (True, False)
        one = ResilientTransport(up.client, models={"m": up.client.targets[1]})
        async with httpx2.AsyncClient(transport=one) as http:
            refused = await http.post(CHAT, json=body(logprobs=True))
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "logprobs")


async def test_closing_the_response_closes_the_provider(library: ModuleType) -> None:
    """In the middle of an answer, and not only when a stall is over."""
    async with upstreams() as up, library.AsyncClient(transport=ResilientTransport(up.client)) as http:
        up.first.play([Text("a"), Stall()])
        async with http.stream("POST", CHAT, json=body(stream=True)) as answer:
            await anext(answer.aiter_raw())
        [request] = await up.first.wait_closed(timeout=20)
        assert request.closed_by_client


@pytest.mark.parametrize("stream", [True, False])
async def test_cancelling_the_request_closes_the_provider(stream: bool) -> None:
    """Also before its first token, and for an answer in one piece."""
    httpx2 = pytest.importorskip("httpx2")
    async with upstreams() as up, httpx2.AsyncClient(transport=ResilientTransport(up.client)) as http:
        up.first.play([Preamble(), Stall()])
        asking = asyncio.create_task(http.post(CHAT, json=body(stream=stream)))
        while not up.first.requests:
            await asyncio.sleep(0.001)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        [request] = await up.first.wait_closed()
        assert request.closed_by_client


async def test_what_was_sent_is_never_begun_anew() -> None:
    """A client with `restart` continues by it where that can be told, and here it cannot."""
    httpx2 = pytest.importorskip("httpx2")
    async with upstreams(recovery=Recovery(methods=("restart",))) as up:
        async with httpx2.AsyncClient(transport=ResilientTransport(up.client)) as http:
            answer = await http.post(CHAT, json=body(stream=True))
            assert '"error"' in answer.text
            assert up.second.requests == []
            whole = await http.post(CHAT, json=body())
            assert whole.json()["choices"][0]["message"]["content"] == WHOLE


async def test_a_call_from_another_vendor_is_openais() -> None:
    """Anthropic's call is a call of a chat completion, streamed and whole."""
    httpx2 = pytest.importorskip("httpx2")
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    async with FakeProvider([CallTool("f", {"a": 1}), End()]) as provider:
        async with Client(provider.target("anthropic"), retry=RetryPolicy.off()) as client:
            async with httpx2.AsyncClient(transport=ResilientTransport(client)) as http:
                whole = (await http.post(CHAT, json=body(tools=tools))).json()["choices"][0]
    [call] = whole["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"a": 1}
    assert (whole["finish_reason"], whole["message"]["content"]) == ("tool_calls", None)


async def test_an_object_that_does_not_fit_is_asked_for_again() -> None:
    """In one piece nobody has seen the first one."""
    httpx2 = pytest.importorskip("httpx2")
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    scripts = [Text('{"a":"x"}'), End()], [Text('{"a":1}'), End()]
    async with FakeProvider(*scripts) as provider, Client(provider.target("openai")) as client:
        async with httpx2.AsyncClient(transport=ResilientTransport(client)) as http:
            answer = await http.post(CHAT, json=body(response_format=form))
    assert answer.json()["choices"][0]["message"]["content"] == '{"a":1}'


async def test_a_field_of_responses_goes_to_targets_of_that_api() -> None:
    """A chat target of the same host has no such field."""
    httpx2 = pytest.importorskip("httpx2")
    async with FakeProvider(GOING_ON) as provider:
        targets = provider.target("openai"), provider.target("openai-responses"), provider.target("anthropic")
        async with Client(*targets, retry=RetryPolicy.off()) as client:
            async with httpx2.AsyncClient(transport=ResilientTransport(client)) as http:
                asked = {"model": "m", "input": "Hi", "max_tool_calls": 3, "metadata": {"a": "b"}}
                answer = await http.post("https://x/v1/responses", json=asked)
        assert answer.json()["output"][0]["content"][0]["text"] == WHOLE
        [request] = provider.requests
        assert request.path.endswith("/responses")
        assert (request.json["max_tool_calls"], request.json["metadata"]) == (3, {"a": "b"})


@pytest.mark.parametrize("writer", [ChatWriter, ResponsesWriter])
async def test_a_conversation_is_one_answer(writer: Any) -> None:
    """What its tools were asked and said stays here; the text of its turns is the answer."""

    def plus_one(a: int) -> int:
        """Add one."""
        return a + 1

    calling = [Text("Let me see. "), CallTool("plus_one", {"a": 1}), End()]
    async with FakeProvider(calling, [Text("Two."), End()]) as provider:
        async with Client(provider.target("openai")) as client:
            answer = Direct(client.converse("Hi", tools=[plus_one]), writer())
            said = b""
            while frames := await answer.frames():
                said += b"".join(frames)
    assert b"Let me see." in said
    assert b"Two." in said
    assert b"plus_one" not in said
    assert b'"error":{' not in said
