"""docs/structured-output.md: its examples run, one after the other, and do what the page says."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from resilient_stream.testing import CallTool, End, FakeProvider, ReceivedRequest, Text
from resilient_stream.testing.steps import Script

from .test_snippets import ROOT, blocks

PAGE = ROOT / "docs" / "structured-output.md"
TRIP = json.dumps({"title": "Italy", "stops": [{"place": "Rome", "nights": 4}, {"place": "Pisa", "nights": 3}]})


def pieces(text: str) -> list[Text | End]:
    """An answer in small pieces."""
    return [*(Text(text[start : start + 8]) for start in range(0, len(text), 8)), End()]


def model(request: ReceivedRequest) -> Script:
    """Plays a model by the first words that it is asked."""
    said = request.json["messages"]
    asked = said[0]["content"]
    if "odd" in asked:
        return pieces('{"title": "Odd", "stops": [{"place": "Nowhere"}]}')
    if "May" in asked and said[-1]["role"] == "user":
        return [CallTool("nights_left", {"month": "May"}), End()]
    return pieces('{"title": "Walking"}') if "Name" in asked else pieces(TRIP)


@pytest.mark.usefixtures("nothing_left")
async def test_the_examples_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, in one session, against a scripted model."""
    names: dict[str, Any] = {"__name__": "examples"}
    async with FakeProvider(model) as provider:
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url("openai"))
        for place, code in blocks(PAGE):
            example = compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            if (running := eval(example, names)) is not None:  # a coroutine where the block awaits
                await running
        await names["client"].aclose()
    said = capsys.readouterr().out
    for expected in (
        "Italy: 2 stops, first Rome\n", "Walking\n", "Italy ['Rome']\n", "Italy ['Rome', 'Pisa']\n",
        "Trip.stops[0].nights: Field required", "Italy 2\n",
    ):  # fmt: skip
        assert expected in said
