"""docs/examples/object_table.py: rows appear one by one; a wrong answer is told, asked anew, and told again."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from rich.console import Console

from resilient_stream import Client
from resilient_stream.testing import End, FakeProvider, Text
from resilient_stream.testing.steps import Script

from .loading import EXAMPLES

CITIES = [
    {"name": name, "country": country, "people": people}
    for name, country, people in (("Oslo", "Norway", 700_000), ("Rome", "Italy", 2_700_000), ("Lima", "Peru", 10))
]
GOOD = json.dumps({"cities": CITIES})
BAD = json.dumps({"cities": [*CITIES[:2], {"name": "Lima", "country": "Peru", "people": -1}]})


@pytest.fixture
def example() -> Iterator[ModuleType]:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("object_table", EXAMPLES / "object_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["object_table"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["object_table"]


def answers(*texts: str) -> list[Script]:
    """Answers in small pieces."""
    return [[*(Text(text[start : start + 6]) for start in range(0, len(text), 6)), End()] for text in texts]


async def test_the_table_grows(example: ModuleType) -> None:
    """Row by row, with dots for what has not come."""
    console = Console(file=io.StringIO(), width=100)
    async with FakeProvider(*answers(GOOD)) as provider, Client(provider.target("openai")) as client:
        await example.grow(client, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("Oslo") > shown.count("Lima") > 0
    assert "…" in shown
    assert "700,000" in shown
    assert "City(name='Lima', country='Peru', people=10)" in shown


@pytest.mark.parametrize(("texts", "end"), [((BAD, GOOD), "whole:"), ((BAD, BAD, BAD), "It was tried 3 times")])
async def test_a_wrong_answer_is_told(
    example: ModuleType,
    texts: tuple[str, ...],
    end: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The complaint, the next try, and the object or the error."""
    async with FakeProvider(*answers(*texts)) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url("openai"))
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        await example.insist("openai:gpt-5-mini", Console(width=200))
        assert all("response_format" not in request.json for request in provider.requests)
    said = capsys.readouterr().out
    assert "Cities.cities[2].people: Input should be greater than or equal to 0" in said
    assert "asked again (2 of 3)" in said
    assert end in said.replace("\n", " ")
