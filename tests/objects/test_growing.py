"""`Stream.objects()`: growing objects, the last one whole and validated."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict

from resilient_stream import StreamError, StreamMisused
from resilient_stream.chunks import Seam, TextDelta
from resilient_stream.objects import reading
from resilient_stream.objects.form import form_of
from resilient_stream.objects.growing import MISSING, grown
from resilient_stream.objects.reading import Growing, ObjectStream
from resilient_stream.outcome.transcript import Transcript
from tests.objects.answers import BAD, GOOD, Stop, Trip, asking, speaking


async def objects_of(text: str, kind: Any, **answer: Any) -> list[Any]:
    """All objects of a stream with this answer."""
    client, _ = asking(speaking(text, **answer))
    return [each async for each in client.stream("Hi", output=kind).objects()]


async def test_objects_grow_and_the_last_one_is_whole() -> None:
    """Each is a Trip that has more than the one before; the last one is the transcript's."""
    client, _ = asking(speaking(GOOD, size=4))
    stream = client.stream("Hi", output=Trip)
    seen = [each async for each in stream.objects()]
    assert all(type(each) is Trip for each in seen)
    assert all(one != other for one, other in pairwise(seen))
    assert "Italy".startswith(seen[0].title)
    assert [len(each.stops or ()) for each in seen] == sorted(len(each.stops or ()) for each in seen)
    assert seen[-1] is stream.transcript.output
    assert len(seen) > 4


async def test_what_is_not_there_yet_is_none_and_not_set() -> None:
    """Fields that have come are set; required ones that have not are None; nested objects likewise."""
    first = (await objects_of('{"title": "A long title", "stops": [{"place": "Ro', Trip, size=4, reason="length"))[-1]
    assert first.model_fields_set == {"title", "stops"}
    assert (first.title, first.stops[0].place, first.stops[0].nights) == ("A long title", "Ro", None)
    assert first.stops[0].model_dump(exclude_unset=True) == {"place": "Ro"}


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """A frozen dataclass with a default."""

    x: int
    label: str
    tags: list[str] = dataclasses.field(default_factory=list)


class Shelf(TypedDict):
    """A TypedDict with models in it."""

    name: str
    stops: list[Stop]


class Cat(BaseModel):
    """One of two."""

    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    """The other one."""

    kind: Literal["dog"]
    name: str
    tricks: list[str] = Field(alias="knows")


class Pair(BaseModel):
    """Two objects, of which only the second one can be incomplete."""

    first: Stop
    second: Stop


class Even(BaseModel):
    """A field with a rule of its own."""

    number: int = Field(multiple_of=2)
    other: str = "none"

    @field_validator("other")
    @classmethod
    def _said(cls, value: str) -> str:
        if value == "no":
            raise ValueError("not this")
        return value


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Point, {"x": 1}, Point(1, None, [])),  # type: ignore[arg-type]
        (Shelf, {"name": "a", "stops": [{"place": "R"}]},
         {"name": "a", "stops": [Stop.model_construct({"place"}, place="R", nights=None)]}),
        (list[Stop], [{"place": "R", "nights": 1}, {}],
         [Stop(place="R", nights=1), Stop.model_construct(set(), place=None, nights=None)]),
        (Cat | Dog, {"kind": "dog", "name": "Re"},
         Dog.model_construct({"kind", "name"}, kind="dog", name="Re", tricks=None)),
        (Dog, {"kind": "dog", "name": "Rex", "knows": ["si"]}, Dog(kind="dog", name="Rex", knows=["si"])),
        (Dog | None, None, None),
        (dict[str, int], {"a": 1, "b": "x"}, {"a": 1}),
        (Even, {"number": 3}, Even.model_construct(set(), number=None, other="none")),
        (Pair, {"first": {"place": "R"}, "second": {"place": "P"}},
         Pair.model_construct({"second"}, first=None, second=Stop.model_construct({"place"}, place="P", nights=None))),
        (int, "x", MISSING),
        (tuple[int, str], [1], MISSING),
        (dict[str, Stop], {"a": {"place": "R"}}, {"a": Stop.model_construct({"place"}, place="R", nights=None)}),
    ],
)  # fmt: skip
def test_an_object_is_built_of_what_fits(kind: Any, value: Any, expected: Any) -> None:
    """Dataclasses, TypedDicts, lists, choices, aliases, constraints; what does not fit is left out."""
    made = grown(kind, value)
    assert made == expected or made is expected
    assert type(made) is type(expected)


def test_a_number_that_may_go_on_is_not_shown() -> None:
    """1 may be the beginning of 12."""
    form = form_of(Stop)
    assert form.grown('{"place": "Rome", "nights": 1').nights is None
    assert form.grown('{"place": "Rome", "nights": 12,').nights == 12


def test_an_object_that_came_without_its_wrapping_grows() -> None:
    """As it is read, too; an empty one has nothing yet."""
    form = form_of(Cat | Dog)
    assert form.grown('{"kind": "dog", "name": "Rex", ').name == "Rex"
    assert form.grown("{") is MISSING


async def test_fences_and_a_sentence_in_front_do_not_matter() -> None:
    """Objects grow behind them."""
    seen = await objects_of(f"Here you are:\n```json\n{GOOD}\n```", Trip)
    assert len(seen) > 3
    assert seen[-1] == Trip.model_validate_json(GOOD)


async def test_a_list_and_a_scalar_grow_without_their_wrapping() -> None:
    """The caller never sees the object around them."""
    words = await objects_of(json.dumps({"value": "a text of some length"}), str, size=4)
    assert words[-1] == "a text of some length"
    assert all(words[-1].startswith(each) for each in words)
    lists = await objects_of(json.dumps({"items": list(range(100, 140))}), list[int])
    assert lists[-1] == list(range(100, 140))
    assert all(each == lists[-1][: len(each)] for each in lists)


async def test_a_json_schema_gives_the_decoded_json() -> None:
    """Growing dicts, and the last one is the transcript's."""
    seen = await objects_of(GOOD, {"type": "object"})
    assert seen[-1] == json.loads(GOOD)
    assert len(seen) > 3


async def test_an_answer_that_does_not_fit_raises_at_its_end() -> None:
    """What had come was given before."""
    client, _ = asking(BAD)
    seen = []
    with pytest.raises(StreamError, match="nights"):
        async for each in client.stream("Hi", output=Trip).objects():
            seen.append(each)
    assert seen[-1].title == "Italy"


async def test_a_cut_answer_ends_with_what_there_is() -> None:
    """All of it is shown, and none is called whole."""
    client, _ = asking(speaking(GOOD[:46], reason="length"))
    stream = client.stream("Hi", output=Trip)
    seen = [each async for each in stream.objects()]
    assert seen[-1].stops[0].place == "Rome"
    assert stream.transcript.output is None


async def test_without_an_output_it_is_misused() -> None:
    """Said in words, before anything is sent."""
    client, transport = asking(GOOD)
    with pytest.raises(StreamMisused, match="output=Model"):
        client.stream("Hi").objects()
    assert not transport.requests


async def test_a_restart_begins_anew() -> None:
    """What a seam takes back is in no later object."""

    async def chunks():
        for chunk in (TextDelta('{"title": "Italy", "stops": []'), Seam("a", "b", "restart", restart=True),
                      TextDelta('{"title": "Norway by bus", ')):  # fmt: skip
            yield chunk

    transcript = Transcript()
    seen = [each async for each in ObjectStream(chunks(), transcript._ready, transcript, form_of(Trip))]
    assert [each.title for each in seen] == ["Italy", "Norway by bus"]


# -- what it costs ------------------------------------------------------------------------------


def read_in_all(length: int, size: int = 4) -> int:
    """The characters that are read for an answer of this length, in pieces of this size."""
    growing, read = Growing(), 0
    growing.add("{")
    for _ in range(length // size):
        growing.add("x" * size)
        if growing.is_due:
            read += len(growing.begun())
    return read


def test_the_work_is_linear_in_the_text() -> None:
    """Twice the text is twice the work, not four times."""
    once, twice, much = read_in_all(10_000), read_in_all(20_000), read_in_all(1_000_000)
    assert twice < 2.2 * once
    assert much < 1_000_000 * (reading.SHARE + 2)


def test_a_screen_still_moves() -> None:
    """A text of 10 KB is read again after 312 characters at most, a short one after 16."""
    growing = Growing()
    growing.add("{" + "x" * 9_999)
    growing.begun()
    growing.add("x" * 312)
    assert growing.is_due
    assert not Growing().is_due


async def test_chunks_of_one_network_read_are_taken_in_together() -> None:
    """A whole answer in one read is read once or twice, however many chunks it has."""
    seen = await objects_of(GOOD, Trip, size=2, together=True)
    assert len(seen) <= 2
