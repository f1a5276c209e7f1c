"""Requests of the Messages API: what each field and each block becomes, and that nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream.contract import Request
from resilient_stream.fitting.own_fields import for_its_provider
from resilient_stream.integrations.anthropic import FIELDS, Refused, read_message_request, read_request
from resilient_stream.integrations.anthropic.proofs import Proof, unwrapped, wrapped
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
from resilient_stream.providers.anthropic.request import encode_body
from resilient_stream.target import Target

PNG = "iVBORw0KGgoAAAANSUhEUg=="
HI = [{"role": "user", "content": "Hi"}]


def body(**fields: Any) -> bytes:
    """A request with these fields."""
    return json.dumps({"model": "claude", "max_tokens": 100, "messages": HI, **fields}).encode()


def messages(*given: Any, **fields: Any) -> tuple[Message, ...]:
    """The messages that are read from these."""
    return read_request(body(messages=list(given), **fields))[0]


def options(**fields: Any) -> dict[str, Any]:
    """The options that are read from these fields, without `max_tokens`, which every request has."""
    made: dict[str, Any] = dict(read_request(body(**fields))[1])
    assert made.pop("max_tokens") == 100
    return made


def user(*blocks: Any) -> dict[str, Any]:
    """A user's turn."""
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    """A turn of the model's."""
    return {"role": "assistant", "content": list(blocks)}


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "look", "description": "Looks.", "input_schema": SCHEMA}
OWN = {"type": "web_search_20260209", "name": "web_search", "max_uses": 3}
BASH = {"type": "bash_20250124", "name": "bash"}
LOOK = Tool(name="look", description="Looks.", parameters=SCHEMA)

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "stop_sequences": (["END"], {"stop": ["END"]}),
    "temperature": (0.5, {"temperature": 0.5}),
    "top_k": (5, {"top_k": 5}),
    "top_p": (0.5, {"top_p": 0.5}),
    "tools": ([FUNCTION, OWN], {"tools": [LOOK, OWN]}),
    "tool_choice": ({"type": "any"}, {"tool_choice": "required"}),
    "thinking": ({"type": "enabled", "budget_tokens": 2048}, {"reasoning": 2048}),
    "output_config": ({"format": {"type": "json_schema", "schema": SCHEMA}}, {"output": SCHEMA}),
    "output_format": ({"type": "json_schema", "schema": SCHEMA}, {"output": SCHEMA}),
    "metadata": ({"user_id": "u-1"}, {"user": "u-1"}),
    "cache_control": ({"type": "ephemeral"}, {"extra": {"anthropic:": {"cache_control": {"type": "ephemeral"}}}}),
    "service_tier": ("standard_only", {"extra": {"anthropic:": {"service_tier": "standard_only"}}}),
    "container": ("c_1", {"extra": {"anthropic!": {"container": "c_1"}}}),
    "new_field": ({"a": 1}, {"extra": {"anthropic!": {"new_field": {"a": 1}}}}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_field_becomes_an_option_or_goes_to_anthropic(name: str) -> None:
    """No field is dropped: it is an option, a hint for Anthropic, or sent there and nowhere else."""
    given, made = CASES[name]
    assert options(**{name: given}) == made


@pytest.mark.parametrize("name", [name for name, row in FIELDS.items() if row.fate in ("hint", "passed")])
def test_each_field_that_is_sent_on_is_sent_as_it_is(name: str) -> None:
    """Those that others are asked without stand under `anthropic:`, the others under `anthropic!`."""
    mark = {"hint": "anthropic:", "passed": "anthropic!"}[FIELDS[name].fate]
    assert options(**{name: {"some": "value"}}) == {"extra": {mark: {name: {"some": "value"}}}}


def test_each_option_has_a_reader() -> None:
    """A row that promises an option has something that makes it."""
    assert all(row.read is not None for row in FIELDS.values() if row.fate == "option")


@pytest.mark.parametrize(
    ("fields", "made"),
    [
        ({"tool_choice": {"type": "tool", "name": "look"}}, {"tool_choice": {"name": "look"}}),
        (
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            {
                "tool_choice": "auto",
                "extra": {"anthropic!": {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}},
            },
        ),
        ({"thinking": {"type": "disabled"}}, {"reasoning": "none"}),
        ({"thinking": {"type": "adaptive"}}, {"reasoning": "high"}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, {"reasoning": "low"}),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}},
            {"reasoning": "high", "extra": {"anthropic:": {"thinking": {"type": "adaptive", "display": "omitted"}}}},
        ),
        ({"output_config": {"effort": "low"}}, {"extra": {"anthropic:": {"output_config": {"effort": "low"}}}}),
        (
            {"thinking": {"type": "between_tools"}},
            {"extra": {"anthropic!": {"thinking": {"type": "between_tools"}}}},
        ),
        (
            {"tools": [{**FUNCTION, "defer_loading": True}]},
            {"tools": [LOOK], "extra": {"anthropic:": {"tools": [{**FUNCTION, "defer_loading": True}]}}},
        ),
        ({"tools": [], "metadata": {}, "stop_sequences": [], "service_tier": "auto", "container": None}, {}),
        ({"tools": [BASH]}, {"tools": [BASH]}),
    ],
)  # fmt: skip
def test_values_that_mean_more_than_one_thing(fields: dict[str, Any], made: dict[str, Any]) -> None:
    """What a value asks for beside an option of ours is sent to Anthropic as well."""
    assert options(**fields) == made


def test_the_headers_that_ask_for_something_go_along() -> None:
    """Features that a client announces are announced to the provider, and no key is."""
    given = {"Anthropic-Beta": "a,b", "X-Api-Key": "secret", "anthropic-version": "2023-06-01"}
    assert read_request(body(), given)[1].get("headers") == {"anthropic-beta": "a,b"}
    assert "headers" not in read_request(body())[1]


def test_how_the_answer_is_wanted_is_told() -> None:
    """The model and the form of the answer are for whoever serves the request."""
    asked = read_message_request(body(stream=True, model="claude-opus-5"))
    assert (asked.model, asked.stream, read_message_request(body()).stream) == ("claude-opus-5", True, False)


# -- content ------------------------------------------------------------------------------------


def test_texts_pictures_and_documents_are_parts() -> None:
    """Each with its mark for the cache, and a document with its title."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    document = {
        "type": "document", "title": "a.txt", "citations": {"enabled": True}, "cache_control": {"type": "ephemeral"},
        "source": {"type": "text", "media_type": "text/plain", "data": "Words."},
    }  # fmt: skip
    (message,) = messages(user({"type": "text", "text": "Look"}, image, document))
    text, picture, file = message.parts
    assert text == TextPart(text="Look")
    assert picture == ImagePart(url=f"data:image/png;base64,{PNG}")
    assert isinstance(file, FilePart)
    assert (file.plain_text, file.name, file.citations, file.cache) == ("Words.", "a.txt", True, True)


def test_the_system_prompt_stands_in_front() -> None:
    """As a text, or as blocks with marks; one among the messages stays where it is."""
    marked = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    made = messages({"role": "user", "content": "Hi"}, {"role": "system", "content": "Now."}, system=[marked])
    assert [message.role for message in made] == ["system", "user", "system"]
    assert made[0].parts == (TextPart(text="Be brief.", cache="1h"),)
    assert messages(*HI, system="Be brief.")[0] == Message(role="system", content="Be brief.")


def test_a_tool_loop_is_calls_and_results() -> None:
    """Each result is a message behind the call, with its parts and whether the tool failed; what else the user says
    follows."""
    call = {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}, "caller": {"type": "direct"}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    result = {"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": [image]}
    made = messages(*HI, assistant(call, {"type": "text", "text": "…"}), user(result, {"type": "text", "text": "So?"}))
    assert made[1].tool_calls == (FunctionCall(id="t1", name="look", arguments='{"at": 1}', place=0),)
    assert made[2] == Message(role="tool", tool_call_id="t1", content=made[2].parts, is_error=True)
    assert made[2].parts == (ImagePart(url=f"data:image/png;base64,{PNG}"),)
    assert made[3].text == "So?"


def test_thoughts_with_anthropics_signature_are_claudes() -> None:
    """Signed and hidden ones go back to Claude; one without a signature proves nothing, and is left out."""
    made = messages(
        *HI,
        assistant(
            {"type": "thinking", "thinking": "Hm.", "signature": "S"},
            {"type": "redacted_thinking", "data": "R"},
            {"type": "thinking", "thinking": "Unsigned.", "signature": ""},
            {"type": "text", "text": "Yes."},
        ),
        *HI,
    )
    assert made[1].parts == (
        ReasoningPart(text="Hm.", signature="S", signed_by="anthropic:claude"),
        ReasoningPart(redacted="R", signed_by="anthropic:claude"),
        TextPart(text="Yes."),
    )


def test_what_a_proof_of_ours_carries_is_read_from_it() -> None:
    """Thoughts and calls of other vendors come back with their own proofs, and with who made them."""
    thought = wrapped(Proof("deepseek:r1"))
    call = wrapped(Proof("gemini:pro", "G", call="t1"))
    made = messages(
        *HI,
        assistant(
            {"type": "thinking", "thinking": "Hm.", "signature": thought},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {}},
            {"type": "redacted_thinking", "data": call},
            {"type": "redacted_thinking", "data": wrapped(Proof("openai:gpt", redacted="E"))},
        ),
        user({"type": "tool_result", "tool_use_id": "t1", "content": "ok"}),
    )
    assert made[1].parts == (
        ReasoningPart(text="Hm.", signed_by="deepseek:r1"),
        ReasoningPart(redacted="E", signed_by="openai:gpt"),
    )
    assert [(each.signature, each.signed_by) for each in made[1].tool_calls] == [("G", "gemini:pro")]


@pytest.mark.parametrize("text", ["resilient-stream.!!", "resilient-stream.eyJhIjoxfQ==", "resilient-stream.e30="])
def test_a_broken_proof_is_nobodys(text: str) -> None:
    """It is not taken for a signature of Anthropic's, and what it stands for is left out."""
    assert unwrapped(text) == Proof("")
    made = messages(
        *HI, assistant({"type": "thinking", "thinking": "Hm.", "signature": text}, {"type": "text", "text": "A"})
    )
    assert made[1].parts == (TextPart(text="A"),)


SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]}


def test_blocks_that_only_anthropic_understands_go_back_as_they_came() -> None:
    """What its tools did in an earlier answer is no reason not to ask another provider."""
    made, asked = read_request(body(messages=[*HI, assistant(SEARCH, FOUND, {"type": "text", "text": "A"}), *HI]))
    assert made[1].parts[:2] == (
        OpaquePart(provider="anthropic", data=SEARCH),
        OpaquePart(provider="anthropic", data=FOUND),
    )
    assert "extra" not in asked


@pytest.mark.parametrize(
    "block",
    [
        {"type": "search_result", "source": "u", "title": "t", "content": [{"type": "text", "text": "w"}]},
        {"type": "container_upload", "file_id": "f"},
        {"type": "block_of_tomorrow", "data": 1},
        {"type": "document", "context": "From 1990.", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "content", "content": "w"}},
    ],
)  # fmt: skip
def test_what_only_anthropic_can_be_asked_about_goes_nowhere_else(block: dict[str, Any]) -> None:
    """Another provider would answer without having seen it."""
    made, asked = read_request(body(messages=[user(block, {"type": "text", "text": "So?"})]))
    assert made[0].parts[0] == OpaquePart(provider="anthropic", data=block)
    assert asked.get("extra") == {"anthropic!": {}}


def test_what_only_anthropic_reads_in_a_result_goes_nowhere_else() -> None:
    """Search results of a client's own tool."""
    found = {"type": "search_result", "source": "u", "title": "t", "content": [{"type": "text", "text": "w"}]}
    call = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [found]}
    made, asked = read_request(body(messages=[*HI, assistant(call), user(result)]))
    assert made[2].parts == (OpaquePart(provider="anthropic", data=found),)
    assert asked.get("extra") == {"anthropic!": {}}


def test_another_providers_source_is_not_sent_to_anthropic() -> None:
    """Its index would be refused; a citation of Anthropic's own goes back."""
    own = {"type": "web_search_result_location", "url": "u", "encrypted_index": "E"}
    foreign = {**own, "encrypted_index": ""}
    made = messages(*HI, assistant({"type": "text", "text": "A", "citations": [foreign, own]}), *HI)
    assert made[1].parts == (TextPart(text="A", citations=(own,), cited_by="anthropic"),)


def test_a_request_comes_out_for_anthropic_as_it_went_in() -> None:
    """Blocks, tools and fields of a long conversation arrive at an Anthropic target unchanged."""
    turns = [
        user({"type": "text", "text": "Look.", "cache_control": {"type": "ephemeral"}}),
        assistant(
            {"type": "thinking", "thinking": "Hm.", "signature": "S"}, SEARCH, FOUND,
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"city": "Oslo"},
             "caller": {"type": "code_execution_20250825", "tool_id": "x"}},
        ),
        user({"type": "tool_result", "tool_use_id": "t1", "is_error": True, "content": [
            {"type": "text", "text": "Fog."},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        ]}),
    ]  # fmt: skip
    made, asked = read_request(body(messages=turns, tools=[FUNCTION, OWN], container="c_1", system="Be brief."))
    request = Request(
        messages=made, target=Target("anthropic:claude-opus-4-5"), tools=(LOOK,), hosted=(OWN,),
        extra=asked.get("extra") or {},
    )  # fmt: skip
    sent = encode_body(request)
    assert sent["messages"] == turns
    assert sent["system"] == "Be brief."
    assert [tool["name"] for tool in sent["tools"]] == ["look", "web_search"]
    assert for_its_provider(request).extra == {"container": "c_1"}


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"max_tokens": None}, "max_tokens: a request needs this field"),
        ({"model": 3}, "model: a request needs this field"),
        ({"messages": "Hi"}, "messages: a request needs this field"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, r"messages\[0\].role: give one of"),
        ({"messages": [{"role": "user", "content": 3}]}, r"messages\[0\].content: give a text"),
        ({"messages": [{"role": "user", "content": "Hi", "name": "x"}]}, r"messages\[0\].name: not a known field"),
        ({"messages": [user({"text": "no type"})]}, r"messages\[0\].content\[0\].type"),
        ({"messages": [user({"type": "text", "text": "Hi", "colour": "red"})]}, "colour: not a known field"),
        ({"messages": [user({"type": "tool_result", "tool_use_id": "t", "content": "x"})]}, "t"),
        ({"messages": [user({"type": "tool_result", "tool_use_id": "t", "colour": 1})]}, "colour: not a known field"),
        ({"tools": [{"name": "look"}]}, r"tools\[0\].input_schema"),
        ({"tools": [{**FUNCTION, "colour": "red"}]}, r"tools\[0\].colour: not a known field"),
        ({"tools": "look"}, "tools: give a list"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice.type: give one of"),
        ({"tool_choice": {"type": "auto", "colour": 1}}, "tool_choice.colour: not a known field"),
        ({"metadata": {"trace": "x"}}, "metadata.trace: not a known field"),
        ({"output_config": {"format": {"type": "grammar"}}}, "known is json_schema"),
        ({"new": json.loads('{"a":' * 300 + "1" + "}" * 300)}, "more than 200 levels"),
        ({"system": [{"type": "image"}]}, "system: its blocks are of type text"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(fields: dict[str, Any], said: str) -> None:
    """A client's mistake is told with its place, and nothing is left out in silence."""
    with pytest.raises(Refused, match=said):
        read_request(body(**fields))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"a":' * 3000])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    """Whatever a client sends, the reply is an error in words."""
    with pytest.raises(Refused):
        read_request(data)
