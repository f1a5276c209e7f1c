"""What a model thought goes back to those that want it, as they want it, and to nobody else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from resilient_stream import (
    Client,
    FunctionCall,
    Message,
    ReasoningDelta,
    ReasoningPart,
    RetryPolicy,
    Target,
    TextDelta,
    Transcript,
)
from resilient_stream.contract import Endpoint, Request
from resilient_stream.fitting.signatures import for_its_target
from resilient_stream.providers import adapter_for, families_of
from resilient_stream.providers.openai.chat_stream import chat_decoder
from resilient_stream.providers.openai.hosts import HOSTS
from resilient_stream.testing import CallTool, End, FakeProvider, Text, serve_bytes

FIELDS = ("reasoning", "reasoning_content", "reasoning_details")
CALL = FunctionCall(id="call_aaaa", name="weather")
RESULT = Message(role="tool", tool_call_id="call_aaaa", content="fine")
ASKED = Message(role="user", content="Weather?")
THOUGHT = "I should look."
THINKERS = {
    "deepseek": "deepseek-reasoner", "moonshot": "kimi-k2.5", "zai": "glm-4.7", "alibaba": "qwen3-max",
    "openrouter": "moonshotai/kimi-k2-thinking", "vllm": "deepseek-ai/DeepSeek-V4",
}  # fmt: skip


def turn(*parts: Any, calls: bool = True, text: str = "") -> Message:
    """An earlier answer."""
    said = [{"type": "text", "text": text}] if text else []
    return Message(role="assistant", content=(*parts, *said), tool_calls=(CALL,) if calls else ())


def sent(target: str, messages: Sequence[Message], url: str = "", **fields: Any) -> list[dict[str, Any]]:
    """The turns as an attempt sends them to this target."""
    request = Request(messages=tuple(messages), target=Target(target), **fields)
    adapter = adapter_for(request.target.provider)
    outgoing = adapter.encode(
        for_its_target(request, families_of), Endpoint(base_url=url or adapter.base_url, api_key="k")
    )
    made: list[dict[str, Any]] = json.loads(outgoing.body)["messages"]  # type: ignore[union-attr]
    return made


def given_back(message: dict[str, Any]) -> dict[str, Any]:
    """The fields of a turn that have reasoning in them."""
    return {name: message[name] for name in FIELDS if name in message}


@pytest.mark.parametrize("name", HOSTS)
def test_a_thought_goes_back_in_the_field_of_the_host(name: str) -> None:
    """Each host gets the fields of its column, and one without a column none: some answer such a field with a 400."""
    model = THINKERS.get(name, "m")
    history = [ASKED, turn(ReasoningPart(text=THOUGHT, signed_by=f"{name}:{model}")), RESULT]
    found = given_back(sent(f"{name}:{model}", history)[1])
    takes = HOSTS[name].thoughts
    fields = [] if takes is None else [field for field in takes.fields if field != "reasoning_details"]
    assert found == dict.fromkeys(fields, THOUGHT)
    assert given_back(sent(f"{name}:{model}", [ASKED, turn(ReasoningPart(text=THOUGHT)), RESULT])[1]) == found


def test_hosts_that_refuse_it_have_no_column() -> None:
    """Known to answer 400: a column there would break every conversation with a reasoning model."""
    refusing = ("openai", "groq", "cerebras", "mistral", "perplexity")
    assert [name for name in refusing if HOSTS[name].thoughts is not None] == []


@pytest.mark.parametrize(
    ("target", "url", "wanted"),
    [
        ("deepseek:deepseek-reasoner", "", " "),
        ("deepseek:deepseek-v4-pro", "", " "),
        ("deepseek:deepseek-chat", "", None),
        ("moonshot:kimi-k2.5", "", " "),
        ("moonshot:kimi-k2-thinking", "", " "),
        ("moonshot:kimi-k2-turbo-preview", "", None),
        ("alibaba:deepseek-v4-flash", "", " "),
        ("alibaba:qwen3-max", "", None),
        ("openai:kimi-k2.5", "https://gateway.example/v1", " "),
        ("openai:kimi-k2.5", "https://api.moonshot.cn/v1", " "),
        ("openai:gpt-4.1", "https://gateway.example/v1", None),
        ("vllm:moonshotai/Kimi-K2.5", "", None),
        ("groq:moonshotai/kimi-k2.5", "", None),
        ("zai:glm-4.7", "", None),
    ],
)
def test_a_strangers_turn_gets_a_placeholder_where_one_is_demanded(target: str, url: str, wanted: str | None) -> None:
    """A fallback to DeepSeek or Kimi would be refused for the turn of another model: a space stands for its thought."""
    for thought in ((), (ReasoningPart(text="Claude's", signature="sig", signed_by="anthropic:claude-haiku-4-5"),)):
        assert sent(target, [ASKED, turn(*thought), RESULT], url)[1].get("reasoning_content") == wanted


def test_deepseek_demands_it_of_every_turn_once_there_were_calls() -> None:
    """V4 refuses the next question when the last answer has none; without calls it wants nothing."""
    target = "deepseek:deepseek-v4-pro"
    called = sent(target, [ASKED, turn(), RESULT, turn(calls=False, text="Fine."), ASKED])
    assert [message.get("reasoning_content") for message in called] == [None, " ", None, " ", None]
    plain = sent(target, [ASKED, turn(calls=False, text="Fine."), ASKED])
    assert all("reasoning_content" not in message for message in plain)


@pytest.mark.parametrize("fields", [{"reasoning": "none"}, {"extra": {"thinking": {"type": "disabled"}}}])
def test_nothing_is_made_up_for_a_model_that_shall_not_think(fields: dict[str, Any]) -> None:
    """The demand is one of the thinking mode."""
    [_, answer, _] = sent("moonshot:kimi-k2.5", [ASKED, turn(), RESULT], **fields)
    assert given_back(answer) == {}


@pytest.mark.parametrize(
    ("origin", "target", "kept"),
    [
        ("deepseek:deepseek-v4", "vllm:deepseek-ai/DeepSeek-V4", True),
        ("openrouter:z-ai/glm-4.7", "zai:glm-4.7", True),
        ("moonshot:kimi-k2.5", "zai:glm-4.7", False),
        ("vllm:mine", "vllm:other", True),
        ("vllm:mine", "llamacpp:mine", False),
    ],
)
def test_unsigned_thoughts_stay_in_their_family(origin: str, target: str, kept: bool) -> None:
    """What one model thought is not put into the mouth of another one."""
    found = given_back(sent(target, [ASKED, turn(ReasoningPart(text=THOUGHT, signed_by=origin)), RESULT])[1])
    assert (THOUGHT in found.values()) is kept


def test_an_answers_thought_is_kept_with_its_origin() -> None:
    """A whole thought is in the history; one that was cut, or whose middle is missing, is not."""
    transcript = Transcript()
    transcript.target = "deepseek:m"
    transcript._receive([ReasoningDelta("I "), ReasoningDelta("see."), TextDelta("Yes."), ReasoningDelta("cut")])
    [message] = transcript.as_history()
    assert message.parts[0] == ReasoningPart(text="I see.", signed_by="deepseek:m")
    assert len(message.parts) == 2
    assert message.text == "Yes."


DETAILS = [
    {"type": "reasoning.text", "text": "I should ", "format": "anthropic-claude-v1", "index": 0, "id": None},
    {"type": "reasoning.text", "text": "look.", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.text", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "ZW5j", "id": "rs_1", "format": "openai-responses-v1", "index": 1},
    {"type": "reasoning.encrypted", "data": "bW9yZQ==", "id": "rs_2", "format": "openai-responses-v1", "index": 1},
]
WHOLE = [
    {
        "type": "reasoning.text", "text": "I should look.", "format": "anthropic-claude-v1", "index": 0, "id": None,
        "signature": "c2ln",
    },
    *DETAILS[3:],
]  # fmt: skip


def body(*deltas: dict[str, Any], finish: str = "stop") -> bytes:
    """A streamed answer."""
    events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def detailed(*, after_text: bool) -> bytes:
    """An answer with a list of details in pieces, its text before or behind the proofs."""
    told = [{"reasoning": item.get("text", ""), "reasoning_details": [item]} for item in DETAILS]
    call = {"tool_calls": [{"index": 0, "id": "call_aaaa", "function": {"name": "weather", "arguments": "{}"}}]}
    text = {"content": "Let me see."}
    between = [*told[:2], text, *told[2:]] if after_text else [*told, text]
    return body(*between, call, finish="tool_calls")


@pytest.mark.parametrize("after_text", [False, True])
async def test_a_relays_details_come_back_unchanged(after_text: bool) -> None:
    """OpenRouter's list is put together from its pieces, with signatures and data, and sent as that list."""

    async def weather() -> str:
        """Weather."""
        return "fine"

    answers = (serve_bytes(detailed(after_text=after_text)), [Text("Fine."), End()])
    async with FakeProvider(*answers) as provider:
        target = provider.target("openrouter", model="anthropic/claude-haiku-4.5")
        async with Client(target, retry=RetryPolicy.off()) as client:
            talk = client.converse("Weather?", tools=[weather])
            await talk.collect()
        answer = provider.requests[1].json["messages"][1]
    assert answer["reasoning_details"] == WHOLE
    assert "reasoning" not in answer
    assert talk.transcripts[0].reasoning == THOUGHT


@pytest.mark.parametrize(
    "target",
    ["anthropic:claude-haiku-4-5", "openrouter:openai/gpt-5", "deepseek:deepseek-chat", "bedrock:anthropic.claude-x"],
)
def test_details_go_to_no_other_vendor(target: str) -> None:
    """The proofs inside are for one vendor; anyone else would refuse them."""
    part = ReasoningPart(signature=json.dumps(WHOLE, separators=(",", ":")), signed_by="openrouter:anthropic/claude-x")
    request = Request(messages=(ASKED, turn(part), RESULT), target=Target(target))
    assert not for_its_target(request, families_of).messages[1].parts


def test_details_that_are_none_are_not_collected() -> None:
    """Odd items are passed over, and an answer without details has no proof at its end."""
    decoder = chat_decoder("openrouter", max_event_bytes=1 << 20)
    chunks = decoder.feed(body({"reasoning": "Hm.", "reasoning_details": [None, 3, "x"]}, {"content": "Yes."}))
    assert [chunk for chunk in chunks if isinstance(chunk, ReasoningDelta)] == [ReasoningDelta("Hm.")]


async def test_a_fallback_in_mid_conversation_gives_each_host_its_own() -> None:
    """DeepSeek's thought goes back to DeepSeek; Kimi, which takes over, gets a placeholder for it."""
    first = body({"reasoning_content": THOUGHT}, {"content": "Let me see."},
                 {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]},
                 finish="tool_calls")  # fmt: skip
    async with FakeProvider(serve_bytes(first), [Text("x"), End()], [CallTool("f", {}), End()]) as provider:
        deepseek = provider.target("deepseek", model="deepseek-v4")
        kimi = provider.target("moonshot", model="kimi-k2.5")
        async with Client(deepseek, retry=RetryPolicy.off()) as client:
            transcript = await client.complete("Weather?")
            [call] = transcript.tool_calls
            history = [ASKED, *transcript.as_history(), Message(role="tool", tool_call_id=call.id, content="fine")]
            await client.complete(history)
        async with Client(kimi, retry=RetryPolicy.off()) as client:
            await client.complete(history)
        answers = [request.json["messages"][1]["reasoning_content"] for request in provider.requests[1:]]
    assert answers == [THOUGHT, " "]
