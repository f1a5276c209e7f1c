"""Requests of the Responses API: items become messages, fields become options, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import Client, Target
from resilient_stream.integrations.openai import RESPONSES_FIELDS, Refused, for_targets, read_responses
from resilient_stream.integrations.openai.sealed import reasoning_of, sealed
from resilient_stream.messages import (
    FilePart,
    FunctionCall,
    ImagePart,
    Message,
    OpaquePart,
    ReasoningPart,
    TextPart,
    Tool,
)


def body(**fields: Any) -> bytes:
    """The body of a request with these fields beside a model and a question."""
    return json.dumps({"model": "m", "input": "Hi", **fields}).encode()


def options(**fields: Any) -> dict[str, Any]:
    """The options that these fields of a request mean."""
    return dict(read_responses(body(**fields)).options)


def messages(*items: dict[str, Any]) -> tuple[Message, ...]:
    """The messages that these items mean."""
    return read_responses(body(input=list(items))).messages


def test_what_it_returns_can_be_streamed() -> None:
    """Messages and options are what `client.stream` takes."""
    asked = read_responses(
        body(instructions="Be brief.", max_output_tokens=9, reasoning={"effort": "low"}, stream=True)
    )
    request = Client("openai:m").stream(asked.messages, **asked.options)._call.request
    assert [message.text for message in request.messages] == ["Be brief.", "Hi"]
    assert (request.max_tokens, request.reasoning, asked.stream, asked.model) == (9, "low", True, "m")


def test_messages_are_read_in_all_their_forms() -> None:
    """Texts, pictures and files, of anybody."""
    made = messages(
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "Look."},
            {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
        ]},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [
            {"type": "output_text", "text": "I see.", "annotations": [{"type": "url_citation"}], "logprobs": []},
            {"type": "refusal", "refusal": "No."},
        ]},
        {"role": "user", "content": "Why?"},
    )  # fmt: skip
    assert [message.role for message in made] == ["developer", "user", "assistant", "user"]
    assert [type(part) for part in made[1].parts] == [TextPart, ImagePart, FilePart]
    assert made[2].text == "I see.No."


def test_what_the_model_made_in_a_row_is_one_turn() -> None:
    """Reasoning, text and calls stay in their order, and results come behind them."""
    made = messages(
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}", "status": "completed"},
        {"role": "assistant", "content": "And:"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "43"}]},
    )
    assert [message.role for message in made] == ["user", "assistant", "tool", "tool"]
    kinds = [block.name if isinstance(block, FunctionCall) else block.type for block in made[1].blocks]
    assert kinds == ["reasoning", "text", "f", "text", "g"]
    assert [(message.tool_call_id, message.text) for message in made[2:]] == [("c1", "42"), ("c2", "43")]


def test_a_proof_of_reasoning_comes_back_to_who_gave_it() -> None:
    """It travels in `encrypted_content`; what OpenAI sealed itself is OpenAI's."""
    own = {"type": "reasoning", "summary": [], "encrypted_content": sealed("anthropic:claude", "sig", None)}
    assert reasoning_of(own) == ReasoningPart(signature="sig", signed_by="anthropic:claude")
    foreign = reasoning_of({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"})
    assert foreign.signed_by == "openai-responses:"
    assert json.loads(foreign.signature or "") == {"id": "rs_1", "encrypted_content": "gAAA"}
    forged = reasoning_of({"type": "reasoning", "summary": [], "encrypted_content": "resilient-stream:!!"})
    assert forged == ReasoningPart()


def test_an_item_of_openais_own_goes_back_to_openai() -> None:
    """A search in an answer, and the output of a tool that the client ran."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    output = {"type": "computer_call_output", "call_id": "c", "output": {}}
    made = messages({"role": "user", "content": "Hi"}, search, output)
    assert [(message.role, message.content) for message in made[1:]] == [
        ("assistant", (OpaquePart(provider="openai-responses", data=search),)),
        ("user", (OpaquePart(provider="openai-responses", data=output),)),
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"user": "u", "temperature": 0.5, "top_p": 0.9}, {"user": "u", "temperature": 0.5, "top_p": 0.9}),
        ({"reasoning": {"effort": "high", "summary": "auto"}}, {"reasoning": "high"}),
        ({"reasoning": {"effort": None}}, {}),
        ({"text": {"format": {"type": "text"}}}, {}),
        ({"text": {"format": {"type": "json_object"}}}, {"output": {"type": "object"}}),
        ({"tool_choice": "none"}, {"tool_choice": "none"}),
        ({"tool_choice": {"type": "function", "name": "f"}}, {"tool_choice": "f"}),
        ({"include": ["reasoning.encrypted_content"]}, {}),
        ({"store": True, "stream_options": {"include_obfuscation": False}, "truncation": "disabled"}, {}),
        ({"background": False, "parallel_tool_calls": True, "previous_response_id": None}, {}),
        ({"include": ["message.output_text.logprobs"]}, {"extra": {"top_logprobs": 0}}),
    ],
)
def test_a_field_becomes_an_option(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is an option here is given as one; what changes nothing is left out."""
    assert options(**fields) == expected


@pytest.mark.parametrize(
    ("fields", "is_hint"),
    [
        ({"metadata": {"a": "b"}}, True),
        ({"text": {"verbosity": "low"}}, True),
        ({"reasoning": {"mode": "deep"}}, True),
        ({"max_tool_calls": 3}, False),
        ({"truncation": "auto"}, False),
        ({"tool_choice": {"type": "web_search"}}, False),
        ({"some_new_field": 1}, False),
    ],
)
def test_a_field_of_openais_alone_is_sent_on(fields: dict[str, Any], is_hint: bool) -> None:
    """Others are asked without it where their answer is still the one that was asked for, and else not at all."""
    asked = read_responses(body(**fields))
    extra = asked.options["extra"]
    assert extra is not None
    assert (extra["openai-responses:"] if is_hint else extra) == fields
    targets = [Target("openai-responses:r"), Target("openai:o"), Target("anthropic:a")]
    found = for_targets(asked, targets, "responses").options
    assert found["to"] == (targets if is_hint else targets[:1])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "c"}, "conversation"),
        ({"background": True}, "background"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input.content[0].type"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input"),
        ({"tools": [{"type": "custom", "name": "c"}]}, "tools[0]"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"stream_options": {"x": 1}}, "stream_options.x"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_field(fields: dict[str, Any], param: str) -> None:
    """Nothing is asked then."""
    with pytest.raises(Refused) as caught:
        read_responses(body(**fields))
    assert caught.value.param == param


def test_tools_are_functions_or_run_at_a_provider() -> None:
    """In the API's flat form."""
    function = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
    found = options(tools=[function, {"type": "web_search"}])["tools"]
    assert found == [Tool(name="f", parameters={"type": "object"}, strict=False), {"type": "web_search"}]


def test_every_field_of_the_sdk_has_a_row() -> None:
    """A new field of the API is decided on here, not passed because nobody looked."""
    pytest.importorskip("openai")
    from openai.types.responses import response_create_params as params

    known = {*params.ResponseCreateParamsBase.__annotations__, *params.ResponseCreateParamsStreaming.__annotations__}
    assert known - RESPONSES_FIELDS.keys() == set()
