"""Requests of chat completions: nothing that they ask is lost, and what cannot be served is refused by its field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import Client, Target
from resilient_stream.integrations.openai import (
    CHAT_FIELDS,
    RESPONSES_FIELDS,
    Refused,
    for_targets,
    read_chat,
    read_request,
    refusal_of,
)
from resilient_stream.integrations.openai.fields import IN_BOTH
from resilient_stream.messages import FilePart, ImagePart, Tool
from resilient_stream.options import StreamOptions

ASK = [{"role": "user", "content": "Hi"}]


def body(**fields: Any) -> bytes:
    """The body of a request with these fields beside a model and a question."""
    return json.dumps({"model": "m", "messages": ASK, **fields}).encode()


def options(**fields: Any) -> dict[str, Any]:
    """The options that these fields of a request mean."""
    return dict(read_request(body(**fields))[1])


def test_what_it_returns_can_be_streamed() -> None:
    """The two values are what `client.stream` takes."""
    messages, found = read_request(body(temperature=0.5, max_completion_tokens=9, stop=["x"], reasoning_effort="low"))
    stream = Client("openai:m").stream(messages, **found)
    request = stream._call.request
    assert (request.temperature, request.max_tokens, request.stop, request.reasoning) == (0.5, 9, ("x",), "low")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"user": "u"}, {"user": "u"}),
        ({"safety_identifier": "u"}, {"user": "u"}),
        ({"seed": 7, "top_p": 0.5}, {"seed": 7, "top_p": 0.5}),
        ({"presence_penalty": 0.0, "frequency_penalty": 0}, {}),
        ({"presence_penalty": 1}, {"presence_penalty": 1}),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tool_choice": "f"}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"output": {"type": "object"}}),
        ({"n": 1, "store": False, "parallel_tool_calls": True, "logprobs": False, "modalities": ["text"]}, {}),
        ({"temperature": None, "tools": None, "metadata": None, "stop": None}, {}),
        ({"tools": [], "logit_bias": {}, "service_tier": "auto"}, {}),
    ],
)
def test_a_field_becomes_an_option(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is an option here is given as one; what changes nothing is left out."""
    assert options(**fields) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"logprobs": True, "top_logprobs": 3},
        {"logit_bias": {"1": -100}},
        {"parallel_tool_calls": False},
        {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}},
        {"guided_regex": "a+"},
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
        {"response_format": {"type": "grammar", "grammar": "…"}},
    ],
)
def test_a_field_of_openais_alone_is_sent_on(fields: dict[str, Any]) -> None:
    """It is in `extra` as it came, known or not."""
    assert options(**fields) == {"extra": fields}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0]"),
        ({"tools": {"a": 1}}, "tools"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"stream_options": {"include_usage": True, "other": 1}}, "stream_options.other"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
            "response_format.json_schema.schema",
        ),
        ({"messages": []}, None),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "assistant", "content": "x", "audio": {"id": "a"}}]}, "messages[0].audio"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
        ({"model": None}, "model"),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_field(fields: dict[str, Any], param: str | None) -> None:
    """It is OpenAI's own error object, a 400, and names the field."""
    with pytest.raises(Refused) as caught:
        read_chat(body(**fields))
    answer = refusal_of(caught.value)
    error = json.loads(answer.body)["error"]
    assert (answer.status, answer.headers["x-should-retry"]) == (400, "false")
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'"x"', b"\xff", b"[" * 100_000, b'{"a":NaN}'])
def test_a_body_that_is_no_object_is_refused(data: bytes) -> None:
    """Whatever came is answered with a 400."""
    with pytest.raises(Refused, match=r"JSON|request"):
        read_request(data)


def test_a_body_is_bounded() -> None:
    """A longer one is refused with a 413 before it is read."""
    with pytest.raises(Refused) as caught:
        read_chat(body(), limit=10)
    assert caught.value.status == 413


def test_messages_are_read_in_all_their_forms() -> None:
    """Pictures, sound, files, calls, results, refusals, names and developers arrive as messages of ours."""
    given = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": [
            {"type": "text", "text": "Look."},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "user", "content": "Why?"},
    ]  # fmt: skip
    messages, _ = read_request(body(messages=given))
    assert [message.role for message in messages] == ["developer", "user", "assistant", "tool", "assistant", "user"]
    assert messages[1].name == "ann"
    assert [type(part) for part in messages[1].parts[1:]] == [ImagePart, FilePart, FilePart]
    assert (messages[2].tool_calls[0].name, messages[3].tool_call_id, messages[4].text) == ("f", "c1", "No.")


def test_a_call_without_its_result_is_refused() -> None:
    """No provider takes such a conversation, so it is said before anything is sent."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    with pytest.raises(Refused, match="c1"):
        read_chat(body(messages=[*ASK, {"role": "assistant", "tool_calls": [call]}, *ASK]))


def test_tools_are_functions_or_run_at_a_provider() -> None:
    """A function is read as one; a tool in a provider's own words stays as it is."""
    function = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
    found = options(tools=[function, {"type": "web_search_20260209"}])["tools"]
    assert found == [Tool(name="f", parameters={"type": "object"}, strict=True), {"type": "web_search_20260209"}]


def test_the_schema_of_the_answer_keeps_its_name() -> None:
    """A complaint about the answer can then name it."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    made = options(response_format={"type": "json_schema", "json_schema": {"name": "pet", "schema": schema}})
    assert made == {"output": {"title": "pet", **schema}}


def test_how_the_answer_is_written_is_told_apart() -> None:
    """It is not among the options of a call."""
    asked = read_chat(body(stream=True, stream_options={"include_usage": True}))
    assert (asked.model, asked.stream, asked.include_usage, asked.options) == ("m", True, True, {})


def test_a_field_of_one_api_goes_only_to_targets_with_that_api() -> None:
    """Others would refuse the field, or answer without it."""
    targets = [
        Target(name) for name in ("anthropic:a", "openai:o", "groq:g", "openai-responses:r", "azure:z", "gemini:g")
    ]
    asked = for_targets(read_chat(body(logprobs=True)), targets, "chat")
    assert [target.name for target in asked.options["to"]] == ["openai:o", "groq:g", "azure:z"]  # type: ignore[union-attr]
    assert for_targets(read_chat(body()), targets, "chat").options["to"] == targets
    with pytest.raises(Refused, match="none of the targets has such a field: anthropic:a") as caught:
        for_targets(read_chat(body(logprobs=True)), targets[:1], "chat")
    assert caught.value.param == "logprobs"


def test_a_hint_does_not_take_a_target_away(caplog: pytest.LogCaptureFixture) -> None:
    """It is sent to OpenAI, whose own it is. The answer of another target is still the one that was asked for, and
    that it was asked without it is logged."""
    targets = [Target("openai:hint"), Target("anthropic:hint"), Target("groq:g"), Target("openai-responses:r")]
    asked = read_chat(body(store=True, metadata={"a": "b"}))
    wanted, shared = {"store": True, "metadata": {"a": "b"}}, {"metadata": {"a": "b"}}
    extra = {"openai:": wanted, "azure:": wanted, "openai-responses:": shared, "azure-responses:": shared}
    assert asked.options == {"extra": extra}
    assert for_targets(asked, targets, "chat").options == {"extra": extra, "to": targets}
    assert for_targets(asked, targets[1:2], "chat").options["to"] == targets[1:2]
    assert any("anthropic:hint" in line and "store" in line for line in caplog.messages)
    both = for_targets(read_chat(body(store=True, logprobs=True)), targets, "chat")
    assert both.options["to"] == [targets[0], targets[2]]


def test_a_field_of_both_apis_goes_to_targets_of_both() -> None:
    """It means the same in each."""
    targets = [Target("openai:o"), Target("anthropic:a"), Target("openai-responses:r")]
    found = for_targets(read_chat(body(parallel_tool_calls=False)), targets, "chat")
    assert found.options["to"] == [targets[0], targets[2]]
    assert CHAT_FIELDS.keys() & RESPONSES_FIELDS.keys() >= IN_BOTH
    assert {name for name in IN_BOTH if CHAT_FIELDS[name].fate != RESPONSES_FIELDS[name].fate} == set()


def test_every_field_of_the_sdk_has_a_row() -> None:
    """A new field of the API is decided on here, not passed because nobody looked."""
    pytest.importorskip("openai")
    from openai.types.chat import completion_create_params as params

    known = {
        *params.CompletionCreateParamsBase.__annotations__,
        *params.CompletionCreateParamsStreaming.__annotations__,
    }
    assert known - CHAT_FIELDS.keys() == set()


def test_rows_name_options_that_exist() -> None:
    """Each option that a row is read as is one of `Client.stream`."""
    every = {
        "temperature": 1, "top_p": 1, "presence_penalty": 1, "frequency_penalty": 1, "max_tokens": 1, "stop": "x",
        "seed": 1, "reasoning_effort": "low", "user": "u", "tool_choice": "auto",
        "tools": [{"type": "function", "function": {"name": "f"}}], "response_format": {"type": "json_object"},
    }  # fmt: skip
    assert options(**every).keys() <= StreamOptions.__annotations__.keys()
