"""Calls and their results, in every dialect: who answers what, under which id, in which order."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from resilient_stream import Client, Message, StreamMisused, Target
from resilient_stream.fitting.pairing import check_results, in_order
from resilient_stream.messages import FunctionCall, to_messages
from tests.dialect_rules import check
from tests.processor import seconds
from tests.test_history import WAYS, sent

ASK = {"role": "user", "content": "x"}
GO = {"role": "user", "content": "go on"}


def calls(*ids: str, name: str = "read", text: str = "") -> dict[str, Any]:
    """An assistant's turn that makes these calls; each reads the file of its id."""
    made = [{"id": id, "function": {"name": name, "arguments": json.dumps({"file": id})}} for id in ids]
    return {"role": "assistant", "content": text, "tool_calls": made}


def result(id: str, content: str = "") -> dict[str, Any]:
    """The result of a call; its text has the call's id unless it says otherwise."""
    return {"role": "tool", "tool_call_id": id, "content": content or f"what is in {id}"}


WRONG = {
    "no result, and it goes on": (
        [ASK, calls("a", "b"), result("a"), GO], "messages[1].tool_calls[1]: no result", "'b'",
    ),
    "no result at the end": (
        [ASK, calls("a")], "messages[1].tool_calls[0]: no result for call 'a' (read)", "role 'tool'",
    ),
    "one of two at the end": ([ASK, calls("a", "b"), result("b")], "messages[1].tool_calls[0]: no result", "'a'"),
    "two of the same id, one result": ([ASK, calls("a", "a"), result("a")], "messages[1].tool_calls[1]", "'a'"),
    "two results": ([ASK, calls("a"), result("a"), result("a"), GO], "messages[3]: a second result", "'a'"),
    "a result without its call": ([ASK, result("zz"), GO], "messages[1]: a result for call 'zz'", "has not made"),
    "a result of an earlier turn": (
        [ASK, calls("a"), result("a"), GO, calls("b"), result("a"), GO], "messages[5]: a result for call 'a'", "",
    ),
    "a result behind the user": ([ASK, calls("a"), GO, result("a")], "messages[1].tool_calls[0]: no result", "'a'"),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "begin", "inside"), WRONG.values(), ids=WRONG)
async def test_a_conversation_that_no_provider_takes_is_refused_in_words(
    messages: list[dict[str, Any]], begin: str, inside: str
) -> None:
    """Missing, doubled and orphan results are said with their place before anything is sent, by both ways in."""
    async with Client("openai:m", "gemini:m") as client:
        for ask in (client.stream, client.converse):
            with pytest.raises(StreamMisused) as caught:
                ask(messages, system="s")
            assert str(caught.value).startswith(begin)
            assert inside in str(caught.value)


RIGHT = {
    "permuted": [ASK, calls("a", "b", "c"), result("c"), result("a"), result("b"), GO],
    "ids that begin anew": [ASK, calls("call_0"), result("call_0"), calls("call_0", "call_1"), result("call_1"),
                            result("call_0"), GO, calls("call_0"), result("call_0"), GO],
    "one id twice in a turn": [ASK, calls("a", "a"), result("a", "what is in a"), result("a", "again"), GO],
    "made-up names taken already": [ASK, calls("a"), result("a"), calls("a"), result("a"), calls("a_2"), result("a_2")],
    "odd ids": [ASK, calls("functions.read:0"), result("functions.read:0"), calls("functions.read:0", "é" * 80),
                result("é" * 80), result("functions.read:0"), GO],
    "empty ids of two hosts": [ASK, calls(" "), result(" "), calls(" "), result(" "), GO],
    "a turn in two messages": [ASK, calls("a"), calls("b"), result("b"), result("a"), GO],
    "text between": [ASK, calls("a"), {"role": "assistant", "content": "Wait."}, result("a"), GO],
}  # fmt: skip


@pytest.mark.parametrize("target", WAYS, ids=str)
@pytest.mark.parametrize("messages", RIGHT.values(), ids=RIGHT)
def test_what_can_be_put_right_is_taken_everywhere(messages: list[dict[str, Any]], target: Target) -> None:
    """Results in another order and ids used twice are sent as each dialect demands them, and belong together."""
    given = to_messages(messages)
    check_results(given)
    url, body = sent(target, given)
    check(url, body)


@pytest.mark.parametrize("messages", RIGHT.values(), ids=RIGHT)
def test_each_result_stands_behind_its_own_call(messages: list[dict[str, Any]]) -> None:
    """Behind its turn, in the order of the calls, under an id that only these two have."""
    made = in_order(to_messages(messages))
    asked = [call for message in made for call in message.tool_calls]
    answers = [message for message in made if message.role == "tool"]
    assert [message.tool_call_id for message in answers] == [call.id for call in asked]
    assert len({call.id for call in asked}) == len(asked)
    for call, answer in zip(asked, answers, strict=True):
        assert answer.text in (f"what is in {json.loads(call.arguments)['file']}", "again")


@pytest.mark.parametrize("messages", RIGHT.values(), ids=RIGHT)
def test_what_is_sent_of_a_beginning_never_changes(messages: list[dict[str, Any]]) -> None:
    """As a conversation grows, the part of it that was sent before stays letter for letter: caches stay good."""
    whole = in_order(to_messages(messages))
    ends = [place for place, each in enumerate(messages) if place and each["role"] == "user"]
    for end in ends:
        begun = in_order(to_messages(messages[:end]))
        assert whole[: len(begun)] == begun
    assert in_order(whole) is whole


def test_the_callers_own_messages_stay_as_they_are() -> None:
    """What is put right is a copy; a conversation that is right already is the same object."""
    call = FunctionCall(id="a", name="f")
    turns = (
        Message(role="user", content="x"),
        Message(role="assistant", tool_calls=(call,)),
        Message(role="tool", tool_call_id="a", content="1"),
    )
    assert in_order(turns) is turns
    twice = (*turns, *turns)
    before = [message.model_copy(deep=True) for message in twice]
    assert [message.tool_call_id for message in in_order(twice)] == [None, None, "a", None, None, "a_2"]
    assert list(twice) == before


@pytest.mark.parametrize("count", [4_000])
def test_thousands_of_calls_are_put_in_order_at_once(count: int) -> None:
    """The work grows with the conversation, not with its square."""
    ids = [f"call_{number}" for number in range(count)]
    together = to_messages([ASK, calls(*ids), *map(result, reversed(ids))])
    one_by_one = to_messages([ASK, *(each for _ in ids for each in (calls("call_0"), result("call_0")))])
    for messages in (together, one_by_one):
        assert len(in_order(messages)) == len(messages)
        assert seconds(partial(check_results, messages), soon=0.5) < 0.5
        assert seconds(partial(in_order, messages), soon=0.5) < 0.5
