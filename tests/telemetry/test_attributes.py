"""The pure parts: names of the conventions, places, token counts, the JSON of prompts and answers, what quotes what."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

from resilient_stream import Client, Finished, ReasoningDelta, TextDelta, ToolCall, Usage
from resilient_stream.contract import Request
from resilient_stream.events import FallbackType, Step
from resilient_stream.providers import facts_about, known_providers
from resilient_stream.telemetry import attributes, content
from resilient_stream.telemetry.logs import LEVELS, STEPS, WAYS
from resilient_stream.telemetry.words import quotes
from resilient_stream.transcript import Attempt, Outcome, Transcript


def test_providers_are_called_as_the_conventions_call_them() -> None:
    """A name that an adapter gives for telemetry is one of the conventions'; without one a provider keeps its own."""
    theirs = {value.value for value in gen_ai_attributes.GenAiProviderNameValues}
    newer = {"moonshot_ai"}  # in the conventions since they have a repository of their own
    given = {facts_about(name).telemetry_name for name in known_providers() if not name.endswith("-responses")}
    assert given - {""} <= theirs | newer
    ours = {attributes.provider_name(name) for name in known_providers()}
    assert {
        "openai",
        "anthropic",
        "cohere",
        "deepseek",
        "groq",
        "perplexity",
        "gcp.gemini",
        "mistral_ai",
        "x_ai",
    } <= ours
    assert attributes.provider_name("openrouter") == "openrouter"
    assert attributes.provider_name("nobody") == "nobody"


def test_a_host_has_one_name_whichever_of_its_apis_is_asked() -> None:
    """The Responses API of a host is counted with its chat completions."""
    for name in known_providers():
        if name.endswith("-responses"):
            assert attributes.provider_name(name) == attributes.provider_name(name.removesuffix("-responses"))


def test_the_names_are_the_conventions() -> None:
    """Each `gen_ai.*` attribute exists in the conventions that OpenTelemetry's package has."""
    theirs = {
        value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI") and isinstance(value, str)
    }
    newer = {"gen_ai.request.reasoning.level"}
    given = {"top_k": 1, "presence_penalty": 1, "frequency_penalty": 1, "top_p": 1, "temperature": 1, "seed": 1}
    request = request_of("hi", system="x", max_tokens=1, stop="x", reasoning="low", output={}, **given)
    transcript = Transcript()
    transcript._receive([TextDelta("a"), Usage(1, 2, 3, 4, 5), Finished("stop", "stop")])
    used = {
        *attributes.asked(request),
        *attributes.whole(transcript),
        *content.prompt(request),
        *content.reply(transcript),
    }
    assert {name for name in used if name.startswith("gen_ai.")} <= theirs | newer
    assert "gen_ai.request.choice.count" not in used  # they want it only where it is not 1


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("api.openai.com", ("api.openai.com", 443)),
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("::1", ("::1", 443)),
        ("", None),
    ],
)
def test_a_place_is_an_address_and_a_port(host: str, expected: tuple[str, int] | None) -> None:
    """Without a port it is that of HTTPS; a program has no place."""
    place = attributes.place(host)
    assert (place and (place["server.address"], place["server.port"])) == (expected or {})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("openai:gpt-5", (10, 5)),
        ("anthropic:claude-haiku-4-5", (17, 5)),
        ("bedrock:anthropic.claude-haiku-4-5", (17, 5)),
        ("gemini:gemini-2.5-flash", (10, 8)),
        ("vertex:gemini-2.5-flash", (10, 8)),
        ("vertex:claude-haiku-4-5", (17, 5)),
        ("vertex:publishers/anthropic/models/claude-haiku-4-5", (17, 5)),
        ("claude-code:default", (17, 5)),
        ("gemini-interactions:gemini-2.5-flash", (10, 8)),
        ("nobody:model", (10, 5)),
    ],
)
def test_tokens_are_made_whole_for_the_conventions(target: str, expected: tuple[int, int]) -> None:
    """Cached input and reasoning are in the totals, whoever left them out."""
    usage = Usage(10, 5, reasoning_tokens=3, cached_input_tokens=6, cache_write_tokens=1)
    assert attributes.tokens(target, usage) == expected
    assert attributes.tokens(target, Usage(certainty="unknown")) == (None, None)


def test_tokens_written_to_a_cache_have_both_of_their_names() -> None:
    """The conventions renamed them; who reads the old name goes on reading."""
    transcript = Transcript()
    usage = Usage(10, 5, cache_write_tokens=7, certainty="exact")
    transcript.attempts = [Attempt(target="anthropic:m", model="m", started=1.0, usage=usage)]
    said = attributes.whole(transcript)
    assert said["gen_ai.usage.cache_write.input_tokens"] == said["gen_ai.usage.cache_creation.input_tokens"] == 7


def test_the_tables_are_total() -> None:
    """Each outcome, way around and step has its row."""
    assert set(attributes.IS_ERROR) == set(LEVELS) == set(get_args(Outcome))
    assert set(WAYS) == set(get_args(FallbackType))
    assert set(STEPS) == set(get_args(Step))


def request_of(prompt: Any, **options: Any) -> Request:
    """As a client would make it."""
    return Client("openai:m").stream(prompt, **options)._call.request


def test_a_prompt_has_the_shape_of_the_conventions() -> None:
    """Roles with parts: text, tool calls and their answers, pictures without their data."""
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
            {"type": "image_url", "image_url": "https://example.com/a.png"},
        ]},
        {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": "{\"x\":1}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "developer", "content": "Be long."},
    ]  # fmt: skip
    said = content.prompt(request_of(messages, tools=[{"name": "look"}]))
    assert json.loads(said["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be short."}]
    assert json.loads(said["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [
            {"type": "text", "content": "What is this?"},
            {"type": "image", "mime_type": "image/png", "base64_characters": 4},
            {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
        ]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"x": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "a cat"}]},
        {"role": "system", "parts": [{"type": "text", "content": "Be long."}]},
    ]  # fmt: skip
    assert json.loads(said["gen_ai.tool.definitions"]) == [{"type": "function", "name": "look"}]


def test_an_answer_has_the_shape_of_the_conventions() -> None:
    """Reasoning, text and calls in one message, with why it ended; an unfinished one ends in error."""
    transcript = Transcript()
    call = ToolCall(0, "c1", "look", '{"x":1}', {"x": 1})
    transcript._receive([ReasoningDelta("Hm."), TextDelta("Hel"), TextDelta("lo"), call])
    message = {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "Hm."},
            {"type": "text", "content": "Hello"},
            {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"x": 1}},
        ],
    }
    assert json.loads(content.reply(transcript)["gen_ai.output.messages"]) == [{**message, "finish_reason": "error"}]
    transcript._receive([Finished("tool_calls", "tool_use")])
    assert json.loads(content.reply(transcript)["gen_ai.output.messages"]) == [
        {**message, "finish_reason": "tool_call"}
    ]
    assert content.reply(Transcript()) == {}


LONG = "The quick brown fox jumps over the lazy dog, and then it rests."


@pytest.mark.parametrize(
    ("line", "said", "found"),
    [
        (f"Invalid input: {LONG}", LONG, True),
        ("Invalid input: 'fox jumps over the lazy dog'", LONG, True),
        ("Unknown parameter: 'quick'", LONG, False),
        ("Bad value 'my pass'", "my pass", True),
        ("This is not hi", "hi", False),
        ("It says:   The quick\n brown fox jumps over", LONG, True),
        ("", LONG, False),
    ],
)
def test_a_quotation_is_found(line: str, said: str, found: bool) -> None:
    """A run of what was said, however it is placed; not a single word of it."""
    assert quotes(line, said) is found


def test_every_run_of_23_characters_is_found() -> None:
    """The promise of `quotes`, at every place of the text."""
    runs = [LONG[at : at + 23] for at in range(len(LONG) - 22)]
    assert all(quotes(f"x {run} y", LONG) for run in runs)


@pytest.mark.parametrize(
    ("asked", "answered", "label"),
    [
        ("gpt-5-mini", "gpt-5-mini", "gpt-5-mini"),
        ("gpt-5-mini", "gpt-5-mini-2025-08-07", "gpt-5-mini-2025-08-07"),
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
        ("mistral-large-latest", "mistral-large-2411", "mistral-large-2411"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
        ("gemini-2.5-flash", "models/gemini-2.5-flash-001", "models/gemini-2.5-flash-001"),
        ("gemini-2.5-flash", "gemini-2.5-pro", "other"),
        ("gpt-5-mini", "gpt-5-mini-evil-1", "other"),
        ("m", "x" * 100_000, "other"),
        ("m", None, None),
    ],
)
def test_a_servers_model_is_a_label_only_where_it_is_the_asked_one(
    asked: str, answered: str | None, label: str | None
) -> None:
    """A date, a version, an organisation may differ; any other name is "other"."""
    assert attributes.model_label(asked, answered) == label
