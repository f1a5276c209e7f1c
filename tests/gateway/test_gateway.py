"""The gateway over real sockets: what it answers, whom it refuses, and that nothing runs on without a reader."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web

from resilient_stream import Breaker, Client, RetryPolicy
from resilient_stream.gateway.app import make_app
from resilient_stream.testing import Cut, End, FakeProvider, Stall, Status, Text

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "a-key-of-twenty-four-chars"
Ask: TypeAlias = Callable[..., Awaitable[aiohttp.ClientResponse]]


class Gateway:
    """A gateway on a free port, and a client of it."""

    def __init__(self, address: str, session: aiohttp.ClientSession, client: Client) -> None:
        self.address = address
        self.session = session
        self.client = client

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: Any) -> aiohttp.ClientResponse:
        """Send a request; the response is not read yet."""
        body = {"model": "any", "messages": [{"role": "user", "content": "Hi"}], **fields}
        return await self.session.post(self.address + path, json=body, headers=headers)

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        """Get a page."""
        return await self.session.get(self.address + path, headers=headers)


@pytest.fixture
async def gateway(nothing_left: None) -> AsyncIterator[Callable[..., Awaitable[Gateway]]]:
    """Starts gateways over targets."""
    async with AsyncExitStack() as stack:

        async def start(*targets: Any, breaker: Breaker | None = None, **options: Any) -> Gateway:
            client = await stack.enter_async_context(Client(*targets, retry=RetryPolicy.off(), breaker=breaker))
            runner = web.AppRunner(make_app(client, **options), handler_cancellation=True, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            session = await stack.enter_async_context(aiohttp.ClientSession())
            return Gateway(f"http://127.0.0.1:{runner.addresses[0][1]}", session, client)

        yield start


def texts(body: bytes) -> str:
    """The text of a streamed chat completion."""
    events = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
    return "".join((json.loads(event)["choices"] or [{"delta": {}}])[0]["delta"].get("content", "") for event in events)


async def test_a_chat_is_streamed(gateway: Any) -> None:
    """Events of chat completions, to their end marker."""
    async with FakeProvider([Text("Hel", "lo"), End()]) as provider:
        served = await gateway(provider.target("anthropic"))
        response = await served.post("/v1/chat/completions", stream=True)
        body = await response.read()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert texts(body) == "Hello"
    assert body.endswith(b"data: [DONE]\n\n")


async def test_a_chat_is_answered_whole(gateway: Any) -> None:
    """One JSON object, where no stream was asked for."""
    async with FakeProvider([Text("Hello"), End()]) as provider:
        served = await gateway(provider.target("anthropic"))
        response = await served.post("/v1/chat/completions")
        answer = await response.json()
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["object"] == "chat.completion"


@pytest.mark.parametrize("api", ["chat/completions", "messages"])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_model_that_answers_is_named(gateway: Any, api: str, stream: bool) -> None:
    """A fallback that begins the answer is said, and not the target that was asked before it."""
    async with FakeProvider([Status(503)]) as first, FakeProvider([Text("Hello"), End()]) as second:
        served = await gateway(first.target("openai", model="gpt"), second.target("anthropic", model="claude"))
        response = await served.post(f"/v1/{api}", stream=stream, max_tokens=9)
        body = await response.read()
    assert b'"model":"claude"' in body
    assert b'"gpt"' not in body


@pytest.mark.parametrize(
    ("path", "header", "wrong"),
    [
        ("/v1/chat/completions", "x-request-id", {"n": 2}),
        ("/v1/responses", "x-request-id", {"n": 2}),
        ("/v1/messages", "request-id", {"n": 2}),
    ],
)
async def test_each_request_has_an_id(gateway: Any, path: str, header: str, wrong: dict[str, Any]) -> None:
    """In the header of its API: a stream, a whole answer, a failure and a refusal, each another one."""
    async with FakeProvider([Text("Hello"), End()], [Text("Hello"), End()], [Status(500)], [Status(500)]) as provider:
        served = await gateway(provider.target("anthropic"))
        ids, fields = [], {"input": "Hi"} if path.endswith("responses") else {"max_tokens": 9}
        for more in ({"stream": True}, {}, {"stream": True}, {}, wrong):
            body = {"model": "any", "messages": [{"role": "user", "content": "Hi"}], **fields, **more}
            if "input" in fields:
                del body["messages"]
            async with served.session.post(served.address + path, json=body) as response:
                await response.read()
                ids.append((response.status, response.headers[header]))
    assert [status for status, _ in ids] == [200, 200, 500, 500, 400]
    assert len({id for _, id in ids}) == 5
    assert all(id.startswith("req_") for _, id in ids)


@pytest.mark.parametrize("stream", [False, True])
async def test_messages_are_answered(gateway: Any, stream: bool) -> None:
    """Anthropic's API, over a target of OpenAI's dialect."""
    async with FakeProvider([Text("Hello"), End()]) as provider:
        served = await gateway(provider.target("openai"))
        response = await served.post("/v1/messages", max_tokens=99, stream=stream)
        body = await response.read()
    assert response.status == 200
    assert b"Hello" in body
    assert (b"event: message_stop" in body) is stream


async def test_an_answer_that_breaks_off_is_continued_by_another_vendor(gateway: Any) -> None:
    """The caller sees one answer."""
    async with FakeProvider(
        [Text("Half an ", "answer"), Cut()], [Text("Half an ", "answer", " and the rest."), End()]
    ) as provider:
        served = await gateway(provider.target("openai"), provider.target("anthropic"))
        response = await served.post("/v1/chat/completions", stream=True)
        body = await response.read()
    assert texts(body) == "Half an answer and the rest."


async def test_errors_are_the_api_s_own(gateway: Any) -> None:
    """A refused key of the provider is a 401 in OpenAI's shape; no client tries it again by itself."""
    async with FakeProvider([Status(401)]) as provider:
        served = await gateway(provider.target("anthropic"))
        response = await served.post("/v1/chat/completions", stream=True)
        answer = await response.json()
    assert response.status == 401
    assert response.headers["x-should-retry"] == "false"
    assert set(answer["error"]) == {"message", "type", "param", "code"}


async def test_the_models_are_the_targets(gateway: Any) -> None:
    """Each API has its own list; clients of Anthropic's say its version."""
    async with FakeProvider() as provider:
        served = await gateway(provider.target("openai", model="a"), provider.target("anthropic", model="b"))
        ours = await (await served.get("/v1/models")).json()
        theirs = await (await served.get("/v1/models", **{"anthropic-version": "2023-06-01"})).json()
    assert [model["id"] for model in ours["data"]] == ["openai:a", "anthropic:b"]
    assert [model["type"] for model in theirs["data"]] == ["model", "model"]


async def test_names_mean_the_targets_that_were_given_for_them(gateway: Any) -> None:
    """`models=` says which may be asked for; another name is a 404 that lists them."""
    async with FakeProvider([Text("from b"), End()]) as provider:
        a, b = provider.target("openai", model="a"), provider.target("openai", model="b")
        served = await gateway(a, b, models={"quick": [a], "good": [b]})
        answer = await (await served.post("/v1/chat/completions", model="good")).json()
        refused = await served.post("/v1/chat/completions", model="other")
        said = await refused.json()
    assert answer["choices"][0]["message"]["content"] == "from b"
    assert provider.requests[0].json["model"] == "b"
    assert refused.status == 404
    assert "quick, good" in said["error"]["message"]


async def test_whoever_has_no_key_is_not_served(gateway: Any) -> None:
    """Nothing is sent to a provider for them; whoever has one is answered."""
    async with FakeProvider([Text("Hello"), End()]) as provider:
        served = await gateway(provider.target("openai"), keys=[KEY])
        refused = await served.post("/v1/chat/completions")
        answered = await served.post("/v1/chat/completions", headers={"Authorization": f"Bearer {KEY}"})
        models = await served.get("/v1/models")
        assert (refused.status, answered.status, models.status) == (401, 200, 401)
        assert len(provider.requests) == 1


@pytest.mark.parametrize(
    ("script", "stream"),
    [([Status(401)], True), ([Status(401)], False), ([Text("Half"), Cut()], True)],
    ids=["stream", "whole", "cut"],
)
async def test_what_to_do_is_told_to_whom_the_gateway_belongs(gateway: Any, script: Any, stream: bool) -> None:
    """Programs of this machine are told what helps; whoever came with a key is only told what happened."""
    said = {}
    for keys in ((), (KEY,)):
        async with FakeProvider(*[script] * 4) as provider:
            served = await gateway(provider.target("openai"), keys=keys)
            headers = {"Authorization": f"Bearer {KEY}"} if keys else None
            response = await served.post("/v1/chat/completions", headers, stream=stream)
            said[keys] = await response.text()
    helps = "Check that the key is complete" if script[0] == Status(401) else "give Recovery more methods"
    assert [helps in said[keys] for keys in said] == [True, False]
    assert all('"error"' in told for told in said.values())


async def test_a_path_that_nobody_serves_names_those_that_are(gateway: Any) -> None:
    """A 404, and a 405 for the wrong method."""
    async with FakeProvider() as provider:
        served = await gateway(provider.target("openai"))
        lost = await served.post("/v1/completions")
        wrong = await served.get("/v1/chat/completions")
        said = await lost.json()
    assert (lost.status, wrong.status) == (404, 405)
    assert "/chat/completions" in said["error"]["message"]


async def test_a_body_that_is_too_large_is_refused(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is read: the caller is told the size that is allowed."""
    monkeypatch.setattr("resilient_stream.gateway.app.MAX_BODY", 1024 * 1024)
    async with FakeProvider() as provider:
        served = await gateway(provider.target("openai"))
        body = io.BytesIO(b'{"user": "' + b"x" * 2**21 + b'"}')
        response = await served.session.post(served.address + "/v1/chat/completions", data=body)
        said = await response.json()
    assert response.status == 413
    assert "larger than 1 MiB" in said["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_leaves_closes_the_provider_s_connection(gateway: Any, stream: bool) -> None:
    """Also where the answer is wanted whole, and nothing was sent to the caller yet."""
    async with FakeProvider([Text("Hello"), Stall()]) as provider:
        served = await gateway(provider.target("openai"))
        asking = asyncio.ensure_future(served.post("/v1/chat/completions", stream=stream))
        while not provider.open:
            await asyncio.sleep(0.001)
        if stream:
            (await asking).close()
        else:
            asking.cancel()
        await provider.wait_closed(1, timeout=1)


async def test_health_is_that_of_the_targets(gateway: Any) -> None:
    """200 while one of them may be asked; 503 when all are left alone."""
    policy = Breaker(failure_rate=0.5, min_calls=1, window=30, open_for=30)
    async with FakeProvider([Status(500)]) as provider:
        served = await gateway(provider.target("openai"), breaker=policy)
        well = await served.get("/health")
        await served.post("/v1/chat/completions")
        sick = await served.get("/health")
        said = await sick.json()
    assert (well.status, sick.status) == (200, 503)
    assert (said["status"], said["targets"][0]["state"]) == ("unavailable", "open")


async def test_metrics_are_there_or_say_what_is_missing(gateway: Any) -> None:
    """The page of whoever gives one; else a 501 that names the extra."""
    async with FakeProvider() as provider:
        target = provider.target("openai")
        with_page = await (await gateway(target, metrics=lambda: b"# HELP x\n")).get("/metrics")
        without = await (await gateway(target)).get("/metrics")
        assert (with_page.status, await with_page.read()) == (200, b"# HELP x\n")
        assert without.status == 501
        assert "resilient-stream[serve]" in await without.text()
