"""The page with Vercel's own client in a real browser, against the format `ai-sdk`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from resilient_stream.testing import Cut, End, FakeProvider, Sleep, Stall, Status, Text

from .chromium import Chromium, chromium
from .serving import served

pytestmark = pytest.mark.outside

ANSWER, STATUS = "#turns li.assistant:last-child", "#status"
PLACES = (
    Path(sys.prefix) / "node_modules",
    *map(Path, filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep))),
)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm package in one file."""
    found = next((place for place in PLACES if (place / "esbuild" / "bin" / "esbuild").exists()), None)
    if found is None or shutil.which("node") is None:
        pytest.skip("npm's packages `ai` and `esbuild` are not here; `make test` fetches them")
    file = tmp_path_factory.mktemp("npm") / "ai.mjs"
    entry = found / "ai" / "dist" / "index.mjs"
    program = [str(found / "esbuild" / "bin" / "esbuild"), str(entry), "--bundle", "--format=esm", f"--outfile={file}"]
    subprocess.run(program, check=True, capture_output=True)
    return file


@pytest.fixture
async def chat(module: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """`await chat(script, …)` opens the page in front of a provider; gives the window and the provider."""
    monkeypatch.setenv("AI_MODULE", str(module))
    async with AsyncExitStack() as stack:

        async def start(*scripts: Any) -> tuple[Chromium, FakeProvider]:
            window = await stack.enter_async_context(chromium(tmp_path))
            provider = await stack.enter_async_context(FakeProvider(*scripts))
            targets = [provider.target("openai"), provider.target("anthropic")]
            await window.open(await stack.enter_async_context(served("ai_sdk", targets, monkeypatch)))
            return window, provider

        yield start


async def ask(window: Chromium, text: str) -> None:
    """Type a question, and press Enter."""
    await window.type("#prompt", text)
    await window.press("Enter")


async def test_vercels_client_reads_our_answers(chat: Any) -> None:
    """The text, a target that dies on the way, and the next question with the history."""
    window, provider = await chat(
        [Text("Half an ", "answer"), Cut()], [Text("Half an answer", " and the rest."), End()], [Text("Again."), End()]
    )
    await ask(window, "Hi")
    await window.until(ANSWER, "Half an answer and the rest.")
    await window.until(STATUS, "ready")
    await ask(window, "And?")
    await window.until(ANSWER, "Again.")
    turns = provider.requests[-1].json["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert window.complaints == []


async def test_its_stop_closes_the_provider_s_connection(chat: Any) -> None:
    """The client leaves, and so do we."""
    window, provider = await chat([Text("Half"), Stall()])
    await ask(window, "Hi")
    await window.until(ANSWER, "Half")
    await window.click("#stop")
    await provider.wait_closed(1, timeout=2)
    await window.until(STATUS, "ready")


async def test_a_reload_in_mid_stream_goes_on(chat: Any) -> None:
    """By the client's own `resumeStream`: the whole answer once, also when the page is loaded again and again."""
    window, provider = await chat(
        [Text("Half an "), Sleep(0.5), Text("answer"), Sleep(1.5), Text(" and the rest."), End()],
        [Text("Again."), End()],
    )
    await ask(window, "Hi")
    for seen in ("Half an", "Half an answer"):
        await window.until(ANSWER, seen)
        await window.reload()
    await window.until(ANSWER, "Half an answer and the rest.")
    await window.until(STATUS, "ready")
    await window.reload()
    assert (await window.text("#turns")).split("\n") == ["You: Hi", "Answer: Half an answer and the rest."]
    await ask(window, "And?")
    await window.until(ANSWER, "Again.")
    assert [turn["role"] for turn in provider.requests[-1].json["messages"]] == ["user", "assistant", "user"]
    assert window.complaints == []


async def test_stop_after_a_reload_ends_the_answer(chat: Any) -> None:
    """The page that is loaded again stops what an earlier one began, and nothing is left to resume."""
    window, provider = await chat([Text("Half"), Stall()])
    await ask(window, "Hi")
    await window.until(ANSWER, "Half")
    await window.reload()
    await window.until(ANSWER, "Half")
    await window.click("#stop")
    await provider.wait_closed(1, timeout=2)
    await window.reload()
    await window.until(STATUS, "ready")
    assert await window.text("#error") == ""
    assert await window.script("fetch(`/api/chat/${sessionStorage.chat}/stream`).then(answer => answer.status)") == 204


async def test_it_is_told_of_failures(chat: Any) -> None:
    """Before content by a status, after it in the stream: both are the client's `error`."""
    window, _ = await chat([Status(401)], [Status(401)], [Text("Half"), Cut()], [Status(401)], [Text("x"), End()])
    await ask(window, "Hi")
    await window.until("#error", "API key")
    await ask(window, "Again?")
    await window.until(ANSWER, "Half")
    await window.until(STATUS, "error")
