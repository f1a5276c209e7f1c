"""Options of a call that not every dialect has: each dialect's own words, refusals before anything is sent, headers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from resilient_stream import Client, InvalidRequest, Message, RetryPolicy, StreamError, StreamMisused, Target
from resilient_stream.contract import Endpoint, Request
from resilient_stream.engine.sending import _with_headers
from resilient_stream.masking.values import Secrets, secrets_of
from resilient_stream.providers import adapter_for
from resilient_stream.testing import End, FakeProvider, Status, Text

pytestmark = pytest.mark.usefixtures("nothing_left")

ASKED: Mapping[str, Any] = {"top_k": 40, "presence_penalty": 0.5, "frequency_penalty": 0.25, "user": "customer-42"}
PENALTIES = {"presence_penalty": 0.5, "frequency_penalty": 0.25}


def encode(target: str, base_url: str | None = None, options: Mapping[str, Any] = {}, **fields: Any) -> dict[str, Any]:
    """The body of a request with these fields."""
    made = Target(target, **options)
    adapter = adapter_for(made.provider)
    request = Request(messages=(Message(role="user", content="Hi"),), target=made, **fields)
    sent = adapter.encode(request, Endpoint(base_url=base_url or adapter.base_url))
    return msgspec.json.decode(sent.body, type=dict[str, Any])  # type: ignore[union-attr]


def only(*names: str) -> dict[str, Any]:
    """These of the options."""
    return {name: ASKED[name] for name in names}


CLAUDE = "bedrock:anthropic.claude-haiku-4-5-v1:0"
INVOKE = {"api": "invoke"}
SENT: list[tuple[str, Mapping[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("openai:gpt-4.1", {}, only(*PENALTIES, "user"), {**PENALTIES, "safety_identifier": "customer-42"}),
    ("groq:llama", {}, only(*PENALTIES, "user"), {**PENALTIES, "user": "customer-42"}),
    ("openrouter:a/b", {}, dict(ASKED), dict(ASKED)),
    ("vllm:qwen", {}, dict(ASKED), dict(ASKED)),
    ("zai:glm-5", {}, only("user"), {"user_id": "customer-42"}),
    ("mistral:mistral-small-latest", {}, only("top_k", *PENALTIES), only("top_k", *PENALTIES)),
    ("openai-responses:gpt-4.1", {}, only("user"), {"safety_identifier": "customer-42"}),
    ("openrouter-responses:a/b", {}, dict(ASKED), dict(ASKED)),
    ("anthropic:claude-haiku-4-5", {}, only("top_k", "user"), {"top_k": 40, "metadata": {"user_id": "customer-42"}}),
    ("gemini:gemini-2.5-flash", {}, only("top_k", *PENALTIES),
     {"generationConfig": {"topK": 40, "presencePenalty": 0.5, "frequencyPenalty": 0.25}}),
    ("cohere:command-a", {}, only("top_k", *PENALTIES), {"k": 40, **PENALTIES}),
    ("ollama:qwen3", {}, only("top_k", *PENALTIES), {"options": only("top_k", *PENALTIES)}),
    (CLAUDE, {}, only("top_k", "user"),
     {"additionalModelRequestFields": {"top_k": 40}, "requestMetadata": {"user": "customer-42"}}),
    ("bedrock:us.amazon.nova-lite-v1:0", {}, only("top_k"),
     {"additionalModelRequestFields": {"inferenceConfig": {"topK": 40}}}),
    (CLAUDE, INVOKE, only("top_k"), {"top_k": 40}),
    ("bedrock:us.amazon.nova-lite-v1:0", INVOKE, {"max_tokens": 9, **only("top_k")},
     {"inferenceConfig": {"maxTokens": 9, "topK": 40}}),
    ("bedrock:mistral.mistral-7b-instruct-v0:2", INVOKE, only("top_k"), {"top_k": 40}),
    ("bedrock:cohere.command-r-v1:0", INVOKE, only("top_k"), {"k": 40}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "options", "asked", "sent"), SENT)
def test_each_dialect_has_its_own_words(
    target: str, options: Mapping[str, Any], asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    """An option is sent under the field that the provider's documents name, and its capabilities say that it is."""
    body, plain = encode(target, options=options, **asked), encode(target, options=options)
    assert {name: value for name, value in body.items() if plain.get(name) != value} == sent
    able = adapter_for(target.partition(":")[0]).capabilities(target.partition(":")[2])
    assert all(getattr(able, name) for name in asked if name in ASKED)


@pytest.mark.parametrize(
    ("target", "base_url", "options", "name"),
    [
        ("openai:gpt-4.1", None, {}, "top_k"),
        ("openai:x", "https://api.groq.com/openai/v1", {}, "top_k"),
        ("openai:x", "https://api.cerebras.ai/v1", {}, "presence_penalty"),
        (CLAUDE, None, INVOKE, "user"),
        ("bedrock:meta.llama3-8b-instruct-v1:0", None, INVOKE, "top_k"),
    ],
)
def test_an_address_or_an_api_may_lack_what_others_have(
    target: str, base_url: str | None, options: Mapping[str, Any], name: str
) -> None:
    """What only the address or the target's own option tells is refused by the encoder, by its name."""
    with pytest.raises(InvalidRequest, match=f"does not support .*{name}="):
        encode(target, base_url, options, **only(name))
    if target == "openai:gpt-4.1":
        assert encode(target, "http://my-own.example/v1", **only(name))[name] == ASKED[name]


async def test_a_target_without_it_is_not_asked_and_the_next_one_is() -> None:
    """An option that the first target's dialect lacks: nothing is sent to it, and the fallback answers."""
    async with FakeProvider([Text("Hello."), End()]) as provider:
        targets = provider.target("anthropic", model="claude-haiku-4-5"), provider.target("cohere", model="command-a")
        async with Client(*targets) as client:
            transcript = await client.complete("Hi", presence_penalty=0.5)
        assert transcript.text == "Hello."
        assert [request.path for request in provider.requests] == ["/v2/chat"]
        assert provider.requests[0].json["presence_penalty"] == 0.5


@pytest.mark.parametrize(
    ("target", "fields", "left"),
    [
        ("openai:gpt-5-mini", {"presence_penalty": 0.5}, "presence_penalty"),
        ("xai:grok-4", {"frequency_penalty": 0.5}, "frequency_penalty"),
        ("anthropic:claude-opus-4-7", {"top_k": 1}, "top_k"),
        ("anthropic:claude-sonnet-4-5", {"top_k": 1, "reasoning": 2000}, "top_k"),
        ("bedrock:anthropic.claude-opus-4-7", {"top_k": 1}, "top_k"),
    ],
)
def test_a_model_that_refuses_it_is_not_sent_it(
    target: str, fields: dict[str, Any], left: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What only a single model refuses is left out and logged, as temperature is."""
    from resilient_stream.fitting.told import left_out

    left_out.cache_clear()
    with caplog.at_level(logging.WARNING, "resilient_stream"):
        assert left not in encode(target, **fields)
    assert f"{left} is not sent to {target}" in caplog.text


def test_a_penalty_of_nothing_is_left_out_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    """Zero is every model's default."""
    with caplog.at_level(logging.WARNING, "resilient_stream"):
        assert "presence_penalty" not in encode("openai:gpt-5-nano", presence_penalty=0)
    assert not caplog.text


@pytest.mark.parametrize(
    ("target", "options", "reasoning", "summary"),
    [
        ("openai-responses:gpt-5-mini", {}, "low", "auto"),
        ("openai-responses:o4-mini", {}, 2000, "auto"),
        ("openai-responses:gpt-5-mini", {}, None, None),
        ("openai-responses:gpt-5-mini", {}, "none", None),
        ("openai-responses:o1", {}, "low", None),
        ("openai-responses:o3-mini", {}, "low", None),
        ("openai-responses:gpt-5-mini", {"reasoning_summary": None}, "low", None),
        ("openai-responses:gpt-5-mini", {"reasoning_summary": "detailed"}, "low", "detailed"),
        ("xai-responses:grok-4", {}, "low", None),
    ],
)
def test_a_summary_is_asked_for_with_reasoning(
    target: str, options: Mapping[str, Any], reasoning: str | int | None, summary: str | None
) -> None:
    """OpenAI shows nothing of what a model thought unless it is asked; a model that gives no summary is not asked."""
    assert encode(target, options=options, reasoning=reasoning).get("reasoning", {}).get("summary") == summary


# -- headers ----------------------------------------------------------------------------------

SECRET = "tenant-secret-0123456789"


async def test_headers_of_a_call_go_over_the_targets() -> None:
    """They are sent with this call only; the target's of the same name, in any spelling, gives way."""
    async with FakeProvider([Text("a"), End()], [Text("b"), End()]) as provider:
        target = provider.target("openai", headers={"x-tenant": "all", "X-Other": "kept"})
        async with Client(target) as client:
            await client.complete("Hi", headers={"X-Tenant": "one"})
            await client.complete("Hi")
    first, second = (request.headers for request in provider.requests)
    assert (first["x-tenant"], first["x-other"]) == ("one", "kept")
    assert second["x-tenant"] == "all"


async def test_a_value_of_a_header_is_never_shown() -> None:
    """A server that quotes it finds it masked in the error; so does whoever prints the request."""
    said = {"error": {"message": f"no such tenant: {SECRET}", "type": "invalid_request_error"}}
    async with FakeProvider([Status(400, body=said)]) as provider:
        async with Client(provider.target("openai"), retry=RetryPolicy.off()) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("Hi", headers={"x-tenant": SECRET})
    assert "no such tenant" in str(caught.value)
    for shown in (str(caught.value), repr(caught.value.transcript), str(caught.value.transcript.to_dict())):  # type: ignore[union-attr]
        assert SECRET not in shown


def test_a_name_in_other_letters_is_the_same_header() -> None:
    """Sent twice, a server would take either."""
    endpoint = Endpoint(base_url="https://example.com", headers={"x-tenant": "all", "x-other": "kept"})
    assert _with_headers(endpoint, {"X-Tenant": "one"}).headers == {"x-other": "kept", "X-Tenant": "one"}


def test_a_value_is_secret_before_anything_is_encoded() -> None:
    """A request that fails on its way into bytes has no headers yet, but where it was to go is known."""
    endpoint = Endpoint(base_url="https://example.com", headers={"x-tenant": SECRET})
    assert SECRET not in Secrets(secrets_of(None, endpoint)).hide(f"refused: {SECRET}")


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (["x"], "headers: give a dict, not a value of type list"),
        ({"x-tenant": 3}, r"headers\['x-tenant'\]: give a text, not a value of type int"),
        ({3: "x"}, "headers: names of headers are texts, not a value of type int"),
    ],
)
async def test_bad_headers_are_refused_by_name(headers: Any, said: str) -> None:
    """What is no text cannot be sent; the value is not repeated."""
    async with Client("openai:gpt") as client:
        with pytest.raises(StreamMisused, match=f"^{said}$"):
            client.stream("Hi", headers=headers)


# -- one answer -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [{"n": 2}, {"generationConfig": {"candidateCount": 2}}, {"generation_config": {"candidate_count": 2}},
     {"num_generations": 2}, {"best_of": 2}],
)  # fmt: skip
async def test_several_answers_are_refused_with_the_way_to_get_them(extra: dict[str, Any]) -> None:
    """Answers side by side in one stream are not told apart; several calls are the way."""
    async with Client("openai:gpt") as client:
        with pytest.raises(StreamMisused, match="a call gives one answer; start 2 calls side by side"):
            client.stream("Hi", extra=extra)
        client.stream("Hi", extra={"n": 1, "metadata": {"n": "2"}}).close()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"top_k": 0}, "top_k must be an integer of at least 1, not 0"), ({"user": 3}, "user: give a text"),
     ({"presence_penalty": float("nan")}, "presence_penalty must be a number")],
)  # fmt: skip
async def test_a_bad_value_is_refused_by_name(options: dict[str, Any], said: str) -> None:
    """Before anything is sent."""
    async with Client("openai:gpt") as client:
        with pytest.raises(StreamMisused, match=said):
            client.stream("Hi", **options)


@pytest.mark.parametrize("header", ["Content-Length", "transfer-encoding", " Content-length "])
async def test_a_header_of_a_call_does_not_say_where_its_body_ends(header: str) -> None:
    """A wrong length would make a server wait for ever, or read the rest of a body as another request."""
    async with Client("openai:m") as client:
        with pytest.raises(StreamMisused, match="is set when the request is sent"):
            client.stream("x", headers={header: "5"})


def test_a_key_for_one_call_goes_to_no_other_provider() -> None:
    """A header with a key in it would be sent to every fallback, so it is refused where they are of several
    providers."""
    client = Client("openai:m", "anthropic:m")
    with pytest.raises(StreamMisused, match="would go to every provider") as raised:
        client.stream("hi", headers={"Authorization": "Bearer sk-secret-12345678"})
    assert "sk-secret" not in str(raised.value)
    client.stream("hi", headers={"Authorization": "Bearer sk-secret-12345678"}, to="openai:m")
    client.stream("hi", headers={"x-tenant": "a"})
