"""The model's earlier turns are sent as each API takes them; what is left out is said in the log."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from aioresponses import aioresponses
from yarl import URL

from resilient_stream import Client, Message, ReasoningPart, RetryPolicy, StreamError, Target, TextPart
from resilient_stream.contract import Request
from resilient_stream.fitting.earlier_turns import with_fitting_turns
from resilient_stream.messages import FunctionCall
from resilient_stream.providers import adapter_for
from resilient_stream.testing import End, FakeProvider, Text
from tests.dialect_rules import check
from tests.test_history import WAYS, sent
from tests.test_what_we_send import CHAT, RESPONSE, Answer

ASKED, GO = Message(role="user", content="Hi"), Message(role="user", content="Go")
EMPTY: dict[str, Message] = {
    "nothing": Message(role="assistant"),
    "no parts": Message(role="assistant", content=()),
    "a space": Message(role="assistant", content=" \n"),
    "blank parts": Message(role="assistant", content=(TextPart(text=""), TextPart(text=" "))),
}
THOUGHT = Message(role="assistant", content=(ReasoningPart(text="Hm."),))
PLACES = ("anthropic", "bedrock", "gemini", "openai", "openai-responses", "ollama", "cohere", "mistral", "vertex")
ODD = {
    "cut": '{"city": "Par', "no object": "[1]", "a word": "Paris", "a number": "1e999", "two": "{}{}", "a text": '"P"',
}  # fmt: skip


def called(arguments: str) -> list[Message]:
    """A conversation with one call."""
    made = FunctionCall(id="c1", name="look", arguments=arguments)
    result = Message(role="tool", tool_call_id="c1", content="Invalid JSON")
    return [ASKED, Message(role="assistant", tool_calls=(made,)), result, GO]


# -- turns with nothing in them -------------------------------------------------------------------


@pytest.mark.parametrize("empty", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("target", WAYS, ids=str)
def test_an_empty_turn_is_not_sent(target: Target, empty: Message) -> None:
    """Wherever it stands, the request is one that the API takes, and is the one without it."""
    for history in ([ASKED, empty, GO], [empty, ASKED], [ASKED, empty, empty, GO]):
        url, body = sent(target, history)
        check(url, body)
        assert body == sent(target, [message for message in history if message is not empty])[1]


@pytest.mark.parametrize("provider", PLACES)
async def test_an_attempt_leaves_empty_turns_out_and_says_so(provider: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log says once which target got no empty turns, without a text of the conversation."""
    model = f"{'gemini' if provider == 'vertex' else 'm'}-empty-turns"
    caplog.set_level(logging.WARNING, "resilient_stream")
    async with FakeProvider([Text("Hello"), End()], [Text("Hello"), End()]) as fake:
        async with Client(fake.target(provider, model=model)) as client:
            for _ in range(2):
                await client.complete([ASKED, EMPTY["nothing"], GO])
    assert b"assistant" not in fake.requests[0].body
    said = [line for line in caplog.messages if "without content" in line]
    assert len(said) == 1
    assert f"{provider}:{model}" in said[0]


@pytest.mark.parametrize("target", WAYS, ids=str)
def test_nothing_but_empty_turns_is_refused_in_words(target: Target) -> None:
    """A request of only empty turns is refused in words, because it asks nothing."""
    with pytest.raises(StreamError) as caught:
        sent(target, [EMPTY["nothing"], EMPTY["no parts"]])
    assert "blank messages" in caught.value.message


@pytest.mark.parametrize(
    "name", ["anthropic:claude-opus-4-5", "bedrock:us.anthropic.claude-opus-4-5-v1:0", "gemini:gemini-3-pro-preview"]
)
def test_a_turn_of_reasoning_that_cannot_be_proved_is_left_out(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of it can be sent there; the turns around it become one, and it is said."""
    caplog.set_level(logging.WARNING, "resilient_stream")
    target = Target(f"{name}-earlier-turns")
    url, body = sent(target, [ASKED, THOUGHT, GO])
    check(url, body)
    turns = json.loads(body).get("messages") or json.loads(body)["contents"]
    assert [turn["role"] for turn in turns] == ["user"]
    assert any("nothing in it can be sent" in line and target.name in line for line in caplog.messages)


def test_what_says_something_stays() -> None:
    """A call, reasoning, a space that is gone on with, and a silent user; the request is the same object."""
    for message in (THOUGHT, called("{}")[1], Message(role="user"), Message(role="system")):
        request = Request(messages=(message, GO), target=Target("ollama:m"))
        assert with_fitting_turns(request, False) is request
    prefill = Request(messages=(ASKED, Message(role="assistant", content=" ")), target=Target("vllm:m"))
    assert with_fitting_turns(prefill, False) is prefill


# -- a first turn that is the model's -------------------------------------------------------------

GREETED = [Message(role="system", content="s"), Message(role="assistant", content="Welcome!"), GO]


@pytest.mark.parametrize(
    "name",
    [
        "gemini:gemini-3-pro-preview",
        "gemini-interactions:gemini-3-pro-preview",
        "vertex:gemini-2.5-pro",
        "bedrock:us.amazon.nova-pro",
    ],
)
def test_a_conversation_that_the_model_begins_is_refused_before_it_is_sent(name: str) -> None:
    """These APIs answer it with a 400; nothing is put into the user's mouth."""
    with pytest.raises(StreamError) as caught:
        sent(Target(name), GREETED)
    assert "begins with the assistant (add a user's message in front)" in caught.value.message


async def test_a_fallback_answers_what_the_first_target_does_not_take() -> None:
    """The refusal is one target's own."""
    async with FakeProvider([Text("Hello"), End()]) as fake:
        async with Client(fake.target("gemini"), fake.target("openai")) as client:
            answer = await client.complete(GREETED)
    assert answer.text == "Hello"
    assert len(fake.requests) == 1


@pytest.mark.parametrize("name", ["anthropic:claude-opus-4-5", "openai:m", "openai-responses:m", "ollama:m"])
def test_elsewhere_the_model_may_begin(name: str) -> None:
    """To other providers, a conversation that the model begins is sent unchanged."""
    assert b"Welcome!" in sent(Target(name), GREETED)[1]


# -- arguments that are no object -----------------------------------------------------------------


@pytest.mark.parametrize("arguments", ODD.values(), ids=ODD)
@pytest.mark.parametrize(
    "target", [way for way in WAYS if adapter_for(way.provider).capabilities(way.model).tools], ids=str
)
def test_arguments_that_are_no_object_are_sent_as_none(target: Target, arguments: str) -> None:
    """A template that reads them fails on anything else, in each later request."""
    url, body = sent(target, called(arguments))
    check(url, body)
    assert body == sent(target, called("{}"))[1]


@pytest.mark.parametrize("provider", PLACES)
async def test_an_attempt_sends_no_odd_arguments_and_says_so(provider: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also in OpenAI's own dialect, when the address is somebody else's. What was written is not logged."""
    model = f"{'gemini' if provider == 'vertex' else 'm'}-odd-arguments"
    caplog.set_level(logging.WARNING, "resilient_stream")
    async with FakeProvider([Text("Hello"), End()]) as fake:
        async with Client(fake.target(provider, model=model)) as client:
            await client.complete(called(ODD["cut"]))
    assert b"Par" not in fake.requests[0].body
    [said] = [line for line in caplog.messages if "its arguments are no JSON object" in line]
    assert "Par" not in said


@pytest.mark.parametrize(
    ("name", "url", "body"),
    [
        ("openai", "https://api.openai.com/v1/chat/completions", CHAT),
        ("openai-responses", "https://api.openai.com/v1/responses", RESPONSE),
    ],
)
async def test_openai_itself_gets_the_arguments_that_its_model_wrote(
    name: str, url: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its API takes any text there, and the model sees what was wrong with it."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-this-test")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with aioresponses() as mocked:
        mocked.post(url, body=body, content_type="text/event-stream", response_class=Answer)
        async with Client(f"{name}:m", retry=RetryPolicy.off()) as client:
            await client.complete(called(ODD["cut"]))
        [request] = mocked.requests["POST", URL(url)]
    sent_body: Any = json.loads(request.kwargs["data"])
    assert json.dumps(ODD["cut"]) in json.dumps(sent_body)


@pytest.mark.parametrize(
    ("written", "read"), [("", "{}"), ("null", "{}"), (r'"{\"a\": 1}"', '{"a":1}'), ('{"a": "\n"}', r'{"a":"\n"}')]
)
def test_what_was_plainly_meant_is_sent(written: str, read: str) -> None:
    """Nothing, an object in a text, line ends in one: what the tool was given, for every API."""
    for any_arguments in (True, False):
        request = Request(messages=tuple(called(written)), target=Target("openai:m"))
        assert with_fitting_turns(request, any_arguments).messages[1].tool_calls[0].arguments == read


async def test_a_recording_is_found_by_what_was_asked(tmp_path: Path) -> None:
    """It keeps the conversation as it was given, so that is what is looked for."""
    asked = [EMPTY["nothing"], *called(ODD["cut"])]
    file = tmp_path / "calls.jsonl"
    async with FakeProvider([Text("Hello"), End()]) as fake:
        async with Client(fake.target("openai"), record=file) as client:
            await client.complete(asked)
    async with Client(f"replay:{file}") as client:
        assert (await client.complete(asked)).text == "Hello"
