"""An answer is read as the object that was asked for, or says what is wrong with it."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, RootModel, TypeAdapter
from typing_extensions import TypedDict

from resilient_stream import AllTargetsFailed, Client, RetryPolicy, StreamError, StreamMisused, Transcript
from resilient_stream.events import AttemptFailed, Event, FellBack, RetryScheduled
from resilient_stream.objects.form import form_of
from tests.engine.scripted import Answer
from tests.objects.answers import BAD, GOOD, Stop, Trip, asking, sent, speaking

TRIP = Trip.model_validate_json(GOOD)


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: int
    tags: list[str]


class Named(TypedDict):
    """A TypedDict."""

    name: str


class Days(RootModel[list[datetime.date]]):
    """A model that is a list."""


class Strict(BaseModel, strict=True):
    """Its JSON has dates as texts, which strict Python values may not be."""

    day: datetime.date


POINT = {"x": 1, "tags": ["a"]}
KINDS: list[tuple[Any, Any, Any]] = [
    (Trip, json.loads(GOOD), TRIP),
    (Point, POINT, Point(1, ["a"])),
    (Named, {"name": "Ada"}, {"name": "Ada"}),
    (list[Stop], {"items": [{"place": "Rome", "nights": 3}]}, [Stop(place="Rome", nights=3)]),
    (Days, {"items": ["2026-05-01"]}, Days([datetime.date(2026, 5, 1)])),
    (Strict, {"day": "2026-05-01"}, Strict(day=datetime.date(2026, 5, 1))),
    (list[Strict], {"items": [{"day": "2026-05-01"}]}, [Strict(day=datetime.date(2026, 5, 1))]),
    (int, {"value": 7}, 7),
    (Literal["yes", "no"], {"value": "no"}, "no"),
    (Stop | Point, {"value": POINT}, Point(1, ["a"])),
    (Annotated[int, Field(ge=3)], {"value": 3}, 3),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (TypeAdapter(list[int]), {"items": [1]}, [1]),
    ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": 1}, {"a": 1}),
    ({"type": "array", "items": {"type": "string"}}, {"items": ["a"]}, ["a"]),
]


@pytest.mark.parametrize(("kind", "answer", "expected"), KINDS, ids=lambda value: str(value)[:30])
async def test_every_type_is_read(kind: Any, answer: Any, expected: Any) -> None:
    """Models, dataclasses, TypedDicts, lists, scalars, unions, adapters and JSON schemas; the schema sent is an object,
    as providers want it."""
    client, transport = asking(json.dumps(answer))
    transcript = await client.complete("Hi", output=kind)
    assert transcript.output == expected
    assert type(transcript.output) is type(expected)
    schema = sent(transport)["response_format"]["json_schema"]["schema"]
    assert schema["type"] == "object"
    assert transcript.text == json.dumps(answer)


def test_the_form_of_a_type_is_made_once() -> None:
    """Calls repeat their types; one that cannot be a key is taken all the same."""
    assert form_of(list[Stop]) is form_of(list[Stop])
    assert form_of(Annotated[int, Field(ge=1), ["no", "hash"]]).read('{"value": 3}') == 3


async def test_a_recursive_model_inside_of_a_list_keeps_its_references() -> None:
    """Definitions stay where the references in them lead."""
    _, transport = await _completed(list[Node], {"items": [{"name": "a", "children": []}]})
    schema = sent(transport)["response_format"]["json_schema"]["schema"]
    assert schema["$defs"].keys() == {"Node"}
    assert schema["properties"]["items"]["items"]["$ref"] == "#/$defs/Node"


class Node(BaseModel):
    """A tree."""

    name: str
    children: list[Node]


async def _completed(kind: Any, answer: Any) -> tuple[Transcript, Any]:
    client, transport = asking(json.dumps(answer))
    return await client.complete("Hi", output=kind), transport


@pytest.mark.parametrize(
    "text",
    [f"```json\n{GOOD}\n```", f"Here is your trip:\n\n{GOOD}", f"```\n{GOOD}\n```\nEnjoy!", f"  {GOOD}\n\n"],
)
async def test_text_around_the_json_is_ignored_and_delivered(text: str) -> None:
    """A code fence, a sentence before or after: the object is read, and the text stays as it came."""
    client, _ = asking(text)
    transcript = await client.complete("Hi", output=Trip)
    assert transcript.output == TRIP
    assert transcript.text == text


async def test_a_list_that_came_without_its_wrapping_is_read() -> None:
    """Some models drop the object around a list, or around a number."""
    assert (await _completed(list[int], [1, 2]))[0].output == [1, 2]
    assert (await _completed(int, 4))[0].output == 4
    assert (await _completed({"type": "array"}, [1, 2]))[0].output == [1, 2]


# -- an answer that does not fit ----------------------------------------------------------------


async def test_a_stream_ends_as_failed_with_the_reason_in_words() -> None:
    """Its content was delivered, so it raises at the end; the text stays in the transcript."""
    client, transport = asking(BAD)
    stream, pieces = client.stream("Hi", output=Trip), []
    with pytest.raises(StreamError) as caught:
        async for piece in stream.texts():
            pieces.append(piece)
    error = caught.value
    assert (error.kind, error.code, error.phase) == ("model_output_invalid", "output_invalid", "finish")
    assert "Trip.stops[0].nights: Field required" in error.message
    assert error.transcript is stream.transcript
    assert "".join(pieces) == stream.transcript.text == BAD
    assert (stream.transcript.outcome, stream.transcript.output) == ("failed", None)
    assert stream.transcript.attempts[0].error is error
    assert len(transport.requests) == 1
    with pytest.raises(StreamError):
        await anext(stream)


@pytest.mark.parametrize("text", ["I do not know.", "{", "[1]", '{"title": 5}'])
async def test_no_value_of_the_answer_is_in_the_error(text: str) -> None:
    """What is wrong is told by places; the answer may be private."""
    client, _ = asking(text)
    with pytest.raises(StreamError) as caught:
        await client.stream("Hi", output=Trip).collect()
    assert "know" not in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "answer", "complaint"),
    [
        ({"type": "object", "required": ["a"]}, {}, "answer.a: is missing"),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": 1.5}, "answer.a: should be integer"),
        ({"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"type": "string"}}}, {"items": [1]},
         "answer[0]: should be string"),
        ({"enum": ["a", "b"]}, {"value": "c"}, "should be one of 'a', 'b'"),
        ({"type": "object", "additionalProperties": False, "properties": {}}, {"b": 1}, "answer.b: is not asked for"),
        ({"type": ["string", "null"]}, {"value": 1}, "should be string or null"),
    ],
)  # fmt: skip
async def test_a_json_schema_is_checked_by_its_shape(schema: Any, answer: Any, complaint: str) -> None:
    """Types, required and closed properties, choices, references: what is checked without a library for it."""
    client, _ = asking(json.dumps(answer))
    with pytest.raises(StreamError) as caught:
        await client.stream("Hi", output=schema).collect()
    assert complaint in caught.value.message


async def test_a_schema_that_refers_to_itself_ends() -> None:
    """A reference to nothing but itself checks nothing."""
    assert (await _completed({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}, {"a": 1}))[0].output


# -- asked anew ---------------------------------------------------------------------------------


async def test_complete_asks_again_with_the_complaint() -> None:
    """The answer and what is wrong with it go back as turns; each attempt stays, and the last text counts."""
    seen: list[Event] = []
    client, transport = asking(BAD, GOOD, on_event=seen.append)
    transcript = await client.complete("Plan it", output=Trip)
    assert transcript.output == TRIP
    assert transcript.text == GOOD
    assert (transcript.outcome, transcript.error) == ("complete", None)
    asked, said, told = sent(transport, 1)["messages"]
    assert (asked["content"], said) == ("Plan it", {"role": "assistant", "content": BAD})
    assert (told["role"], "Trip.stops[0].nights: Field required" in told["content"]) == ("user", True)
    assert [attempt.error and attempt.error.code for attempt in transcript.attempts] == ["output_invalid", None]
    assert [seam.method for seam in transcript.seams] == ["corrected"]
    assert [type(event) for event in seen if isinstance(event, AttemptFailed | RetryScheduled)] == [
        AttemptFailed, RetryScheduled,
    ]  # fmt: skip


async def test_it_is_asked_as_often_as_the_kind_allows() -> None:
    """Three times at one target; then the error says so, and has the last text."""
    client, transport = asking(BAD, BAD, BAD)
    with pytest.raises(StreamError, match="It was tried 3 times") as caught:
        await client.complete("Hi", output=Trip)
    assert (caught.value.gave_up, len(transport.requests)) == ("attempts", 3)
    assert caught.value.transcript is not None
    assert caught.value.transcript.text == BAD
    assert len(sent(transport, 2)["messages"]) == 5


async def test_a_policy_that_retries_nothing_asks_nothing_again() -> None:
    """RetryPolicy.off() is obeyed."""
    client, transport = asking(BAD, GOOD, retry=RetryPolicy.off())
    with pytest.raises(StreamError):
        await client.complete("Hi", output=Trip)
    assert len(transport.requests) == 1


async def test_the_next_target_is_asked_afresh() -> None:
    """Without the other's answers and complaints; when all fail, each target's error is there."""
    seen: list[Event] = []
    client, transport = asking(BAD, BAD, BAD, GOOD, targets=2, on_event=seen.append)
    transcript = await client.complete("Hi", output=Trip)
    assert (transcript.output, transcript.target) == (TRIP, "openai:m1")
    assert [sent(transport, place)["model"] for place in range(4)] == ["m0", "m0", "m0", "m1"]
    assert len(sent(transport, 3)["messages"]) == 1
    assert sum(isinstance(event, FellBack) for event in seen) == 1
    client, transport = asking(*[BAD] * 6, targets=2)
    with pytest.raises(AllTargetsFailed) as caught:
        await client.complete("Hi", output=Trip)
    assert [error.code for error in caught.value.errors] == ["output_invalid"] * 2
    assert len(transport.requests) == 6


async def test_the_target_that_answered_is_the_one_that_corrects() -> None:
    """Not the first one, which could not answer."""
    client, transport = asking(Answer(b"no", status=401), BAD, GOOD, targets=2)
    transcript = await client.complete("Hi", output=Trip)
    assert [sent(transport, place)["model"] for place in range(3)] == ["m0", "m1", "m1"]
    assert transcript.output == TRIP


async def test_a_correction_that_cannot_be_had_is_an_error_of_its_own() -> None:
    """The provider's error is raised; the answer that did not fit is still in the transcript."""
    client, _ = asking(BAD, Answer(b"no", status=401))
    with pytest.raises(StreamError) as caught:
        await client.complete("Hi", output=Trip)
    assert caught.value.kind == "authentication"
    assert caught.value.transcript is not None
    assert caught.value.transcript.text == BAD


# -- answers that are no objects ----------------------------------------------------------------


@pytest.mark.parametrize(("reason", "kind"), [("length", "output_truncated"), ("content_filter", "content_filtered")])
async def test_an_answer_that_was_cut_says_its_own_reason(reason: str, kind: str) -> None:
    """It is no answer that does not fit: nobody is asked again, and there is no object."""
    client, transport = asking(speaking(GOOD[:30], reason=reason))
    transcript = await client.complete("Hi", output=Trip)
    assert (transcript.outcome, transcript.finish_kind, transcript.output) == ("complete", kind, None)
    assert len(transport.requests) == 1


# -- what was given -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (TRIP, "give the class Trip itself, not an object of it"),
        (Point(1, []), "give the class Point itself"),
        ([Trip], r"for a list of objects write list\[Trip\]"),
        ("json", "not str"),
        (5, "not int"),
        (len, "a function is no type"),
        (object(), "cannot be read as"),
        (list["Nowhere"], "Nowhere"),  # type: ignore[name-defined]  # noqa: F821
        ({"type": {1, 2}}, "output"),
    ],
)
def test_what_is_no_type_is_told_so(given: Any, told: str) -> None:
    """Nearly right things get the right one named."""
    with pytest.raises(StreamMisused, match=told) as caught:
        Client("local").stream("Hi", output=given)
    assert str(caught.value).startswith("output")


async def test_a_transcript_keeps_its_object_as_json() -> None:
    """`to_dict` can be written as JSON, and `from_dict` has what it says."""
    transcript, _ = await _completed(list[Strict], {"items": [{"day": "2026-05-01"}]})
    stored = json.loads(json.dumps(transcript.to_dict()))
    assert Transcript.from_dict(stored).output == [{"day": "2026-05-01"}]
