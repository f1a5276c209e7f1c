"""The official Anthropic SDK over the transport: streams, helpers, calls, thoughts, and errors as its own classes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from resilient_stream import Client, RetryPolicy
from resilient_stream.integrations.anthropic import ResilientTransport
from resilient_stream.sync import SyncClient
from resilient_stream.testing import CallTool, Cut, End, Event, FakeProvider, Preamble, Stall, Status, Text

from .upstreams import DYING, GOING_ON, WHOLE, Upstreams

anthropic = pytest.importorskip("anthropic", minversion="1")
httpx2 = pytest.importorskip("httpx2")

ASK: list[Any] = [{"role": "user", "content": "Hi"}]
BASE: dict[str, Any] = {"model": "claude", "max_tokens": 100}
TOOLS: list[Any] = [{"name": "add", "input_schema": {
    "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"],
}}]  # fmt: skip


CLAUDES_THOUGHT = [Event({"index": 0, **each}) for each in (
    {"type": "content_block_start", "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "SIG"}},
    {"type": "content_block_stop"},
)]  # fmt: skip
DEEPSEEKS_THOUGHT = Event({"choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}]})


class Pet(BaseModel):
    """What is asked for."""

    name: str
    legs: int


@asynccontextmanager
async def sdk(**options: Any) -> AsyncIterator[tuple[Any, Upstreams]]:
    """Run an SDK over an Anthropic target that dies and an OpenAI target that goes on; its retries are as it sets
    them."""
    async with FakeProvider(DYING) as first, FakeProvider(GOING_ON) as second:
        targets = first.target("anthropic", model="claude"), second.target("openai", model="gpt")
        async with Client(*targets, **{"retry": RetryPolicy.off(), **options}) as client:
            http = httpx2.AsyncClient(transport=ResilientTransport(client))
            async with anthropic.AsyncAnthropic(api_key="-", http_client=http) as made:
                yield made, Upstreams(first, second, client)


async def test_an_answer_that_broke_off_is_read_to_its_end() -> None:
    """The stream of events goes on with another vendor's model."""
    async with sdk() as (ai, _):
        stream = await ai.messages.create(**BASE, messages=ASK, stream=True)
        events = [event async for event in stream]
    assert "".join(event.delta.text for event in events if event.type == "content_block_delta") == WHOLE
    assert [event.type for event in (events[0], *events[-3:])] == [
        "message_start", "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert events[-2].delta.stop_reason == "end_turn"
    assert events[-2].usage.output_tokens > 0


async def test_the_stream_helper_puts_the_message_together() -> None:
    """With its own events, the text, and the final message with the counts."""
    async with sdk() as (ai, _), ai.messages.stream(**BASE, messages=ASK) as stream:
        kinds = {event.type async for event in stream}
        final = await stream.get_final_message()
    assert {"text", "message_stop", "content_block_stop"} <= kinds
    assert [(block.type, block.text) for block in final.content] == [("text", WHOLE)]
    assert (final.stop_reason, final.usage.output_tokens > 0, final.usage.input_tokens > 0) == ("end_turn", True, True)


async def test_a_whole_answer_is_whole_and_has_an_id() -> None:
    """Without a stream the same continues it."""
    async with sdk() as (ai, _):
        message = await ai.messages.create(**BASE, messages=ASK)
    assert (message.content[0].text, message.stop_reason, message.role) == (WHOLE, "end_turn", "assistant")
    assert message._request_id.startswith("req_")
    assert message.usage.output_tokens > 0


async def test_calls_are_read_and_answered() -> None:
    """The helper accumulates the input; the result goes to another vendor in its own dialect."""
    async with sdk() as (ai, up):
        up.first.play([Status(503)])
        up.second.play([Text("Let me see."), CallTool("add", {"a": 1}), CallTool("add", {"a": 2}), End()])
        async with ai.messages.stream(**BASE, messages=ASK, tools=TOOLS) as stream:
            message = await stream.get_final_message()
        calls = [block for block in message.content if block.type == "tool_use"]
        assert ([call.input for call in calls], message.stop_reason) == ([{"a": 1}, {"a": 2}], "tool_use")
        whole = await ai.messages.create(**BASE, messages=ASK, tools=TOOLS)
        assert [block.input for block in whole.content if block.type == "tool_use"] == [{"a": 1}, {"a": 2}]
        up.second.play(GOING_ON)
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "3", "is_error": False} for call in calls]
        turns = [*ASK, {"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
        answer = await ai.messages.create(**BASE, messages=turns, tools=TOOLS)
        assert answer.content[0].text == WHOLE
        sent = up.second.requests[-1].json["messages"]
        assert [turn["role"] for turn in sent] == ["user", "assistant", "tool", "tool"]
        assert [call["id"] for call in sent[1]["tool_calls"]] == [turn["tool_call_id"] for turn in sent[2:]]


@pytest.mark.parametrize("streamed", [True, False])
async def test_claudes_thoughts_come_back_to_claude(streamed: bool) -> None:
    """With their signatures, over two turns and through the SDK's own message."""
    async with sdk() as (ai, up):
        up.first.play([Preamble(), *CLAUDES_THOUGHT, Text("Yes."), End()])
        message = await answered(ai, ASK, streamed=streamed, thinking={"type": "enabled", "budget_tokens": 1024})
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert (message.content[0].thinking, message.content[0].signature) == ("Hm.", "SIG")
        turns = [*ASK, {"role": "assistant", "content": message.content}, *ASK]
        await ai.messages.create(**{**BASE, "max_tokens": 5000}, messages=turns)
        assert up.first.requests[-1].json["messages"][1]["content"] == [
            {"type": "thinking", "thinking": "Hm.", "signature": "SIG"}, {"type": "text", "text": "Yes."},
        ]  # fmt: skip


@pytest.mark.parametrize("streamed", [True, False])
async def test_thoughts_of_another_vendor_do_not_break_the_next_turn(streamed: bool) -> None:
    """They are shown; Claude is not sent them, and a model that wants its own thoughts back has them."""
    async with FakeProvider([Preamble(), DEEPSEEKS_THOUGHT, Text("Yes."), End()]) as provider:
        deep, claude = (
            provider.target("deepseek", model="deepseek-reasoner"),
            provider.target("anthropic", model="claude"),
        )
        async with Client(deep, claude, retry=RetryPolicy.off()) as client:
            http = httpx2.AsyncClient(transport=ResilientTransport(client, models={"deep": deep, "claude": claude}))
            async with anthropic.AsyncAnthropic(api_key="-", http_client=http) as ai:
                message = await answered(ai, ASK, streamed=streamed, model="deep")
                assert [block.type for block in message.content] == ["thinking", "text"]
                assert message.content[0].thinking == "Hm."
                turns = [*ASK, {"role": "assistant", "content": message.content}, *ASK]
                for name in ("deep", "claude"):
                    await ai.messages.create(**{**BASE, "model": name}, messages=turns)
        deep_turn, claude_turn = (request.json["messages"][1] for request in provider.requests[1:])
    assert deep_turn["reasoning_content"] == "Hm."
    assert claude_turn == {"role": "assistant", "content": "Yes."}


async def answered(ai: Any, messages: Any, *, streamed: bool, **fields: Any) -> Any:
    """The final message, by the stream helper or whole."""
    fields = {**BASE, "max_tokens": 5000, **fields, "messages": messages}
    if not streamed:
        return await ai.messages.create(**fields)
    async with ai.messages.stream(**fields) as stream:
        return await stream.get_final_message()


async def test_parse_gives_an_object() -> None:
    """Its schema reaches whichever vendor answers."""
    async with sdk() as (ai, up):
        up.first.play([Status(503)])
        up.second.play([Text('{"name":"Tom",', '"legs":4}'), End()])
        parsed = await ai.messages.parse(**BASE, messages=ASK, output_format=Pet)
        assert parsed.parsed_output == Pet(name="Tom", legs=4)
        assert "legs" in json.dumps(up.second.requests[0].json)


async def test_an_answer_that_max_tokens_cut_is_one() -> None:
    """It has its stop reason, as from Anthropic."""
    async with sdk() as (ai, up):
        up.first.play([Text("Half"), End("length")])
        message = await ai.messages.create(**BASE, messages=ASK)
        assert (message.content[0].text, message.stop_reason) == ("Half", "max_tokens")


async def test_headers_for_anthropic_reach_no_other_vendor() -> None:
    """Some say who asks: a workspace, a user. A target that is asked instead is not told."""
    async with sdk() as (ai, up):
        up.first.play([Status(503)])
        up.second.play([Text("Hello"), End()])
        names = {"anthropic-beta": "b", "anthropic-workspace-id": "ws", "anthropic-user-profile-id": "me"}
        await ai.messages.create(**BASE, messages=ASK, extra_headers=names)
        assert names.items() <= up.first.requests[0].headers.items()
        assert not names.keys() & up.second.requests[0].headers.keys()


async def test_betas_reach_the_provider() -> None:
    """The beta client's header and its fields go to Anthropic."""
    async with sdk() as (ai, up):
        up.first.play(GOING_ON)
        message = await ai.beta.messages.create(
            **BASE, messages=ASK, betas=["context-management-2025-06-27"],
            context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}, service_tier="standard_only",
        )  # fmt: skip
        assert message.content[0].text == WHOLE
        request = up.first.requests[0]
        assert request.headers["anthropic-beta"] == "context-management-2025-06-27"
        assert request.json["context_management"] == {"edits": [{"type": "clear_tool_uses_20250919"}]}
        assert request.json["service_tier"] == "standard_only"


async def test_what_only_anthropic_has_is_not_asked_elsewhere() -> None:
    """When its target fails, the next one is not asked something else instead."""
    async with sdk() as (ai, up):
        up.first.play([Status(500)])
        with pytest.raises(anthropic.InternalServerError):
            await ai.messages.create(**BASE, messages=ASK, container="c_1")
        with pytest.raises(anthropic.BadRequestError, match="container: only Anthropic can be asked"):
            await ai.messages.create(**{**BASE, "model": "openai:gpt"}, messages=ASK, container="c_1")
        assert up.second.requests == []


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, "BadRequestError"), (401, "AuthenticationError"), (403, "PermissionDeniedError"),
        (404, "NotFoundError"), (429, "RateLimitError"), (500, "InternalServerError"), (529, "OverloadedError"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [True, False])
async def test_errors_are_the_sdks_own(status: int, raised: str, stream: bool) -> None:
    """With our words in them; and each target was asked once, so the SDK's own retries found nothing to do."""
    async with FakeProvider([Status(status)]) as provider:
        async with Client(provider.target("anthropic", model="claude"), retry=RetryPolicy.off()) as client:
            http = httpx2.AsyncClient(transport=ResilientTransport(client))
            async with anthropic.AsyncAnthropic(api_key="-", http_client=http) as ai:
                with pytest.raises(class_of(raised)) as caught:
                    await ai.messages.create(**BASE, messages=ASK, stream=stream)
        assert len(provider.requests) == 1
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["message"].count(".") >= 2
    assert caught.value.body["error"]["details"]["error_code"]
    assert caught.value.request_id.startswith("req_")
    assert caught.value.request_id == caught.value.body["request_id"]


def class_of(name: str) -> Any:
    """A class of the SDK's; some are not among its public names."""
    from anthropic import _exceptions

    return getattr(_exceptions, name)


async def test_a_failure_in_the_middle_is_raised_with_our_words() -> None:
    """Behind all the text that came."""
    async with sdk() as (ai, up):
        up.second.play([Status(500)])
        read = []
        stream = await ai.messages.create(**BASE, messages=ASK, stream=True)
        with pytest.raises(anthropic.APIStatusError) as caught:
            async for event in stream:
                if event.type == "content_block_delta":
                    read.append(event.delta.text)
    assert "".join(read) == "Half an "
    assert caught.value.body["error"]["type"] == "api_error"
    assert caught.value.body["error"]["message"].endswith(".")
    assert "transcript" not in caught.value.body["error"]["message"]  # the user of an SDK has none


async def test_what_cannot_be_served_is_a_bad_request() -> None:
    """It says what is wrong, and nothing is sent."""
    async with sdk() as (ai, up):
        with pytest.raises(anthropic.BadRequestError, match=r"metadata\.trace: not a known field"):
            await ai.messages.create(**BASE, messages=ASK, metadata={"trace": "x"})
        with pytest.raises(anthropic.BadRequestError, match="temperature must be a number"):
            await ai.messages.create(**BASE, messages=ASK, extra_body={"temperature": -1})
        with pytest.raises(anthropic.NotFoundError, match="Tokens are not counted here"):
            await ai.messages.count_tokens(model="claude", messages=ASK)
        with pytest.raises(anthropic.NotFoundError, match="/messages"):
            await ai.messages.batches.list()
        assert up.first.requests == []


async def test_models_are_the_clients_targets() -> None:
    """As a list, and one by one."""
    async with sdk() as (ai, _):
        page = await ai.models.list()
        assert [model.id for model in page.data] == ["anthropic:claude", "openai:gpt"]
        assert (await ai.models.retrieve("openai:gpt")).display_name == "openai:gpt"
        with pytest.raises(anthropic.NotFoundError):
            await ai.models.retrieve("gpt-9")


async def test_leaving_a_stream_closes_the_provider() -> None:
    """A closed SDK stream leaves nothing running upstream."""
    async with sdk() as (ai, up):
        up.first.play([Text("a"), Stall()])
        async with ai.messages.stream(**BASE, messages=ASK) as stream:
            async for text in stream.text_stream:
                assert text == "a"
                break
        await closed_soon(up.first)


async def test_a_cancelled_request_closes_the_provider() -> None:
    """Before the first event, while the model is silent."""
    async with sdk() as (ai, up):
        up.first.play([Stall()])
        task = asyncio.create_task(ai.messages.create(**BASE, messages=ASK))
        while not up.first.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await closed_soon(up.first)


async def closed_soon(provider: FakeProvider) -> None:
    """Wait until the provider sees that its client has gone: milliseconds, and not the minute of a stall."""
    [request] = await provider.wait_closed(timeout=20)
    assert request.closed_by_client


def test_the_plain_sdk_works_with_a_plain_client() -> None:
    """Scripts and notebooks have the same."""
    dying = FakeProvider.in_thread([Text("Half an "), Cut()])
    with dying as first, FakeProvider.in_thread(GOING_ON) as second:
        targets = first.target("anthropic"), second.target("openai")
        with SyncClient(*targets, retry=RetryPolicy.off()) as client:
            http = httpx2.Client(transport=ResilientTransport(client))
            with anthropic.Anthropic(api_key="-", http_client=http) as ai:
                with ai.messages.stream(**BASE, messages=ASK) as stream:
                    assert "".join(stream.text_stream) == WHOLE
                assert ai.messages.create(**BASE, messages=ASK).content[0].text == WHOLE
