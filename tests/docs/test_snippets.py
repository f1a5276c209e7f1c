"""The Python in the documents runs: each page from top to bottom, against a provider on loopback.

A page's blocks share their names, as a reader would type them one after the other; top-level `await` is allowed, as
in `python -m asyncio`. Functions called `test_…` are run as tests. A block that is not Python has another language.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from docs import tables
from resilient_stream import Client, RetryPolicy
from resilient_stream.providers import adapter_for, known_providers
from resilient_stream.testing import End, FakeProvider, ReceivedRequest, Status, Text
from resilient_stream.testing.steps import Script

ROOT = Path(tables.__file__).parent.parent
BLOCK = re.compile(r"(?ms)^( *)```python\n(.*?)^\1```$")
ELSEWHERE = {
    "recording.md": "tests/examples/test_recording_page.py runs its files in a folder of their own",
    "frameworks.md": "tests/docs/test_frameworks.py runs it where the frameworks are installed",
    "conversations.md": "tests/docs/test_conversations.py has a model that calls tools",
    "integrations.md": "tests/docs/test_integrations.py has the SDKs, which are not installed everywhere",
    "structured-output.md": "tests/docs/test_structured_output.py has a model that answers in JSON",
}
"""Pages whose Python has a test of its own."""
PAGES = [
    page
    for page in (*tables.pages(), ROOT / "README.md")
    if BLOCK.search(page.read_text()) and page.name not in ELSEWHERE
]
ANSWER = (Text("The sky is blue because", " short waves", " scatter."), End())
CITY = (Text('{"name": "Oslo", "country": "Norway"}'), End())


def answer(request: ReceivedRequest) -> Script:
    """The same answer to everyone, and a city to whoever asks for an object."""
    return CITY if "response_format" in (request.json or {}) else ANSWER


@pytest.fixture
def everywhere(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """Every provider is on loopback, and has a key."""
    fake_provider.play(answer)
    for name in known_providers():
        adapter = adapter_for(name)
        if adapter.url_variable:
            monkeypatch.setenv(adapter.url_variable, fake_provider.base_url(name))
        for key in adapter.key_variables:
            monkeypatch.setenv(key, "test")
    return fake_provider


def blocks(page: Path) -> list[tuple[str, str]]:
    """(place, code) of each Python block, its lines where they are in the page."""
    text = page.read_text()
    found = []
    for match in BLOCK.finditer(text):
        line = text[: match.start(2)].count("\n")
        found.append((f"{page.name}:{line + 1}", "\n" * line + textwrap.dedent(match[2])))
    return found


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """Every client of the snippets, also those that a page forgets: an interpreter's session ends with them open."""
    clients: list[Client] = []
    make = Client.__init__

    def kept(self: Client, *targets: Any, **options: Any) -> None:
        clients.append(self)
        make(self, *targets, **options)

    monkeypatch.setattr(Client, "__init__", kept)
    return clients


async def run_all(page: Path, made: list[Client]) -> None:
    """All blocks in one namespace and one loop, then the tests among what they defined."""
    names: dict[str, Any] = {"__name__": page.name}
    for place, code in blocks(page):
        compiled = compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if compiled.co_flags & inspect.CO_COROUTINE:
            await eval(compiled, names)
        else:
            await asyncio.to_thread(exec, compiled, names)  # a thread, for the ones that call asyncio.run
    for name, test in list(names.items()):
        if name.startswith("test_"):
            await test()
    for client in made:
        await client.aclose()


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_python_of_a_page_runs(page, everywhere, made, capsys):
    """The Python of each page runs as it is written."""
    asyncio.run(run_all(page, made))


def what_to_catch() -> str:
    """The snippet that says how errors are caught, without its last line, which asks."""
    [code] = [code for _, code in blocks(ROOT / "docs" / "quick-reference.md") if "except RetryableError" in code]
    return code[: code.index("print(await answer(")]


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        ((503, 503), "Both targets failed. Please try again in 7 seconds."),
        ((503, 401), "openai:gpt-5-mini: Provider overloaded. "),
        ((401,), "openai:gpt-5-mini: API key not accepted. "),
        ((503,), "Provider overloaded. Please try again in 7 seconds."),
    ],
)
async def test_what_to_catch_catches_what_usually_fails(statuses, said, everywhere, made):
    """One target or two, down for a while or for good: what the documents tell people to write does what it says."""
    everywhere.play(*([Status(status, headers={"retry-after": "7"})] for status in statuses))
    names: dict[str, Any] = {}
    exec(what_to_catch(), names)
    targets = ("openai:gpt-5-mini", "anthropic:claude-haiku-4-5")[: len(statuses)]
    names["client"] = Client(*targets, retry=RetryPolicy.off())
    assert (await names["answer"]("Hi")).startswith(said)
    for client in made:
        await client.aclose()


def test_every_block_is_seen():
    """No fenced Python is missed by the pattern above."""
    for page in (*tables.pages(), ROOT / "README.md"):
        assert len(blocks(page)) == page.read_text().count("```python\n"), page.name


def test_a_broken_snippet_is_caught(tmp_path, everywhere, made):
    """The harness is not blind: a name that does not exist fails, at its line."""
    page = tmp_path / "page.md"
    page.write_text(
        "text\n\n```python\nfrom resilient_stream import Client\n```\n\n```python\nawait Client('x').nothing()\n```\n"
    )
    with pytest.raises(Exception, match="no provider is called"):
        asyncio.run(run_all(page, made))
