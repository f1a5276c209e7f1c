"""docs/integrations.md: its examples run, those whose packages are here, while the first target dies each time."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from importlib.util import find_spec
from typing import Any

import pytest

from resilient_stream import Client, RetryPolicy
from resilient_stream.testing import Cut, End, FakeProvider, ReceivedRequest, Text
from resilient_stream.testing.steps import Script

from .test_snippets import ROOT, blocks, everywhere

PAGE = ROOT / "docs" / "integrations.md"
IMPORTED = re.compile(r"(?m)^(?:from|import) (\w+)")
SKY = "The sky is blue because short waves scatter."
CITY = '{"name": "Oslo", "country": "Norway"}'

__all__ = ["everywhere"]

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours


def dying(request: ReceivedRequest) -> Script:
    """Break off at OpenAI, and go on anywhere else."""
    whole = CITY if b"country" in request.body else SKY
    if "/messages" in request.path:
        return [Text(whole), End()]
    return [Text(whole[:12]), Cut()]


def test_the_examples_run(
    everywhere: FakeProvider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those whose packages are here, in one session; each prints the whole answer."""
    for package in ("openai", "anthropic", "httpx2"):
        pytest.importorskip(package)
    everywhere.play(dying)
    clients: list[Client] = []
    make = Client.__init__

    def without_retries(self: Client, *targets: Any, **options: Any) -> None:
        clients.append(self)
        make(self, *targets, **{"retry": RetryPolicy.off(), **options})

    monkeypatch.setattr(Client, "__init__", without_retries)
    asyncio.run(_run_all(clients))
    said = capsys.readouterr().out
    assert said.count(SKY) + said.count("Oslo") == _printing()


async def _run_all(clients: list[Client]) -> None:
    names: dict[str, Any] = {"__name__": PAGE.name}
    for place, code in blocks(PAGE):
        if not _runs(code):
            continue
        compiled = compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if compiled.co_flags & inspect.CO_COROUTINE:
            await eval(compiled, names)
        else:
            await asyncio.to_thread(exec, compiled, names)
    for client in clients:
        await client.aclose()


def _runs(code: str) -> bool:
    """Whether the framework of a block is installed."""
    return all(find_spec(name) is not None for name in IMPORTED.findall(code))


def _printing() -> int:
    return sum("print(" in code for _, code in blocks(PAGE) if _runs(code))
