"""Fields of a wrong type that say nothing, or say it in another type: none of them ends an answer.

Gateways in PHP and Lua cannot tell an empty list from an empty object; others write numbers as text, or fill in an
error in which nothing is said. What may be content is never dropped without a word.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from resilient_stream.chunks import Finished, TextDelta, ToolCall, Usage
from resilient_stream.wire.broken import readable
from tests.hostile.test_odd_events import DIALECTS, OPTIONS, ROWS, Dialect, every, whole
from tests.processor import seconds
from tests.providers.test_second_places import delta
from tests.test_understood import asked

EMPTY: dict[str, list[Any]] = {
    "chat": [
        {"choices": [{"index": 0, "delta": []}]},
        {"choices": {}, "usage": {"prompt_tokens": 1}},
        {"choices": [{"index": 0, "delta": {"tool_calls": {}, "function_call": [], "reasoning_details": {}}}]},
        {"choices": [{"index": 0, "delta": {"refusal": []}, "message": [], "finish_reason": []}]},
        {"choices": [None]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [None]}}]},
    ],
    "messages": [
        {"type": "message_start", "message": []},
        {"type": "message_delta", "delta": [], "usage": []},
        {"type": "content_block_stop", "index": None, "content_block": []},
    ],
    "responses": [{"type": "response.created", "response": []}],
    "gemini": [
        {"candidates": {}, "usageMetadata": []},
        {"candidates": [{"content": [], "index": None}], "promptFeedback": []},
        {"candidates": [{"content": {"parts": {}}}]},
        {"candidates": [None]},
        {"candidates": [{"content": {"parts": [None]}}]},
    ],
    "cohere": [{"type": "content-end", "index": None, "delta": []}],
    "ollama": [{"message": []}, {"message": {"content": "", "tool_calls": {}}, "done": None}],
    "interactions": [{"event_type": "step.stop", "index": None, "step": []}],
    "converse": [{"contentBlockIndex": 0, "delta": []}],
}


@pytest.mark.parametrize(("name", "event"), [(name, each) for name, rows in EMPTY.items() for each in rows])
def test_an_empty_value_of_the_wrong_type_says_nothing(name: str, event: Any) -> None:
    """Alone in a read and together with others."""
    dialect = DIALECTS[name]
    odd, text = dialect.frame(json.dumps(event).encode()), dialect.frame(dialect.text)
    end = b"".join(map(dialect.frame, dialect.end))
    for reads in ([odd, text, odd, text, end], [odd + text + odd + text + end]):
        decoder = dialect.make()
        chunks = whole(decoder, *reads)
        assert (decoder.done, decoder.failure) == (True, None)
        assert [chunk for chunk in chunks if type(chunk) not in (Usage, Finished)] == [TextDelta("a")] * 2


EMPTY_ARGUMENTS = {"tags": [], "note": None, "more": {}, "list": [1, None]}
CALLED: dict[str, Any] = {
    "chat": {
        "delta": {"refusal": [], "tool_calls": [{"function": {"name": "f", "arguments": EMPTY_ARGUMENTS}}]},
        "finish_reason": "tool_calls",
    },
    "gemini": {
        "content": {"parts": [{"functionCall": {"name": "f", "args": EMPTY_ARGUMENTS}}]}, "finishReason": "STOP",
        "finishMessage": [],
    },
    "ollama": {
        "message": {"content": [], "tool_calls": [{"function": {"name": "f", "arguments": EMPTY_ARGUMENTS}}]},
        "done": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CALLED)
def test_an_empty_argument_beside_an_empty_value_of_the_wrong_type_stays(name: str) -> None:
    """A tool gets its null, its empty list and its empty object, whatever else stands in their event."""
    said = CALLED[name]
    event = {"chat": {"choices": [said]}, "gemini": {"candidates": [said]}}.get(name, said)
    chunks = whole(DIALECTS[name].make(), DIALECTS[name].frame(json.dumps(event).encode()))
    assert [chunk.parsed for chunk in chunks if isinstance(chunk, ToolCall)] == [EMPTY_ARGUMENTS]


UNREAD_NUMBERS = ("NaN", "-Infinity", "1e999", "-1e999")


@pytest.mark.parametrize("number", UNREAD_NUMBERS)
@pytest.mark.parametrize("name", CALLED)
def test_a_call_with_a_number_that_nobody_can_read_is_not_run(name: str, number: str) -> None:
    """Its arguments are shown as they were written; no null stands in their place."""
    arguments = f'{{"limit":{number}}}'
    said = json.dumps(CALLED[name]).replace(json.dumps(EMPTY_ARGUMENTS), arguments)
    event = {"chat": '{"choices":[%s]}', "gemini": '{"candidates":[%s]}'}.get(name, "%s") % said
    chunks = whole(DIALECTS[name].make(), DIALECTS[name].frame(event.encode()))
    calls = [(chunk.arguments, chunk.parsed) for chunk in chunks if isinstance(chunk, ToolCall)]
    assert calls == [(arguments, None)]


WHOLE: dict[str, dict[str, Any]] = {
    "openai:m": {
        "choices": [{"index": "0", "message": {"content": "Hi", "tool_calls": {}}, "finish_reason": "stop"}],
        "usage": [],
        "error": {"message": "", "code": 0},
        "score": float("nan"),
    },
    "cohere:m": {
        "message": {"content": [{"type": "text", "text": "Hi"}], "tool_calls": {}},
        "finish_reason": "COMPLETE",
        "usage": [],
    },
    "ollama:m": {"message": {"content": "Hi", "tool_calls": {}}, "done": 1},
}


@pytest.mark.parametrize(("target", "answer"), WHOLE.items(), ids=WHOLE)
async def test_an_answer_in_one_piece_may_have_them_too(target: str, answer: dict[str, Any]) -> None:
    """Empty values of the wrong type, numbers as texts, and an error that says nothing."""
    for label in ("application/json", "text/event-stream"):
        transcript, requests = await asked(target, json.dumps(answer).encode(), label)
        assert (transcript.outcome, transcript.text, requests) == ("complete", "Hi", 1)


@every
def test_a_number_may_be_a_text(dialect: Dialect) -> None:
    """An index that counts as no number would end the answer."""
    body = [dialect.text.replace(b": 0,", b': "0",').replace(b":0,", b':"0",'), *dialect.end]
    decoder = dialect.make()
    chunks = whole(decoder, *map(dialect.frame, body))
    assert (decoder.done, decoder.failure) == (True, None)
    assert [chunk for chunk in chunks if type(chunk) is TextDelta] == [TextDelta("a")]


@pytest.mark.parametrize("numbers", [("0", "1"), (0.0, 1.0)])
def test_the_number_of_a_call_may_be_a_text(numbers: tuple[Any, Any]) -> None:
    """Pieces go to the call of their number, however it is written."""
    pieces = [(0, "a", "f", "{"), (1, "b", "g", ""), (0, None, None, "}")]
    events = [
        {"choices": [delta(tool_calls=[
            {"index": numbers[at], "id": id, "function": {"name": name, "arguments": said}}
        ])]}
        for at, id, name, said in pieces
    ]  # fmt: skip
    dialect = DIALECTS["chat"]
    chunks = whole(dialect.make(), *(dialect.frame(json.dumps(each).encode()) for each in events), ROWS["chat"].end)
    assert [(call.name, call.parsed) for call in chunks if type(call) is ToolCall] == [("f", {}), ("g", {})]


@every
@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_python_writes_for_no_number_is_none(dialect: Dialect, word: bytes) -> None:
    """Servers in Python write it for the probability of a token. In a text it is a word like others."""
    text = dialect.text.replace(b'"a"', b'"a, NaN \\"Infinity\\""')
    decoder = dialect.make()
    chunks = whole(decoder, *map(dialect.frame, [b'{"score": %b, %b' % (word, text[1:]), *dialect.end]))
    assert (decoder.done, decoder.failure) == (True, None)
    assert [chunk for chunk in chunks if type(chunk) is TextDelta] == [TextDelta('a, NaN "Infinity"')]


def test_what_python_writes_for_no_number_takes_linear_time() -> None:
    """Also where a text has no end."""
    for text in (b'"' + b'\\"' * 500_000 + b"NaN", b"NaN " * 200_000, b"-" * 900_000 + b"NaN"):
        assert seconds(partial(readable, text), soon=1) < 1


BLANK = [{}, {"message": "", "type": "", "code": ""}, {"message": None, "code": None}, {"code": 0, "message": ""}]


@pytest.mark.parametrize("name", ["chat", "gemini", "ollama"])
@pytest.mark.parametrize("error", BLANK)
def test_an_error_that_says_nothing_beside_an_answer_is_none(name: str, error: dict[str, Any]) -> None:
    """Alone in its event it stays one, since nothing else can be meant."""
    dialect = DIALECTS[name]
    beside = json.dumps({**json.loads(dialect.text), "error": error}).encode()
    decoder = dialect.make()
    chunks = whole(decoder, *map(dialect.frame, [beside, *dialect.end]))
    assert (decoder.done, decoder.failure) == (True, None)
    assert chunks[0] == TextDelta("a")
    if error:
        decoder = dialect.make()
        whole(decoder, *map(dialect.frame, [dialect.text, json.dumps({"error": error}).encode(), *dialect.end]))
        assert decoder.failure is not None


def test_an_error_beside_the_counts_is_one() -> None:
    """Groq says there why it stopped an answer early."""
    event = b'data: {"choices": [], "x_groq": {"id": "r", "error": "over capacity"}}\n\n'
    decoder = ROWS["chat"].make("openai", **OPTIONS)
    whole(decoder, ROWS["chat"].text, event, ROWS["chat"].end)
    assert not decoder.done
    assert decoder.failure is not None
