"""The official OpenAI SDK over the transport: streams, helpers, calls, objects, and errors as its own classes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from resilient_stream import Client, RetryPolicy
from resilient_stream.integrations.openai import ResilientTransport
from resilient_stream.sync import SyncClient
from resilient_stream.testing import CallTool, Cut, End, Event, FakeProvider, Preamble, Stall, Status, Text

from .upstreams import GOING_ON, WHOLE, Upstreams, upstreams

openai = pytest.importorskip("openai", minversion="3")
httpx2 = pytest.importorskip("httpx2")

ASK: list[Any] = [{"role": "user", "content": "Hi"}]
TOOLS: list[Any] = [{"type": "function", "function": {
    "name": "add", "strict": True,
    "parameters": {
        "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False,
    },
}}]  # fmt: skip
FLAT_TOOLS: list[Any] = [{"type": "function", **TOOLS[0]["function"]}]


class Pet(BaseModel):
    """What is asked for."""

    name: str
    legs: int


@asynccontextmanager
async def sdk(**options: Any) -> AsyncIterator[tuple[Any, Upstreams]]:
    """Run an SDK over the two providers; its own retries are as it sets them."""
    async with upstreams(**options) as up:
        http = httpx2.AsyncClient(transport=ResilientTransport(up.client))
        async with openai.AsyncOpenAI(api_key="-", http_client=http) as made:
            yield made, up


async def test_an_answer_that_broke_off_is_read_to_its_end() -> None:
    """The stream of chunks goes on with another vendor's model."""
    async with sdk() as (ai, _):
        stream = await ai.chat.completions.create(
            model="gpt", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == WHOLE
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0


async def test_the_stream_helper_puts_the_answer_together() -> None:
    """With its events, and the final completion."""
    async with sdk() as (ai, _), ai.chat.completions.stream(model="gpt", messages=ASK) as stream:
        kinds = {event.type async for event in stream}
        final = await stream.get_final_completion()
    assert {"content.delta", "content.done", "chunk"} <= kinds
    assert final.choices[0].message.content == WHOLE


async def test_a_whole_answer_is_whole() -> None:
    """Without a stream the same continues it."""
    async with sdk() as (ai, _):
        completion = await ai.chat.completions.create(model="gpt", messages=ASK)
    assert (completion.choices[0].message.content, completion.choices[0].finish_reason) == (WHOLE, "stop")
    assert completion.usage.total_tokens > 0
    assert completion._request_id.startswith("req_")


async def test_calls_are_read_and_answered() -> None:
    """The helper parses the arguments; the result goes to another vendor in its own dialect."""
    async with sdk() as (ai, up):
        up.first.play([Status(503)])
        up.second.play([Text("Let me see."), CallTool("add", {"a": 1}), CallTool("add", {"a": 2}), End()])
        async with ai.chat.completions.stream(model="gpt", messages=ASK, tools=TOOLS) as stream:
            async for _ in stream:
                pass
            message = (await stream.get_final_completion()).choices[0].message
        assert [call.function.parsed_arguments for call in message.tool_calls] == [{"a": 1}, {"a": 2}]
        up.second.play(GOING_ON)
        results = [{"role": "tool", "tool_call_id": call.id, "content": "3"} for call in message.tool_calls]
        answer = await ai.chat.completions.create(model="gpt", messages=[*ASK, message, *results], tools=TOOLS)
        assert answer.choices[0].message.content == WHOLE
        assert [block["type"] for block in up.second.requests[-1].json["messages"][-1]["content"]] == [
            "tool_result"
        ] * 2


DIALECTS = ("openai", "openai-responses", "anthropic", "gemini", "ollama", "cohere", "groq", "gemini-interactions")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_calls_of_every_dialect_are_openais(dialect: str, api: str) -> None:
    """Streamed and whole: text, two calls with their arguments, why it ended, and counts."""
    script = [Text("Let me see."), CallTool("add", {"a": 1}), CallTool("add", {"a": 2}), End()]
    async with FakeProvider(script) as provider:
        async with Client(provider.target(dialect, model="m"), retry=RetryPolicy.off()) as client:
            http = httpx2.AsyncClient(transport=ResilientTransport(client))
            async with openai.AsyncOpenAI(api_key="-", http_client=http) as ai:
                said = [await _asked[api](ai, stream) for stream in (True, False)]
    assert said[0] == said[1]
    text, calls, reason, counted = said[0]
    assert (text, calls, counted) == ("Let me see.", [("add", {"a": 1}), ("add", {"a": 2})], True)
    assert reason in ("tool_calls", "completed")


async def _ask_chat(ai: Any, stream: bool) -> tuple[Any, ...]:
    if stream:
        usage = {"include_usage": True}
        async with ai.chat.completions.stream(model="m", messages=ASK, tools=TOOLS, stream_options=usage) as streaming:
            done = await streaming.get_final_completion()
    else:
        done = await ai.chat.completions.create(model="m", messages=ASK, tools=TOOLS)
    [choice] = done.choices
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
    return choice.message.content, calls, choice.finish_reason, done.usage.total_tokens > 0


async def _ask_responses(ai: Any, stream: bool) -> tuple[Any, ...]:
    if stream:
        async with ai.responses.stream(model="m", input="Hi", tools=FLAT_TOOLS) as streaming:
            done = await streaming.get_final_response()
    else:
        done = await ai.responses.create(model="m", input="Hi", tools=FLAT_TOOLS)
    calls = [(item.name, json.loads(item.arguments)) for item in done.output if item.type == "function_call"]
    return done.output_text, calls, done.status, done.usage.total_tokens > 0


_asked = {"chat": _ask_chat, "responses": _ask_responses}


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # the SDK's, of its own objects
async def test_parse_gives_an_object() -> None:
    """Its schema reaches whichever vendor answers."""
    async with sdk() as (ai, up):
        up.first.play([Status(503)])
        up.second.play([Text('{"name":"Tom",', '"legs":4}'), End()])
        parsed = await ai.chat.completions.parse(model="gpt", messages=ASK, response_format=Pet)
        message = parsed.choices[0].message
        assert message.parsed == Pet(name="Tom", legs=4)
        asked = [*ASK, message, *ASK]
        again = await ai.chat.completions.parse(model="gpt", messages=asked, response_format=Pet)
        assert again.choices[0].message.parsed == Pet(name="Tom", legs=4)
        async with ai.chat.completions.stream(model="gpt", messages=ASK, response_format=Pet) as stream:
            final = await stream.get_final_completion()
        assert final.choices[0].message.parsed == Pet(name="Tom", legs=4)
        assert "legs" in json.dumps(up.second.requests[0].json)


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, "BadRequestError"), (401, "AuthenticationError"), (403, "PermissionDeniedError"),
        (404, "NotFoundError"), (429, "RateLimitError"), (500, "InternalServerError"), (503, "InternalServerError"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [True, False])
async def test_errors_are_the_sdks_own(status: int, raised: str, stream: bool) -> None:
    """With our words in them; and each target was asked once, so the SDK's own retries found nothing to do."""
    async with FakeProvider([Status(status)]) as provider:
        async with Client(provider.target("openai", model="gpt"), retry=RetryPolicy.off()) as client:
            http = httpx2.AsyncClient(transport=ResilientTransport(client))
            async with openai.AsyncOpenAI(api_key="-", http_client=http) as ai:
                with pytest.raises(getattr(openai, raised)) as caught:
                    await ai.chat.completions.create(model="gpt", messages=ASK, stream=stream)
        assert len(provider.requests) == 1
    assert caught.value.body.keys() == {"message", "type", "param", "code"}
    assert caught.value.body["message"].count(".") >= 2
    assert caught.value.request_id.startswith("req_")


async def test_a_failure_in_the_middle_is_raised_with_our_words() -> None:
    """Behind all the text that came."""
    async with sdk() as (ai, up):
        up.second.play([Status(500)])
        read = []
        stream = await ai.chat.completions.create(model="gpt", messages=ASK, stream=True)
        with pytest.raises(openai.APIError, match=r"\.$") as caught:
            async for chunk in stream:
                read.append(chunk.choices[0].delta.content)
    assert "".join(read) == "Half an "
    assert caught.value.body.keys() == {"message", "type", "param", "code"}
    said = caught.value.body["message"]
    assert "ask again" in said.lower()
    assert "transcript" not in said  # the user of an SDK has none
    assert "kept" not in said


async def test_what_cannot_be_served_is_a_bad_request() -> None:
    """It names its parameter, and nothing is sent."""
    async with sdk() as (ai, up):
        with pytest.raises(openai.BadRequestError) as caught:
            await ai.chat.completions.create(model="gpt", messages=ASK, n=2)
        assert caught.value.param == "n"
        with pytest.raises(openai.NotFoundError, match="/chat/completions"):
            await ai.embeddings.create(model="gpt", input="x")
        assert up.first.requests == []


async def test_leaving_a_stream_closes_the_provider() -> None:
    """A closed SDK stream leaves nothing running upstream."""
    async with sdk() as (ai, up):
        up.first.play([Text("a"), Stall()])
        async with await ai.chat.completions.create(model="gpt", messages=ASK, stream=True) as stream:
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    break
        [request] = await up.first.wait_closed()
        assert request.closed_by_client


def test_the_plain_sdk_works_with_a_plain_client() -> None:
    """Scripts and notebooks have the same."""
    dying = FakeProvider.in_thread([Text("Half an "), Cut()])
    with dying as first, FakeProvider.in_thread(GOING_ON) as second:
        targets = first.target("openai"), second.target("anthropic")
        with SyncClient(*targets, retry=RetryPolicy.off()) as client:
            http = httpx2.Client(transport=ResilientTransport(client))
            with openai.OpenAI(api_key="-", http_client=http) as ai:
                stream = ai.chat.completions.create(model="gpt", messages=ASK, stream=True)
                assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == WHOLE
                assert ai.chat.completions.create(model="gpt", messages=ASK).choices[0].message.content == WHOLE


# -- the Responses API ----------------------------------------------------------------------------


async def test_a_response_that_broke_off_is_read_to_its_end() -> None:
    """The events go on with another vendor's model, and the helper has the whole response."""
    async with sdk() as (ai, _):
        stream = await ai.responses.create(model="gpt", input="Hi", stream=True)
        events = [event async for event in stream]
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == WHOLE
        assert events[-1].type == "response.completed"
        assert events[-1].response.output_text == WHOLE
        async with ai.responses.stream(model="gpt", input="Hi") as helper:
            async for _event in helper:
                pass
            final = await helper.get_final_response()
        assert (final.output_text, final.status) == (WHOLE, "completed")
        assert final.usage.total_tokens > 0


async def test_a_response_in_one_piece_is_whole() -> None:
    """As its stream would be."""
    async with sdk() as (ai, _):
        response = await ai.responses.create(model="gpt", input="Hi", instructions="Be brief.", temperature=0.5)
    assert (response.output_text, response.instructions, response.temperature) == (WHOLE, "Be brief.", 0.5)
    assert response.usage.total_tokens > 0


async def test_calls_of_a_response_are_read_and_answered() -> None:
    """The items go back as they came, and another vendor has them in its own dialect."""
    async with sdk() as (ai, up):
        up.first.play([Status(503)])
        up.second.play([Text("Let me see."), CallTool("add", {"a": 1}), CallTool("add", {"a": 2}), End()])
        async with ai.responses.stream(model="gpt", input="Hi", tools=FLAT_TOOLS) as stream:
            final = await stream.get_final_response()
        calls = [item for item in final.output if item.type == "function_call"]
        assert [call.parsed_arguments for call in calls] == [{"a": 1}, {"a": 2}]
        up.second.play(GOING_ON)
        outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": "3"} for call in calls]
        asked = [{"role": "user", "content": "Hi"}, *final.output, *outputs]
        answer = await ai.responses.create(model="gpt", input=asked, tools=FLAT_TOOLS)
        assert answer.output_text == WHOLE
        turns = up.second.requests[-1].json["messages"]
        assert [block["type"] for block in turns[1]["content"]] == ["text", "tool_use", "tool_use"]
        assert [block["type"] for block in turns[2]["content"]] == ["tool_result", "tool_result"]


async def test_signed_reasoning_goes_back_to_who_signed_it() -> None:
    """A turn with Claude's thinking and a call is continued, though the client speaks OpenAI's API."""
    signed = [
        Event({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        Event({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}}),
        Event({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}),
        Event({"type": "content_block_stop", "index": 0}),
        Event({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        Event({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Yes."}}),
        Event({"type": "content_block_stop", "index": 1}),
        Event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
        Event({"type": "message_stop"}),
    ]
    async with sdk() as (ai, up):
        up.first.play([Status(503)])
        up.second.play([Preamble(), *signed], GOING_ON)
        first = await ai.responses.create(model="gpt", input="Hi")
        assert first.output[0].summary[0].text == "Hm."
        asked = [{"role": "user", "content": "Hi"}, *first.output, {"role": "user", "content": "Sure?"}]
        await ai.responses.create(model="gpt", input=asked)
        block = up.second.requests[-1].json["messages"][1]["content"][0]
        assert block == {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # the SDK's, of its own objects
async def test_a_parsed_response_is_an_object() -> None:
    """Its schema reaches whichever vendor answers."""
    async with sdk() as (ai, up):
        up.first.play([Status(503)])
        up.second.play([Text('{"name":"Tom",', '"legs":4}'), End()])
        parsed = await ai.responses.parse(model="gpt", input="Hi", text_format=Pet)
        assert parsed.output_parsed == Pet(name="Tom", legs=4)
        asked = [{"role": "user", "content": "Hi"}, *parsed.output, {"role": "user", "content": "Sure?"}]
        again = await ai.responses.parse(model="gpt", input=asked, text_format=Pet)
        assert again.output_parsed == Pet(name="Tom", legs=4)


async def test_errors_of_a_response_are_the_sdks_own() -> None:
    """Before the answer by their status, in the middle of it as an APIError, and a bad request names its field."""
    async with sdk() as (ai, up):
        up.second.play([Status(500)])
        read = []
        stream = await ai.responses.create(model="gpt", input="Hi", stream=True)
        with pytest.raises(openai.APIError, match="Answer cut off"):
            async for event in stream:
                read.append(event)
        assert "".join(event.delta for event in read if event.type == "response.output_text.delta") == "Half an "
        up.first.play([Status(429)])
        up.second.play([Status(429)])
        asked = len(up.second.requests)
        with pytest.raises(openai.RateLimitError, match="Both targets failed"):
            await ai.responses.create(model="gpt", input="Hi", stream=True)
        assert len(up.second.requests) == asked + 1
        with pytest.raises(openai.BadRequestError, match="nothing is kept here") as caught:
            await ai.responses.create(model="gpt", input="Hi", previous_response_id="resp_1")
        assert caught.value.param == "previous_response_id"


async def test_leaving_a_response_closes_the_provider() -> None:
    """As with chat completions."""
    async with sdk() as (ai, up):
        up.first.play([Text("a"), Stall()])
        async with await ai.responses.create(model="gpt", input="Hi", stream=True) as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    break
        [request] = await up.first.wait_closed()
        assert request.closed_by_client
