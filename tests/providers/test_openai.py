"""OpenAI's dialect in both directions: what is sent, and the many ways in which chunks arrive."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import Finished, Message, ReasoningDelta, Target, TextDelta, Tool, ToolCall, Usage
from resilient_stream.contract import Decoder, Endpoint, Request
from resilient_stream.messages import FunctionCall, ImagePart, ReasoningPart, TextPart, to_messages
from resilient_stream.providers import adapter_for
from resilient_stream.providers.openai.chat_stream import FAILED_REASONS, FINISH_REASONS, chat_decoder
from resilient_stream.providers.openai.hosts import HOSTS

ENDPOINT = Endpoint(base_url="https://example.test/v1", api_key="secret", headers={"X-Team": "a"})
WEATHER = Tool(name="weather", description="The weather.", parameters={"type": "object", "properties": {}})


def encode(provider: str = "openai", **fields: Any) -> dict[str, Any]:
    """The body that a request becomes."""
    fields.setdefault("messages", (Message(role="user", content="hi"),))
    request = Request(**{"target": Target(f"{provider}:m"), **fields})
    body: dict[str, Any] = json.loads(adapter_for(provider).encode(request, ENDPOINT).body)
    return body


def test_the_request_line_and_headers() -> None:
    """The key goes into one header, the target's own headers come last, and no repr shows a key."""
    request = Request(target=Target("openai:m"), messages=(Message(role="user", content="hi"),))
    sent = adapter_for("openai").encode(request, ENDPOINT)
    assert sent.url == "https://example.test/v1/chat/completions"
    assert sent.headers["Authorization"] == "Bearer secret"
    assert sent.headers["X-Team"] == "a"
    assert "secret" not in repr(sent) + repr(ENDPOINT)


def test_a_plain_request_is_small() -> None:
    """What is not asked for is not sent; streaming and usage always are."""
    assert encode() == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_every_option_has_its_field() -> None:
    """Sampling, stops, seed, tools, choice, schema and reasoning, under OpenAI's names."""
    body = encode(
        max_tokens=9, temperature=0.5, top_p=0.9, stop=("a", "b"), seed=7, reasoning="low",
        tools=(WEATHER,), tool_choice="weather", output={"type": "object"}, extra={"seed": 8, "logprobs": True},
    )  # fmt: skip
    assert body["max_completion_tokens"] == 9
    assert (body["temperature"], body["top_p"], body["stop"]) == (0.5, 0.9, ["a", "b"])
    assert body["reasoning_effort"] == "low"
    assert body["tools"][0]["function"]["name"] == "weather"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (body["seed"], body["logprobs"]) == (8, True)  # extra is merged last


def test_a_conversation_with_tools_and_images() -> None:
    """All roles and parts; reasoning of earlier turns is not sent to a dialect that has no place for it."""
    image = ImagePart(url="data:image/png;base64,AAAA", detail="low")
    messages = (
        Message(role="system", content="Be kind."),
        Message(role="user", content=(TextPart(text="What?"), image)),
        Message(
            role="assistant",
            content=(ReasoningPart(text="hm", signature="s"),),
            tool_calls=(FunctionCall(id="c1", name="weather", arguments='{"a":1}'),),
        ),
        Message(role="tool", content="sunny", tool_call_id="c1"),
    )
    assert encode(messages=messages)["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [
            {"type": "text", "text": "What?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"a":1}'}},
        ]},
        {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
    ]  # fmt: skip


def test_a_call_id_fits_the_host_and_its_result() -> None:
    """OpenAI takes 40 characters, Mistral nine letters and digits; what fits stays as it is."""
    long = "chatcmpl-tool-5ac885d9b1b54a66b11f014a1ecb5b9d"
    messages = to_messages(
        [
            {"role": "assistant", "tool_calls": [{"id": id, "name": "f"} for id in (long, "abcDEF123")]},
            {"role": "tool", "tool_call_id": long, "content": "x"},
        ]
    )
    for provider, length in (("openai", 24), ("mistral", 9)):
        asked, answered = encode(provider, messages=messages)["messages"]
        first, second = (call["id"] for call in asked["tool_calls"])
        assert first == answered["tool_call_id"]
        assert (len(first), first.isalnum(), second) == (length, True, "abcDEF123")


def test_googles_signature_goes_back_to_gemini_only() -> None:
    """Its OpenAI-shaped API refuses a call without it; others do not know the field."""
    call = {"id": "a", "name": "f", "signature": "sig"}
    messages = to_messages([{"role": "assistant", "tool_calls": [call]}])
    target = Target("openrouter:google/gemini-3-pro")
    [sent] = encode("openrouter", messages=messages, target=target)["messages"][0]["tool_calls"]
    assert sent["extra_content"] == {"google": {"thought_signature": "sig"}}
    assert "extra_content" not in encode(messages=messages)["messages"][0]["tool_calls"][0]


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_is_a_row(name: str) -> None:
    """Every row makes an adapter that encodes, with the fields that this host knows."""
    body = encode(name, max_tokens=5, reasoning=4000, seed=7)
    host = HOSTS[name]
    assert body[host.max_tokens] == 5
    assert {field: value for field, value in body.items() if "seed" in field} == ({host.seed: 7} if host.seed else {})
    assert adapter_for(name).default_model == host.default_model
    assert host.default_model != ""
    assert ("stream_options" in body) is host.usage
    assert ("reasoning_effort" in body) is (host.reasoning == "effort" and host.efforts is None)
    assert body.get("reasoning") == ({"max_tokens": 4000} if host.reasoning == "object" else None)
    assert host.base_url.startswith(("http", "{")) or name in ("local", "gpustack")


def decoder(**options: Any) -> Decoder:
    """A decoder as the adapter makes it."""
    return chat_decoder("openai", max_event_bytes=options.pop("max_event_bytes", 1 << 20), **options)


def sse(*events: Any) -> bytes:
    """Events on the wire; a string goes as it is."""
    return b"".join(b"data: %b\n\n" % (e.encode() if isinstance(e, str) else json.dumps(e).encode()) for e in events)


def choice(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    """One chunk with one choice."""
    return {"id": "x", "model": "m-2", "choices": [{"index": index, "delta": delta or {}, "finish_reason": finish}]}


def read(*events: Any, **options: Any) -> tuple[list[Any], Decoder]:
    """Decode a whole body, and end it."""
    reader = decoder(**options)
    chunks = reader.feed(sse(*events))
    return [*chunks, *reader.finish()], reader


def test_text_usage_and_the_end() -> None:
    """Finished is the last chunk, once, after the usage; the names are known."""
    chunks, reader = read(
        choice({"content": "a"}), choice({"content": "b"}, "stop"), choice(finish="stop"),
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2,
                                  "completion_tokens_details": {"reasoning_tokens": 1}}}, "[DONE]",
    )  # fmt: skip
    assert chunks == [TextDelta("a"), TextDelta("b"), Usage(1, 2, 1), Finished("stop", "stop")]
    assert (reader.done, reader.failure, reader.model) == (True, None, "m-2")


def test_the_plain_path_and_the_general_path_agree() -> None:
    """Reads of nothing but text take a faster way; the chunks are the same, also when a read is mixed."""
    texts = [choice({"content": f"t{i}"}) for i in range(6)]
    body = [choice({"role": "assistant"}), *texts, choice(finish="length"), "[DONE]"]
    whole, _ = read(*body)
    reader = decoder()
    by_event = [chunk for item in body for chunk in reader.feed(sse(item))]
    assert (
        whole == by_event == [*(TextDelta(f"t{i}") for i in range(6)), Finished("length", "length", "output_truncated")]
    )


def test_parallel_tool_calls_from_fragments() -> None:
    """Fragments go together by index; a whole call leaves at the finish reason."""

    def part(index: int, **function: Any) -> dict[str, Any]:
        return choice({"tool_calls": [{"index": index, "id": function.pop("id", None), "function": function}]})

    chunks, _ = read(
        part(0, id="a", name="f", arguments=""), part(0, arguments='{"x"'), part(1, id="b", name="g", arguments=None),
        part(0, arguments=":1}"), choice(finish="tool_calls"), "[DONE]",
    )  # fmt: skip
    assert [chunk for chunk in chunks if isinstance(chunk, ToolCall)] == [
        ToolCall(0, "a", "f", '{"x":1}', {"x": 1}),
        ToolCall(1, "b", "g", "", {}),
    ]
    assert chunks[-1] == Finished("tool_calls", "tool_calls")


def test_unusable_arguments_are_that_calls_error_only() -> None:
    """Half JSON in a call does not end the stream: the call says `parsed=None`."""
    chunks, reader = read(
        choice({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}}]}),
        choice(finish="tool_calls"),
    )  # fmt: skip
    assert ToolCall(0, "a", "f", '{"x"', None) in chunks
    assert reader.failure is None


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    ],
)
def test_reasoning_goes_by_many_names(delta: dict[str, Any]) -> None:
    """A piece of reasoning is read once, whatever the host calls its field."""
    chunks, _ = read(choice(delta), choice({"content": "x"}, "stop"))
    assert chunks[0] == ReasoningDelta("hm")


def test_a_refusal_is_kept_out_of_the_text() -> None:
    """The words of a refusal are in Finished.explanation and not in the text (docs/decisions/0007)."""
    chunks, _ = read(choice({"refusal": "I "}), choice({"refusal": "won't."}), choice(finish="stop"), "[DONE]")
    assert chunks == [Finished("refusal", "stop", "refusal", "I won't.")]


@pytest.mark.parametrize("reason", FAILED_REASONS)
def test_known_bad_ends_are_failures(reason: str) -> None:
    """An end that is no answer is never a Finished."""
    chunks, reader = read(choice({"content": "a"}), choice(finish=reason), "[DONE]")
    assert chunks == [TextDelta("a")]
    assert reader.failure is not None
    assert reader.failure.kind == FAILED_REASONS[reason]


def test_unknown_ends_pass() -> None:
    """The others are answers, as far as we know."""
    assert read(choice({"content": "a"}, "new_reason"))[0][-1] == Finished("other", "new_reason")
    assert not set(FINISH_REASONS) & set(FAILED_REASONS)


@pytest.mark.parametrize(
    ("events", "options", "whole"),
    [
        ([choice({"content": "a"})], {}, False),
        ([choice({"content": "a"}), "[DONE]"], {}, True),
        ([choice({"content": "a"}, "stop")], {}, True),
        ([choice({"content": "a"})], {"eof_ok": True}, True),
        ([], {"eof_ok": True}, False),
        (["[DONE]"], {}, False),
    ],
)
def test_what_counts_as_the_end(events: list[Any], options: dict[str, Any], whole: bool) -> None:
    """`[DONE]` or a finish reason; an empty stream is none (docs/decisions/0005)."""
    _, reader = read(*events, **options)
    assert reader.done is whole
    assert (reader.failure is None) is whole


def test_the_last_event_counts_without_its_blank_line() -> None:
    """Whole JSON at the end of the body is an event; half of one is a cut."""
    last = sse(choice({"content": "b"}, "stop"))
    reader = decoder()
    chunks = reader.feed(sse(choice({"content": "a"})) + last[:-2])
    assert [*chunks, *reader.finish()][-1] == Finished("stop", "stop")
    cut = decoder()
    cut.feed(last[:-4])
    assert cut.finish() == []
    assert cut.failure is not None


def test_errors_in_the_stream_stop_it_after_what_came_before() -> None:
    """An `error` ends the stream beside choices, alone and as a bare body; what came before it stays."""
    for error in (
        {"error": {"message": "no", "code": 429}},
        {**choice({"content": ""}), "error": {"message": "no", "code": 429}},
    ):
        chunks, reader = read(choice({"content": "a"}), error, choice({"content": "b"}))
        assert chunks == [TextDelta("a")]
        assert reader.failure is not None
        assert reader.failure.kind == "rate_limited"
    bare = decoder()
    bare.feed(sse(choice({"content": "a"})) + b'{"error": {"message": "no", "code": 503}}\n')
    bare.finish()
    assert bare.failure is not None
    assert bare.failure.kind == "provider_overloaded"


def test_other_choices_are_not_mixed_in() -> None:
    """With n > 1, choice 0 is the answer and the others come as Raw."""
    events = [choice({"content": "a"}), choice({"content": "B"}, index=1), choice(finish="stop"), "[DONE]"]
    for raw in (False, True):
        assert [c.type for c in read(*events, raw=raw)[0]] == ["text_delta", "raw", "finished"]


def test_a_giant_event_is_a_limit_and_not_a_crash() -> None:
    """An event above max_event_bytes is the failure buffer_limit."""
    reader = decoder(max_event_bytes=2000)
    reader.feed(b'data: {"x": "' + b"y" * 3000)
    assert reader.failure is not None
    assert reader.failure.kind == "buffer_limit"
    assert reader.feed(b"more") == []


def test_mistral_has_its_own_words() -> None:
    """Mistral refuses fields and words that it does not know: a seed and a demanded call have other names there."""
    body = encode("mistral", seed=7, tools=(WEATHER,), tool_choice="required", max_tokens=9, reasoning="low")
    assert (body["random_seed"], body["tool_choice"], body["max_tokens"]) == (7, "any", 9)
    assert not {"seed", "stream_options", "reasoning_effort"} & body.keys()


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("mistral-small-2603", "low", "high"),
        ("mistral-small-latest", "none", "none"),
        ("mistral-medium-3-5", 100, "high"),
        ("mistral-large-4", "minimal", "low"),
        ("mistral-large-4-0", "medium", "medium"),
        ("mistral-large-4", "max", "high"),
        ("mistral-large-4", "enormous", "enormous"),
        ("mistral-large-2512", "high", None),
        ("magistral-medium-latest", "high", None),
    ],
)
def test_mistrals_models_take_different_efforts(model: str, asked: str | int, sent: str | None) -> None:
    """The next one above, of those that the model knows; nothing to a model that would refuse it."""
    body = encode("mistral", target=Target(f"mistral:{model}"), reasoning=asked)
    assert body.get("reasoning_effort") == sent
    assert adapter_for("mistral").capabilities(model).reasoning is (sent is not None)


def test_a_host_may_have_no_field_for_a_seed(caplog):
    """Where a host's row has none, a seed is left out of the request, and the log says so."""
    from resilient_stream.providers.openai.chat import OpenAIChat
    from resilient_stream.providers.openai.hosts import HOSTS

    adapter = OpenAIChat("seedless", HOSTS["openai"]._replace(seed=None, title="Seedless"))
    asked = Request(messages=(Message(role="user", content="Hi"),), target=Target("openai:m-without"), seed=7)
    sent = adapter.encode(asked, Endpoint(base_url=adapter.base_url, api_key="k"))
    assert b"seed" not in sent.body
    assert "seed is not sent to openai:m-without" in caplog.text
