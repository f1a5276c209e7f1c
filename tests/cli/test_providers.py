"""`providers`: the list is whole, says what is set up, and shows no key."""

from __future__ import annotations

import json

import pytest

from resilient_stream.cli.providers import FEATURES, rows
from resilient_stream.contract import Capabilities
from resilient_stream.providers import known_providers

from .conftest import run


def test_every_provider_has_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is left out; the configured ones come first."""
    monkeypatch.setenv("GROQ_API_KEY", "secret-key")
    found = rows()
    assert {row.name for row in found} == set(known_providers())
    assert (found[0].name, found[0].needs, found[0].configured) == ("groq", "GROQ_API_KEY", True)
    assert "secret-key" not in repr(found)


def test_the_columns_are_capabilities() -> None:
    """A capability that is renamed takes its column with it."""
    assert set(FEATURES) <= set(Capabilities.__struct_fields__)


async def test_the_command_prints_a_table() -> None:
    """Names, what they need, and a mark for what is set."""
    ran = await run("providers", GROQ_API_KEY="secret-key")
    assert ran.code == 0
    assert "secret-key" not in ran.out
    line = next(line for line in ran.out.splitlines() if " groq " in line)
    assert line.split()[:3] == ["✓", "groq", "GROQ_API_KEY"]


async def test_the_command_prints_json() -> None:
    """One document, for scripts."""
    ran = await run("providers", "--json")
    assert {row["name"] for row in json.loads(ran.out)} == set(known_providers())
