"""Requests to Bedrock beside those of AWS's and Anthropic's own SDKs, for the same conversations.

Both send to a loopback server; what it received is compared as JSON. boto3 also checks each request against AWS's own
model of the service, so a field that Converse does not have would not leave it.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from resilient_stream import Client, Message, RetryPolicy, StreamError, Target, Tool
from resilient_stream.errors import MalformedStream
from resilient_stream.messages import FunctionCall, ImagePart, ReasoningPart, TextPart
from resilient_stream.testing import FakeProvider, ReceivedRequest, Status

boto3 = pytest.importorskip("boto3")

PIXEL = b"\x89PNG\r\n\x1a\n"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
THINKS = "us.anthropic.claude-sonnet-4-20250514-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2"


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """In a thread: boto3 blocks."""
    with FakeProvider.in_thread() as running:
        yield running


CONVERSATIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a question": (
        CLAUDE, {"prompt": "Hi"}, {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}),
    "settings": (
        PROFILE,
        {"prompt": "Hi", "system": "Be brief.", "max_tokens": 20, "temperature": 0.5, "stop": ["END"]},
        {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "system": [{"text": "Be brief."}],
         "inferenceConfig": {"maxTokens": 20, "temperature": 0.5, "stopSequences": ["END"]}}),
    "a picture": (
        CLAUDE,
        {"prompt": [Message(role="user", content=(
            TextPart(text="What is it?"),
            ImagePart(url="data:image/png;base64," + base64.b64encode(PIXEL).decode())))]},
        {"messages": [{"role": "user", "content": [
            {"text": "What is it?"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}]}]}),
    "a call and its result": (
        THINKS,
        {"prompt": [
            Message(role="user", content="How is the weather?"),
            Message(role="assistant", content=(ReasoningPart(text="I look.", signature="c2ln"),),
                    tool_calls=(FunctionCall(id="t-1", name="weather", arguments='{"city": "Oslo"}'),)),
            Message(role="tool", tool_call_id="t-1", content="mild")],
         "tools": [Tool(name="weather", description="Says it", parameters=SCHEMA)], "tool_choice": "auto",
         "reasoning": 1024, "max_tokens": 4000},
        {"messages": [
            {"role": "user", "content": [{"text": "How is the weather?"}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "I look.", "signature": "c2ln"}}},
                {"toolUse": {"toolUseId": "t-1", "name": "weather", "input": {"city": "Oslo"}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t-1", "content": [{"text": "mild"}]}}]}],
         "toolConfig": {"tools": [{"toolSpec": {
             "name": "weather", "description": "Says it", "inputSchema": {"json": SCHEMA}}}],
             "toolChoice": {"auto": {}}},
         "inferenceConfig": {"maxTokens": 4000},
         "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}),
    "a schema and a guardrail": (
        "openai.gpt-oss-120b-1:0",
        {"prompt": "Where?", "output": SCHEMA, "reasoning": "low",
         "extra": {"guardrailConfig": {"guardrailIdentifier": "g1", "guardrailVersion": "DRAFT", "trace": "enabled"},
                   "performanceConfig": {"latency": "standard"}, "requestMetadata": {"team": "a"}}},
        {"messages": [{"role": "user", "content": [{"text": "Where?"}]}],
         "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
             "name": "answer",
             "schema": '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],'
                       '"additionalProperties":false}'}}}},
         "additionalModelRequestFields": {"reasoning_effort": "low"},
         "guardrailConfig": {"guardrailIdentifier": "g1", "guardrailVersion": "DRAFT", "trace": "enabled"},
         "performanceConfig": {"latency": "standard"}, "requestMetadata": {"team": "a"}}),
}  # fmt: skip
"""The model, the conversation as our users write it, and as boto3's do."""


async def ours(provider: FakeProvider, model: str, asked: dict[str, Any], **given: Any) -> ReceivedRequest:
    """What our client sends."""
    target = Target(f"bedrock:{model}", base_url=provider.url, api_key="k", **given)
    async with Client(target, retry=RetryPolicy.off()) as client:
        options = {name: value for name, value in asked.items() if name != "prompt"}
        with contextlib.suppress(MalformedStream):  # the stand-in's answer is no object, which does not matter here
            await client.complete(asked["prompt"], **options)
    return provider.requests[-1]


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_converse_is_asked_as_boto3_asks(name: str, provider: FakeProvider) -> None:
    """The same JSON, to the same path, in the same form; and boto3 reads the stand-in's answer to the end."""
    model, asked, boto = CONVERSATIONS[name]
    own = await ours(provider, model, asked)
    stream = boto_client(provider).converse_stream(modelId=model, **boto)["stream"]
    assert "metadata" in [kind for event in stream for kind in event]
    is_asked_the_same(own, provider.requests[-1])


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_converse_is_asked_for_one_piece_as_boto3_asks(name: str, provider: FakeProvider) -> None:
    """The same again for an answer that is not streamed."""
    model, asked, boto = CONVERSATIONS[name]
    own = await ours(provider, model, asked, stream=False)
    assert boto_client(provider).converse(modelId=model, **boto)["stopReason"] == "end_turn"
    is_asked_the_same(own, provider.requests[-1])


def boto_client(provider: FakeProvider) -> Any:
    """AWS's SDK, pointed at the stand-in."""
    return boto3.client(
        "bedrock-runtime", endpoint_url=provider.url, region_name="us-east-1",
        aws_access_key_id="k", aws_secret_access_key="s",
    )  # fmt: skip


def is_asked_the_same(own: ReceivedRequest, official: ReceivedRequest) -> None:
    """The same path, form and JSON."""
    assert own.json == official.json
    assert unquote(own.path) == unquote(official.path)
    assert own.path.count("/") == official.path.count("/") == 3
    assert own.headers["content-type"] == official.headers["content-type"]


INVOKED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a question": (
        {"prompt": "Hi", "system": "Be brief.", "max_tokens": 20},
        {"messages": [{"role": "user", "content": "Hi"}], "system": "Be brief.", "max_tokens": 20}),
    "a call and its result": (
        {"prompt": [
            Message(role="user", content="How is the weather?"),
            Message(role="assistant", tool_calls=(FunctionCall(id="t1", name="weather", arguments='{"city":"Oslo"}'),)),
            Message(role="tool", tool_call_id="t1", content="mild")],
         "tools": [Tool(name="weather", description="Says it", parameters=SCHEMA)], "max_tokens": 20},
        {"messages": [
            {"role": "user", "content": "How is the weather?"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "mild"}]}],
         "tools": [{"name": "weather", "description": "Says it", "input_schema": SCHEMA}], "max_tokens": 20}),
}  # fmt: skip


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "in one piece"])
@pytest.mark.parametrize("name", INVOKED)
async def test_claude_is_invoked_as_anthropics_sdk_does(name: str, stream: bool, provider: FakeProvider) -> None:
    """Claude is invoked with the JSON and the path of Anthropic's SDK."""
    anthropic = pytest.importorskip("anthropic")
    asked, theirs = INVOKED[name]
    provider.play([Status(400)])  # what is asked is all that matters
    with pytest.raises(StreamError):
        await ours(provider, CLAUDE, asked, api="invoke", stream=stream)
    official = anthropic.AnthropicBedrock(
        base_url=provider.url, aws_region="us-east-1", aws_access_key="k", aws_secret_key="s", max_retries=0
    )
    with pytest.raises(anthropic.APIStatusError):
        official.messages.create(model=CLAUDE, stream=stream, **theirs)
    own, other = provider.requests
    # AWS documents this version, and the recorded requests have it; the SDK sends that of Anthropic's own API.
    assert {**other.json, "anthropic_version": "bedrock-2023-05-31"} == own.json
    assert own.path == other.path
