"""`providers`: the list is whole, says what is set up, and shows no key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resilient_stream.cli.providers import FEATURES, rows
from resilient_stream.contract import Capabilities
from resilient_stream.providers import known_providers

from ..local_model import needs_local_model
from .conftest import run


def test_every_provider_has_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is left out; the configured ones come first."""
    monkeypatch.setenv("GROQ_API_KEY", "secret-key")
    found = rows()
    assert {row.name for row in found} == set(known_providers())
    assert (found[0].name, found[0].needs, found[0].configured) == ("groq", "GROQ_API_KEY", True)
    assert "secret-key" not in repr(found)


@pytest.mark.parametrize(
    ("name", "given", "needs", "configured"),
    [
        ("vertex", {}, "Google credentials", False),
        ("vertex", {"GOOGLE_APPLICATION_CREDENTIALS": "k.json"}, "GOOGLE_APPLICATION_CREDENTIALS", True),
        ("bedrock", {}, "AWS credentials", False),
        ("bedrock", {"AWS_PROFILE": "p"}, "AWS_PROFILE", True),
        ("azure", {}, "AZURE_OPENAI_API_KEY, AZURE_OPENAI_ENDPOINT", False),
        ("azure", {"AZURE_OPENAI_AD_TOKEN": "t"}, "AZURE_OPENAI_AD_TOKEN, AZURE_OPENAI_ENDPOINT", False),
        ("azure", {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "u"}, "AZURE_OPENAI_API_KEY", True),
        ("cloudflare", {"CLOUDFLARE_API_KEY": "k"}, "CLOUDFLARE_API_KEY, CLOUDFLARE_ACCOUNT_ID", False),
        ("cloudflare", {"CLOUDFLARE_API_KEY": "k", "CLOUDFLARE_ACCOUNT_ID": "a"},
         "CLOUDFLARE_API_KEY, CLOUDFLARE_ACCOUNT_ID", True),
        ("gpustack", {"GPUSTACK_API_KEY": "k"}, "GPUSTACK_API_KEY, GPUSTACK_BASE_URL", False),
        ("ollama", {}, "no key", None),
        pytest.param("local", {}, "no key", None, marks=needs_local_model),
    ],
)  # fmt: skip
def test_what_is_needed_and_whether_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    given: dict[str, str],
    needs: str,
    configured: bool | None,
) -> None:
    """A key or a login, and an address where everybody has one of his own."""
    for variable in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    [row] = [row for row in rows() if row.name == name]
    assert (row.needs, row.configured) == (needs, configured)


def test_a_login_in_a_file_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As AWS's and Google's own tools leave it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("")
    [row] = [row for row in rows() if row.name == "bedrock"]
    assert row.configured


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


async def test_a_part_of_a_name_or_a_title_is_enough() -> None:
    """Only the providers that have it are listed; where there is none, the exit code says so."""
    ran = await run("providers", "Together", "--json")
    assert [row["name"] for row in json.loads(ran.out)] == ["together"]
    ran = await run("providers", "no such host")
    assert (ran.code, "0 providers" in ran.out) == (2, True)


async def test_a_default_model_is_shown() -> None:
    """Whoever names no model sees which one is asked."""
    ran = await run("providers", "claude-code")
    assert "(default model: default)" in " ".join(ran.out.split())
    assert {row.name for row in rows() if row.default_model} == {"local", "claude-code"}


async def test_the_command_prints_json() -> None:
    """`--json` prints one document, for scripts."""
    ran = await run("providers", "--json")
    assert {row["name"] for row in json.loads(ran.out)} == set(known_providers())
