"""docs/frameworks.md: its Python runs, from top to bottom, against a provider on loopback."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from resilient_stream.testing import CallTool, End, FakeProvider, ReceivedRequest, Text
from resilient_stream.testing.steps import Script

from .test_snippets import ROOT, blocks

pytest.importorskip("pydantic_ai", reason="the page is about pydantic-ai")
pytest.importorskip("langchain_core", reason="the page is about langchain, too")

PAGE = ROOT / "docs" / "frameworks.md"


def model(request: ReceivedRequest) -> Script:
    """A model that calls the tool it is given, knows one city, and has one text."""
    body = request.json
    if "response_format" in body:
        return [Text('{"name": "Oslo", "people": 700000}'), End()]
    if "tools" in body and body["messages"][-1]["role"] == "user":
        return [CallTool("weather", {"city": "Oslo"}), End()]
    return [Text("Short waves", " scatter."), End()]


async def test_the_examples_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All blocks, in one session, print what the page is about."""
    names: dict[str, Any] = {"__name__": "examples"}
    async with FakeProvider(model) as provider:
        for name in ("OPENAI", "ANTHROPIC"):
            monkeypatch.setenv(f"{name}_API_KEY", "test")
            monkeypatch.setenv(f"{name}_BASE_URL", provider.base_url(name.lower()))
        for place, code in blocks(PAGE):
            example = compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            if (running := eval(example, names)) is not None:  # a coroutine where the block awaits
                await running
    said = capsys.readouterr().out
    assert said.count("Short waves scatter.") == 4
    assert said.count("name='Oslo' people=700000") == 2
