"""An object is asked for in the way that a target has, and comes as text whatever the way was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import Client, Message, Target, Tool
from resilient_stream.chunks import Finished, TextDelta, ToolCall, ToolCallDelta
from resilient_stream.contract import Capabilities, Request
from resilient_stream.fitting.answer_form import in_its_way, in_words
from resilient_stream.providers import adapter_for
from resilient_stream.testing import CallTool, End, FakeProvider, Text
from tests.objects.answers import GOOD, Trip

TRIP = Trip.model_validate_json(GOOD)
OBJECT = json.loads(GOOD)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}

BY_TOOL = (
    "anthropic:claude-3-5-haiku-latest", "bedrock:us.anthropic.claude-3-7-sonnet-v1:0", "bedrock:amazon.nova-pro-v1:0",
    "openai:gpt-4", "vertex:publishers/anthropic/models/claude-3-5-haiku",
)  # fmt: skip
BY_JSON = (
    "deepseek:deepseek-chat", "groq:llama-3.3-70b-versatile", "moonshot:kimi-k2.5", "openai:gpt-3.5-turbo",
    "openai-responses:gpt-4-turbo",
)  # fmt: skip
BY_WORDS = ("claude-code:default", "bedrock:meta.llama3-8b-instruct-v1:0", "gemini:gemma-3-27b-it")
BY_SCHEMA = (
    "anthropic:claude-opus-4-5", "bedrock:us.anthropic.claude-sonnet-4-5-v1:0", "openai:gpt-5-mini", "cohere:command-a",
    "groq:openai/gpt-oss-120b", "gemini:gemini-3-pro", "ollama:llama3.2", "local:smollm2", "openai:gpt-4o",
    "openai:gpt-4.1",
)  # fmt: skip
WAYS = {
    **dict.fromkeys(BY_TOOL, "tool"), **dict.fromkeys(BY_JSON, "json"), **dict.fromkeys(BY_WORDS, "words"),
    **dict.fromkeys(BY_SCHEMA, "schema"),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_each_target_is_asked_in_its_own_way(name: str) -> None:
    """By the provider's and the model's own rows."""
    target = Target(name)
    assert adapter_for(target.provider).capabilities(target.model).output_by == WAYS[name]


async def asked(name: str, *script: Any, **options: Any) -> tuple[Any, list[Any], dict[str, Any]]:
    """The transcript and chunks of a stream that asks for a Trip, and the body that was sent."""
    provider_name, _, model = name.partition(":")
    async with FakeProvider(script) as provider:
        async with Client(provider.target(provider_name, model=model)) as client:
            stream = client.stream("Plan a trip", **{"output": Trip, **options})
            chunks = [chunk async for chunk in stream]
        return stream.transcript, chunks, provider.requests[0].json


@pytest.mark.parametrize("name", [name for name in BY_TOOL if "vertex" not in name])
async def test_the_arguments_of_the_tool_are_the_text(name: str) -> None:
    """One tool that has to be called; no call is seen, the text is the JSON, and the model stopped."""
    transcript, chunks, body = await asked(name, CallTool("answer", OBJECT), End())
    assert transcript.output == TRIP
    assert json.loads(transcript.text) == OBJECT
    assert (transcript.finish_reason, transcript.tool_calls) == ("stop", ())
    assert not any(isinstance(chunk, ToolCall | ToolCallDelta) for chunk in chunks)
    sent = json.dumps(body)
    assert '"answer"' in sent
    assert "response_format" not in sent
    assert "output_config" not in sent
    assert "outputConfig" not in sent


async def test_objects_grow_by_the_tool_as_well() -> None:
    """Its arguments come in pieces."""
    async with FakeProvider([CallTool("answer", OBJECT), End()]) as provider:
        async with Client(provider.target("anthropic", model="claude-3-5-haiku-latest")) as client:
            seen = [each async for each in client.stream("Hi", output=Trip).objects()]
    assert seen[-1] == TRIP


async def test_a_whole_answer_by_the_tool_is_text_as_well() -> None:
    """Without a stream."""
    async with FakeProvider([CallTool("answer", OBJECT), End()]) as provider:
        target = provider.target("anthropic", model="claude-3-5-haiku-latest", stream=False)
        async with Client(target) as client:
            transcript = await client.complete("Hi", output=Trip)
    assert (transcript.output, transcript.finish_reason) == (TRIP, "stop")


async def test_other_tools_may_be_called_instead() -> None:
    """Then some tool has to be called; a call of the caller's is one, and there is no object."""
    own = Tool(name="answer", parameters={"type": "object", "properties": {}})
    transcript, _, body = await asked("anthropic:claude-3-5-haiku-latest", CallTool("answer", {}), End(), tools=[own])
    assert [call.name for call in transcript.tool_calls] == ["answer"]
    assert (transcript.output, transcript.finish_reason) == (None, "tool_calls")
    assert [tool["name"] for tool in body["tools"]] == ["answer", "answer_"]
    assert body["tool_choice"] == {"type": "any"}


async def test_a_model_that_speaks_in_spite_of_the_tool_is_read() -> None:
    """Its text may be the object all the same."""
    transcript, _, _ = await asked("openai:gpt-4", Text(GOOD), End())
    assert transcript.output == TRIP


@pytest.mark.parametrize("name", [name for name in BY_JSON if "responses" not in name])
async def test_json_mode_has_the_schema_in_words(name: str) -> None:
    """The field asks for JSON, a system message for this JSON."""
    transcript, _, body = await asked(name, Text(f"```json\n{GOOD}\n```"), End())
    assert transcript.output == TRIP
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0] == {"role": "system", "content": in_words(Trip.model_json_schema())}


async def test_a_host_is_known_by_its_address() -> None:
    """OpenAI's dialect at DeepSeek's address has DeepSeek's way."""
    request = Request(messages=(Message(role="user", content="Hi"),), target=Target("openai:m"), output=SCHEMA)
    endpoint = _endpoint("https://api.deepseek.com")
    outgoing: Any = adapter_for("openai").encode(request, endpoint)
    assert json.loads(outgoing.body)["response_format"] == {"type": "json_object"}


def _endpoint(url: str) -> Any:
    from resilient_stream.contract import Endpoint

    return Endpoint(base_url=url, api_key="k")


async def test_words_stand_behind_the_callers_own_system_messages() -> None:
    """And the request has no schema any more."""
    messages = (Message(role="system", content="Be brief."), Message(role="user", content="Hi"))
    request = Request(messages=messages, target=Target("openai:m"), output=SCHEMA)
    made, answer = in_its_way(request, Capabilities(output_by="words"))
    assert (made.output, answer) == (None, "")
    assert [message.content for message in made.messages] == ["Be brief.", in_words(SCHEMA), "Hi"]


def test_a_tool_that_cannot_be_demanded_is_replaced_by_words() -> None:
    """A third party's adapter may say "tool" and not be able to force one."""
    request = Request(messages=(Message(role="user", content="Hi"),), target=Target("openai:m"), output=SCHEMA)
    made, answer = in_its_way(request, Capabilities(output_by="tool", forced_tools=False))
    assert (made.tools, answer) == ((), "")
    assert in_words(SCHEMA) in made.messages[0].text


@pytest.mark.parametrize("way", ["schema", "json"])
def test_what_an_adapter_writes_itself_is_left_alone(way: Any) -> None:
    """The same request, unless it cannot be asked for at all."""
    request = Request(messages=(Message(role="user", content="Hi"),), target=Target("openai:m"), output=SCHEMA)
    assert in_its_way(request, Capabilities(output_by=way))[0] is request
    assert in_its_way(request, Capabilities(output_by="tool", output=False))[0] is request


async def test_a_fallback_is_asked_in_its_own_way() -> None:
    """A schema at the first target, a tool at the second."""
    async with FakeProvider() as provider:
        from resilient_stream.testing import Status

        provider.play([Status(401)], [CallTool("answer", OBJECT), End()])
        targets = provider.target("openai", model="gpt-5-mini"), provider.target("anthropic", model="claude-3-5-haiku")
        async with Client(*targets) as client:
            transcript = await client.complete("Hi", output=Trip)
        first, second = (request.json for request in provider.requests)
    assert transcript.output == TRIP
    assert first["response_format"]["type"] == "json_schema"
    assert second["tool_choice"] == {"type": "tool", "name": "answer"}


async def test_a_recording_by_the_tool_plays_back_as_text(tmp_path: Any) -> None:
    """The recorded provider's way is the one that is read."""
    file = tmp_path / "trip.jsonl"
    async with FakeProvider([CallTool("answer", OBJECT), End()]) as provider:
        target = provider.target("anthropic", model="claude-3-5-haiku-latest")
        async with Client(target, record=file) as client:
            await client.complete("Hi", output=Trip)
    async with Client(Target(f"replay:{file}", speed=0)) as client:
        transcript = await client.complete("Hi", output=Trip)
    assert (transcript.output, transcript.finish_reason, transcript.tool_calls) == (TRIP, "stop", ())


class Scripted:
    """A decoder that gives these batches."""

    def __init__(self, *batches: list[Any]) -> None:
        self._batches = list(batches)
        self.done = True

    def feed(self, data: bytes) -> list[Any]:
        """The next one."""
        return self._batches.pop(0)

    def finish(self) -> list[Any]:
        """The last one."""
        return self._batches.pop(0)


def test_calls_become_text_one_by_one() -> None:
    """A call without pieces is text as a whole; a second answer is dropped; other calls stay calls."""
    from resilient_stream.fitting.answer_form import as_text

    mine, other = ToolCall(0, "a", "answer", '{"a": 1}', {"a": 1}), ToolCall(1, "b", "look", "{}", {})
    end = Finished("tool_calls", "tool_use")
    again = [ToolCallDelta(2, "c", "answer", "{"), ToolCall(2, "c", "answer", "{}", {})]
    decoder: Any = as_text(Scripted([mine, *again], [end]), "answer")  # type: ignore[type-var]
    assert decoder.feed(b"") == [TextDelta('{"a": 1}')]
    assert decoder.finish() == [Finished("stop", "tool_use")]
    assert decoder.done
    decoder = as_text(Scripted([mine, other], [end]), "answer")  # type: ignore[type-var]
    assert decoder.feed(b"") == [TextDelta('{"a": 1}'), other]
    assert decoder.finish() == [end]
    decoder = as_text(Scripted([ToolCall(0, "a", "answer", "", {})]), "answer")  # type: ignore[type-var]
    assert decoder.feed(b"") == [TextDelta("{}")]
    pieces = [ToolCallDelta(0, "a", "answer", '{"a"'), ToolCallDelta(0, "a", "", ": 1}"), mine]
    decoder = as_text(Scripted(pieces), "answer")  # type: ignore[type-var]
    assert decoder.feed(b"") == [TextDelta('{"a"'), TextDelta(": 1}")]
