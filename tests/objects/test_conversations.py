"""`converse(output=…)`: the last answer of a conversation is the object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import PermanentError, StreamMisused
from resilient_stream.testing import CallTool, End, FakeProvider, Text
from tests.objects.answers import BAD, GOOD, Trip, asking, sent, speaking

TRIP = Trip.model_validate_json(GOOD)


def nights(place: str) -> int:
    """A tool."""
    return len(place)


async def test_the_last_answer_is_the_object() -> None:
    """Those before it, with calls, need not be one; every turn is asked by the schema."""
    from resilient_stream import Client

    async with FakeProvider() as provider:
        provider.play([Text("Let me see."), CallTool("nights", {"place": "Rome"}), End()], [Text(GOOD), End()])
        async with Client(provider.target("openai", model="gpt-5-mini")) as client:
            async with client.converse("Plan", tools=[nights], output=Trip) as conversation:
                record = await conversation.collect()
        assert all(request.json["response_format"]["type"] == "json_schema" for request in provider.requests)
    assert (record.output, conversation.output, record.outcome) == (TRIP, TRIP, "complete")
    assert record.transcripts[-1].output == TRIP


@pytest.mark.parametrize("output", [Trip, {"type": "object"}])
async def test_a_turn_is_made_without_reading_its_answer(output: Any) -> None:
    """Its stream has no object from the start, so no turn but the last can fail for it; the form itself stays whole."""
    from resilient_stream import Client

    async with Client("openai:gpt-5-mini") as client:
        conversation = client.converse("Plan", output=output)
        turn = conversation._upcoming
        assert turn is not None
        assert (turn._call.settings.form, turn._chain) == (None, client._chain)
        assert turn._call.request.output
        assert client.stream("Plan", output=output)._call.settings.form is not None
        conversation.close()


async def test_a_tool_for_the_answer_stands_beside_those_of_the_caller() -> None:
    """Where a model enforces no schema, it hands in its answer by a tool, and calls the others as it likes."""
    from resilient_stream import Client

    async with FakeProvider() as provider:
        provider.play([CallTool("nights", {"place": "Rome"}), End()], [CallTool("answer", json.loads(GOOD)), End()])
        async with Client(provider.target("anthropic", model="claude-3-5-haiku-latest")) as client:
            record = await client.converse("Plan", tools=[nights], output=Trip).collect()
        assert [tool["name"] for tool in provider.requests[1].json["tools"]] == ["nights", "answer"]
    assert (record.output, len(record.turns)) == (TRIP, 2)


async def test_the_complaint_is_a_turn() -> None:
    """The model is told what is wrong, and answers anew; the history has it."""
    client, transport = asking(BAD, GOOD)
    record = await client.converse("Plan", output=Trip).collect()
    assert record.output == TRIP
    assert [message.role for message in record.history] == ["user", "assistant", "user", "assistant"]
    assert "Trip.stops[0].nights: Field required" in sent(transport, 1)["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("options", "requests", "code"),
    [({}, 3, "output_invalid"), ({"max_prompts": 1}, 2, "output_invalid"), ({"max_prompts": 0}, 1, "output_invalid"),
     ({"max_turns": 2}, 2, "max_turns")],
)  # fmt: skip
async def test_it_is_told_a_few_times(options: dict[str, Any], requests: int, code: str) -> None:
    """As often as the kind allows, within max_prompts and max_turns; the error is one that no retry mends."""
    client, transport = asking(*[BAD] * 4)
    with pytest.raises(PermanentError) as caught:
        await client.converse("Plan", output=Trip, **options).collect()
    assert (caught.value.code, caught.value.kind, len(transport.requests)) == (code, "model_output_invalid", requests)
    assert caught.value.history is not None


async def test_an_answer_that_was_cut_says_its_own_reason() -> None:
    """It is not complained of."""
    client, transport = asking(speaking(GOOD[:20], reason="length"))
    record = await client.converse("Plan", output=Trip).collect()
    assert (record.output, record.transcripts[-1].finish_kind) == (None, "output_truncated")
    assert len(transport.requests) == 1


def test_both_ways_at_once_are_misused() -> None:
    """Outputs that are handed in by tools, and a last answer that is one."""
    client, _ = asking(GOOD)
    with pytest.raises(StreamMisused, match="outputs="):
        client.converse("Plan", output=Trip, outputs=[Trip])
