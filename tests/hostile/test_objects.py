"""Answers and types that are hard to read as objects: only our own errors leave, in time."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, field_validator, model_validator

from resilient_stream import Client, RetryPolicy, StreamError
from resilient_stream.objects.form import form_of
from resilient_stream.objects.growing import MISSING
from resilient_stream.testing import End, FakeProvider, Sleep, Text
from tests.processor import seconds

pytestmark = pytest.mark.usefixtures("nothing_left")


class Leaf(BaseModel):
    """A model whose class comes before the one that it names."""

    kind: Literal["leaf"] = "leaf"
    inner: Leaf | Branch | None = None


class Branch(BaseModel):
    """The other one."""

    kind: Literal["branch"] = "branch"
    inner: Leaf | Branch | None = None


class Chain(BaseModel):
    """A model of itself."""

    name: str = ""
    kids: list[Chain] = []


class Refusing(BaseModel):
    """Its validator has a bug."""

    a: int
    b: str = ""

    @field_validator("a")
    @classmethod
    def _odd(cls, value: int) -> int:
        raise KeyError("a secret")


class RefusingWhole(BaseModel):
    """The same for the whole object."""

    a: int
    b: str = ""

    @model_validator(mode="after")
    def _odd(self) -> RefusingWhole:
        raise RuntimeError("a secret")


class Incomparable(BaseModel):
    """An object that cannot be compared, as one with an array in it."""

    a: int = 0
    b: str = ""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]


def test_a_model_may_name_one_that_comes_later() -> None:
    """Its objects grow like any other, and the fields that tell which it is are believed at any depth."""
    grown = form_of(Leaf).grown('{"inner": {"kind": "branch", "inner": {"kind": "bra')
    assert grown == Leaf(inner=Branch(inner=Leaf())) or grown == Leaf(inner=Branch(inner=Branch()))
    text = '{"inner": {"kind": "branch", "inner": ' * 8 + '{"kind": "branch", "inner": {"ki'
    found = form_of(Leaf).grown(text)
    kinds = []
    while found is not None:
        kinds.append(found.kind)
        found = found.inner
    assert kinds[:17] == ["leaf", "branch"] * 8 + ["branch"]


@pytest.mark.parametrize("levels", [10, 20, 40, 90])
def test_choices_in_one_another_take_no_time(levels: int) -> None:
    """The work grows with the levels, and does not double with each."""
    text = '{"inner": ' * levels + '{"ki'
    form = form_of(Leaf)
    assert isinstance(form.grown(text), Leaf)
    assert seconds(lambda: form.grown(text), soon=0.3) < 0.3


@pytest.mark.parametrize("levels", [100, 150, 190])
def test_an_object_with_very_many_levels_does_not_grow(levels: int) -> None:
    """Nothing is raised while it is read; the whole of it is complained of."""
    grown = form_of(Chain).grown('{"kids": [' * levels + '{"name": "x"')
    assert grown is MISSING or isinstance(grown, Chain)


@pytest.mark.parametrize(("kind", "name"), [(Refusing, "KeyError"), (RefusingWhole, "RuntimeError")])
async def test_a_validator_that_raises_is_named(kind: type[BaseModel], name: str) -> None:
    """It is neither the provider's fault nor does it leave as it is: the error names the type and what it raised."""
    script = [Text('{"a": 1, "b": "some text that is long"'), Sleep(0.01), Text(', "c": 1}'), End()]
    async with FakeProvider(script) as fake, Client(fake.target("openai"), retry=RetryPolicy.off()) as client:
        with pytest.raises(StreamError) as caught:
            async for _ in client.stream("x", output=kind).objects():
                pass
    assert caught.value.kind == "model_output_invalid"
    assert f"validator of {kind.__name__} raised {name}" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_objects_that_cannot_be_compared_are_given() -> None:
    """Each time that there is more."""
    script = [Text('{"a": 1, "b": "some text'), Sleep(0.01), Text(' that is long"}'), End()]
    async with FakeProvider(script) as fake, Client(fake.target("openai"), retry=RetryPolicy.off()) as client:
        found = [each async for each in client.stream("x", output=Incomparable).objects()]
    assert found[-1].b == "some text that is long"
